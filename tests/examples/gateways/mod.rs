//! Real gateways in front of an API in gateway mode, with the very configurations that the
//! documentation shows: addresses alone are replaced.
//!
//! Each gateway passes the same table ([`table`]), and says in its [`Kind`] where it differs.

mod caddy;
mod connection;
mod envoy;
mod ingress_nginx;
mod nginx;
mod questions;
mod stack;
mod stub;
mod table;
mod upstream;
mod websockets;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::process::{Answer, PATIENCE};

/// As in the configurations.
const SECRET: &str = "change-me-change-me-change-me-32";

/// The origin whose pages may call the API, as in the configurations.
const PAGE: &str = "https://app.example.com";

/// A gateway, and where it differs from the others.
#[expect(clippy::struct_excessive_bools, reason = "a table of differences")]
struct Kind {
    program: &'static str,
    /// Writes its configuration into this folder, and says how it is started there.
    prepare: fn(&Addresses, &Path) -> Command,
    /// What a client gets where `forward_auth` answers 400.
    malformed: u16,
    /// What a client gets where `forward_auth` answers 503.
    unavailable: Unavailable,
    /// What a client gets where `forward_auth` does not answer.
    down: u16,
    /// Whether the body of a refusal reaches the client.
    passes_body: bool,
    /// Whether it refuses a gRPC client in the words of gRPC: 200 with `grpc-status`.
    speaks_grpc: bool,
    /// Whether it refuses a `Connection` that names an identity header, which it would remove.
    refuses_connection: bool,
    /// Whether it answers each `OPTIONS` of a page, be it a preflight or not.
    answers_every_options: bool,
    /// Whether `forward_auth` learns the client's `Host`.
    passes_host: bool,
}

/// A status, and where `Retry-After` comes from.
#[derive(Clone, Copy)]
struct Unavailable(u16, RetryAfter);

#[derive(Clone, Copy, PartialEq)]
enum RetryAfter {
    /// From the answer of `forward_auth`.
    Passed,
    /// From the gateway's configuration.
    Fixed(&'static str),
    Missing,
}

struct Addresses {
    gateway: String,
    api: String,
    /// Who is asked.
    asked: String,
}

/// A running gateway: one process, killed when this is dropped.
struct Gateway {
    _process: Child,
    folder: PathBuf,
    address: String,
}

impl Gateway {
    async fn start(kind: &Kind, addresses: Addresses) -> Self {
        let port = addresses.gateway.rsplit(':').next().unwrap();
        let name = format!(
            "axum-authgear-{}-{}-{port}",
            kind.program,
            std::process::id()
        );
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let log = folder.join("error.log");
        let mut process = (kind.prepare)(&addresses, &folder)
            .current_dir(&folder)
            .stderr(File::create(&log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} is not installed: {error}", kind.program));
        let listens = async {
            while TcpStream::connect(&addresses.gateway).await.is_err() {
                let has_ended = process.try_wait().unwrap().is_some();
                assert!(!has_ended, "{}", fs::read_to_string(&log).unwrap());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, listens).await.unwrap();
        Self {
            _process: process,
            folder,
            address: addresses.gateway,
        }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends these lines as they are.
    async fn send(&self, method: &str, target: &str, headers: &[&str]) -> Answer {
        let mut lines = vec![
            format!("{method} {target} HTTP/1.1"),
            format!("Host: {}", self.address),
        ];
        lines.extend(headers.iter().map(ToString::to_string));
        if !headers
            .iter()
            .any(|header| header.to_ascii_lowercase().starts_with("connection"))
        {
            lines.push("Connection: close".to_owned());
        }
        if method == "POST" {
            lines.push("Content-Length: 0".to_owned());
        }
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let request = lines.join("\r\n") + "\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = async {
            while !is_complete(&answer) && stream.read_buf(&mut answer).await.unwrap() > 0 {}
        };
        timeout(PATIENCE, read).await.unwrap();
        parse(&String::from_utf8_lossy(&answer))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether an answer of a known length is there, though the connection stays open.
fn is_complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.parse::<usize>().unwrap())
    });
    length.is_some_and(|length| body.len() >= length)
}

/// Reads an answer. A body in chunks stays as it is.
fn parse(answer: &str) -> Answer {
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok());
    let headers: HeaderMap = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value.trim()).unwrap())
        })
        .collect();
    Answer {
        status: status.unwrap_or_else(|| panic!("no answer: {answer:?}")),
        headers,
        text: text.to_owned(),
    }
}

/// A file of the documentation.
fn documented(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/docs");
    fs::read_to_string(Path::new(folder).join(name)).unwrap()
}

async fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}
