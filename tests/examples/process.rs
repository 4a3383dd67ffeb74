//! An example as a process: started, read, asked and ended.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

/// No step of a test takes this long, on however slow a machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running example. It is killed when this is dropped.
pub(crate) struct Example {
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl Example {
    /// Starts an example with this environment and no other.
    pub(crate) fn start(name: &str, environment: &[(&str, &str)]) -> Self {
        Self::spawn(command(name, environment))
    }

    /// Starts what [`command`] gave, and a test has changed.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut process = command.spawn().unwrap();
        let stdout = process.stdout.take().unwrap();
        Self {
            process,
            output: BufReader::new(stdout).lines(),
        }
    }

    /// What it writes on stderr, if that is piped.
    pub(crate) fn errors(&mut self) -> Lines<BufReader<ChildStderr>> {
        BufReader::new(self.process.stderr.take().unwrap()).lines()
    }

    /// The next line of its output.
    pub(crate) async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.output.next_line()).await;
        line.unwrap().unwrap().expect("another line")
    }

    /// Its output up to a line that begins so, which is the last one returned.
    pub(crate) async fn lines_up_to(&mut self, start: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.push(self.line().await);
            if lines.iter().next_back().unwrap().starts_with(start) {
                return lines;
            }
        }
    }

    /// How much memory it holds, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.id().unwrap());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    }

    /// Sends a signal to this very process, and waits for its end.
    pub(crate) async fn end_by(mut self, signal: &str) -> ExitStatus {
        let pid = self.process.id().unwrap();
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{signal} {pid}")])
            .status()
            .await;
        assert!(sent.unwrap().success());
        let ended = timeout(PATIENCE, self.process.wait()).await;
        ended.unwrap().unwrap()
    }
}

/// Runs an example that ends by itself.
pub(crate) async fn run(name: &str, environment: &[(impl AsRef<OsStr>, OsString)]) -> Output {
    let mut command = command(name, environment);
    let ended = timeout(PATIENCE, command.output()).await;
    ended
        .unwrap_or_else(|_| panic!("it goes on: {command:?}"))
        .unwrap()
}

/// The same, with this on its standard input.
pub(crate) async fn run_with_input(
    name: &str,
    environment: &[(&str, &str)],
    input: &[u8],
) -> Output {
    let mut process = command(name, environment)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let writing = async {
        // It may have ended before it has read everything.
        let _ = stdin.write_all(input).await;
        drop(stdin);
    };
    let ended = async { tokio::join!(writing, process.wait_with_output()).1 };
    timeout(PATIENCE, ended).await.unwrap().unwrap()
}

/// An example with this environment and no other.
pub(crate) fn command(
    name: &str,
    environment: &[(impl AsRef<OsStr>, impl AsRef<OsStr>)],
) -> Command {
    command_of(path(name), environment)
}

/// The same for any program.
pub(crate) fn command_of(
    program: impl AsRef<OsStr>,
    environment: &[(impl AsRef<OsStr>, impl AsRef<OsStr>)],
) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Beside `deps/`, where this test is.
pub(crate) fn path(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let built = own.parent().unwrap().parent().unwrap();
    let path = built
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "cargo build --examples makes {name}");
    path
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap()
}

/// `METHOD url` with these headers.
pub(crate) async fn ask(method: &str, url: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = client().request(method.parse().unwrap(), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = timeout(PATIENCE, request.send()).await.unwrap().unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.unwrap(),
    }
}

pub(crate) async fn get(url: &str, token: Option<&str>) -> Answer {
    match token {
        Some(token) => {
            let bearer = format!("Bearer {token}");
            ask("GET", url, &[("authorization", &bearer)]).await
        }
        None => ask("GET", url, &[]).await,
    }
}
