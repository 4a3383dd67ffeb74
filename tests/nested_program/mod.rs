//! Runs a program of a nested crate, which is outside of the workspace so that its features reach
//! nothing else.

use std::path::Path;
use std::process::Command;

/// Builds and runs `tests/NAME/`, in a target folder of its own; it prints `ok` where all is well.
pub(crate) fn assert_runs(name: &str, arguments: &[&str], environment: impl FnOnce(&mut Command)) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["run", "--quiet", "--offline", "--locked"])
        .args(arguments)
        .arg("--manifest-path")
        .arg(tests.join(name).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(tests.join("../target").join(name));
    environment(&mut command);
    let output = command.output().expect("cargo runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stdout == "ok\n",
        "{name} {arguments:?}: {}\n{stdout}{stderr}",
        output.status,
    );
}
