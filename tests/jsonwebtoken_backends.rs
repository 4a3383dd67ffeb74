//! axum-authgear in programs that turn on jsonwebtoken's backends: two at once, and one of their
//! own choice. The programs are in `tests/jsonwebtoken_backends/`.

use std::path::Path;
use std::process::Command;

#[test]
#[ignore = "needs a second build"]
fn a_program_with_both_backends() {
    assert_runs("both", &["--features", "both"]);
}

#[test]
#[ignore = "needs a second build"]
fn a_program_with_one_backend_keeps_it() {
    assert_runs("rust_only", &[]);
}

fn assert_runs(program: &str, features: &[&str]) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--locked", "--bin", program])
        .args(features)
        .arg("--manifest-path")
        .arg(tests.join("jsonwebtoken_backends/Cargo.toml"))
        .arg("--target-dir")
        .arg(tests.join("../target/jsonwebtoken_backends"))
        .output()
        .expect("cargo runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stdout == "ok\n",
        "{program}: {}\n{stdout}{stderr}",
        output.status,
    );
}
