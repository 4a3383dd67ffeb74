//! A process of its own for a test: some lines are logged once in a process.

use std::process::Command;

/// Whether the test of this name goes on here: it does in the process that it is alone in, which this
/// starts, with these variables, and waits for.
#[track_caller]
pub(super) fn alone_with(test: &str, environment: &[(&str, &str)]) -> bool {
    if std::env::var_os(ALONE).is_some_and(|name| name == test) {
        return true;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .envs(environment.iter().copied())
        .env(ALONE, test)
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    false
}

#[track_caller]
pub(super) fn alone(test: &str) -> bool {
    alone_with(test, &[])
}

const ALONE: &str = "AXUM_AUTHGEAR_TEST_ALONE";
