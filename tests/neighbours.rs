//! axum-authgear in a program whose other dependencies turn on what it does not. The program is in
//! `tests/neighbours/`.

mod nested_program;

#[test]
#[ignore = "needs a build of its own"]
fn features_that_other_crates_turn_on_change_nothing() {
    nested_program::assert_runs("neighbours", &[], |command| {
        // Nothing listens at that port.
        for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
            command.env(name, DEAD);
        }
        command.env_remove("NO_PROXY").env_remove("no_proxy");
    });
}

const DEAD: &str = "http://127.0.0.1:9";
