//! axum-authgear in programs that turn on jsonwebtoken's backends: two at once, and one of their
//! own choice. The programs are in `tests/jsonwebtoken_backends/`.

mod nested_program;

#[test]
#[ignore = "needs a second build"]
fn a_program_with_both_backends() {
    assert_runs(&["--bin", "both", "--features", "both"]);
}

#[test]
#[ignore = "needs a second build"]
fn a_program_with_one_backend_keeps_it() {
    assert_runs(&["--bin", "rust_only"]);
}

fn assert_runs(arguments: &[&str]) {
    nested_program::assert_runs("jsonwebtoken_backends", arguments, |_| {});
}
