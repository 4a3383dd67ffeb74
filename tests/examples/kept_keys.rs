//! `AUTHGEAR_KEY_DIR`: what is kept there, over the end of a process, and what a disk may do.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use axum_authgear::testkit::{FakeAuthgear, User};
use tempfile::TempDir;
use tokio::io::{BufReader, Lines};
use tokio::process::{ChildStderr, Command};
use tokio::time::{sleep, timeout};

use crate::process::{Example, PATIENCE, command, get, path};

struct Server {
    _example: Example,
    log: Lines<BufReader<ChildStderr>>,
    url: String,
}

impl Server {
    /// Starts `resource_server`, for this project and with this folder.
    async fn start(endpoint: &str, folder: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let environment = [
            ("AUTHGEAR_ENDPOINT", endpoint),
            ("LISTEN", "127.0.0.1:0"),
            ("AUTHGEAR_KEY_DIR", folder.to_str().unwrap()),
            ("AUTHGEAR_JWKS_COOLDOWN_SECS", "1"),
        ];
        let mut command = command("resource_server", &environment);
        change(&mut command);
        command.stderr(Stdio::piped());
        let mut example = Example::spawn(command);
        let log = example.errors();
        let line = example.line().await;
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        Self {
            _example: example,
            log,
            url,
        }
    }

    async fn status(&self, token: &str) -> u16 {
        get(&format!("{}/me", self.url), Some(token)).await.status
    }

    /// Waits for a line of the log.
    async fn logs(&mut self, text: &str) -> String {
        loop {
            let line = timeout(PATIENCE, self.log.next_line()).await;
            let line = line.expect(text).unwrap().expect("another line");
            if line.contains(text) {
                return line;
            }
        }
    }
}

/// Waits until keys have been kept.
async fn kept(folder: &Path) -> PathBuf {
    loop {
        let entries = fs::read_dir(folder.join("axum-authgear"));
        let paths = entries
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path());
        let is_keys = |path: &PathBuf| path.extension().is_some_and(|end| end == "keys");
        if let Some(path) = paths.into_iter().find(is_keys) {
            return path;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_server_that_starts_while_authgear_is_away_serves_and_heals() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("not/there yet");
    let first = Server::start(fake.endpoint(), &folder, |_| {}).await;
    assert_eq!(first.status(&token).await, 200);
    kept(&folder).await;
    drop(first);
    fake.stop();

    let mut second = Server::start(fake.endpoint(), &folder, |_| {}).await;
    assert_eq!(second.status(&token).await, 200);
    let line = second.logs("kept keys are used").await;
    assert!(line.contains("source=\"folder\""), "{line}");
    let none = TempDir::new().unwrap();
    let without = Server::start(fake.endpoint(), none.path(), |_| {}).await;
    assert_eq!(without.status(&token).await, 503);

    let _ = fake.rotate();
    fake.remove_old_keys();
    let of_the_new_key = fake.token(&alice).sign();
    fake.restart().await;
    while second.status(&of_the_new_key).await != 200 {
        sleep(Duration::from_millis(100)).await;
    }
    assert_ne!(second.status(&token).await, 200);
}

#[tokio::test]
async fn a_full_disk_costs_a_line_and_no_request() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let folder = TempDir::new().unwrap();
    // No file may have a byte: that is met where a write would be, as a full disk is.
    let full = |command: &mut Command| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\""])
            .arg(path("resource_server"))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        for (name, value) in command.as_std().get_envs() {
            shell.env(name, value.unwrap());
        }
        *command = shell;
    };
    let mut server = Server::start(fake.endpoint(), folder.path(), full).await;
    assert_eq!(server.status(&token).await, 200);
    let line = server.logs("cannot be kept").await;
    assert!(line.contains("File too large"), "{line}");
    assert_eq!(server.status(&token).await, 200);
    let left = fs::read_dir(folder.path().join("axum-authgear")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().path()).collect();
    assert!(
        left.iter().all(|path| path.extension().unwrap() == "lock"),
        "{left:?}"
    );
}

/// The user who runs the tests may be one who can read everything: then the server is run by another.
#[tokio::test]
async fn a_file_that_cannot_be_read_is_not_used_and_is_replaced() {
    const NOBODY: u32 = 65_534;

    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("keys");
    fs::create_dir(&folder).unwrap();
    let is_root = fs::metadata(&folder).unwrap().uid() == 0;
    let program = parent.path().join("resource_server");
    if is_root {
        fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).unwrap();
        chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
        fs::copy(path("resource_server"), &program).unwrap();
    }
    let start = async || {
        let as_nobody = |command: &mut Command| {
            if is_root {
                let mut other = Command::new(&program);
                other
                    .env_clear()
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .kill_on_drop(true)
                    .uid(NOBODY)
                    .gid(NOBODY);
                for (name, value) in command.as_std().get_envs() {
                    other.env(name, value.unwrap());
                }
                *command = other;
            }
        };
        Server::start(fake.endpoint(), &folder, as_nobody).await
    };

    drop(start().await);
    let server = start().await;
    assert_eq!(server.status(&token).await, 200);
    let file = kept(&folder).await;
    drop(server);
    fs::set_permissions(&file, Permissions::from_mode(0o000)).unwrap();
    fake.stop();
    let mut server = start().await;
    let line = server.logs("kept keys are not used").await;
    assert!(line.contains("ermission denied"), "{line}");
    assert_eq!(server.status(&token).await, 503);

    // It is replaced as soon as there are keys.
    fake.restart().await;
    while server.status(&token).await != 200 {
        sleep(Duration::from_millis(100)).await;
    }
    while fs::metadata(&file).unwrap().mode() & 0o777 != 0o600 {
        sleep(Duration::from_millis(20)).await;
    }

    // And one of another user's.
    drop(server);
    fake.stop();
    if is_root {
        chown(&file, Some(0), Some(0)).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        let mut server = start().await;
        server.logs("another user owns").await;
        assert_eq!(server.status(&token).await, 503);
    }
}
