//! axum-authgear in a program whose other dependencies turn on what it does not. The program is in
//! `tests/neighbours/`.

use std::path::Path;
use std::process::Command;

#[test]
#[ignore = "needs a build of its own"]
fn features_that_other_crates_turn_on_change_nothing() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--locked"])
        .arg("--manifest-path")
        .arg(tests.join("neighbours/Cargo.toml"))
        .arg("--target-dir")
        .arg(tests.join("../target/neighbours"))
        // Nothing listens at that port.
        .env("HTTPS_PROXY", DEAD)
        .env("HTTP_PROXY", DEAD)
        .env("ALL_PROXY", DEAD)
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .expect("cargo runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stdout == "ok\n",
        "{}\n{stdout}{stderr}",
        output.status,
    );
}

const DEAD: &str = "http://127.0.0.1:9";
