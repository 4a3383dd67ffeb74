//! Gateways, which authenticate a request before they pass it to the bare server.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum_authgear::testkit::FakeAuthgear;

use super::support::servers::{SERVERS, on};

pub struct Gateway {
    pub url: String,
    pub process: Child,
}

impl Gateway {
    /// `auth_request`: the resolver is asked about each request, or once in ten seconds about each
    /// credential.
    pub fn nginx(folder: &Path, fake: &FakeAuthgear, bare: &str, cached: bool) -> Self {
        let folder = made(folder.join(if cached { "nginx_cached" } else { "nginx" }));
        made(folder.join("cache"));
        let cache = "proxy_cache sessions;
            proxy_cache_key $http_cookie|$http_authorization;
            proxy_cache_valid 200 10s;
            proxy_cache_lock on;";
        let port = free_port();
        let configuration = include_str!("nginx.conf")
            .replace("@PORT@", &port.to_string())
            .replace("@AUTHGEAR@", &fake.address().to_string())
            .replace("@BARE@", bare.trim_start_matches("http://"))
            .replace("@CACHE@", if cached { cache } else { "" });
        let path = folder.join("nginx.conf");
        fs::write(&path, configuration).unwrap();
        let mut command = on(SERVERS, "nginx");
        command.arg("-p").arg(&folder).arg("-c").arg(&path);
        // Where its socket is, which a run that was killed leaves behind.
        command.current_dir(&folder);
        let _ = fs::remove_file(folder.join("refused"));
        Self::start(&mut command, port)
    }

    /// `jwt_authn`, as it is set up by default, or with its cache of verified tokens.
    pub fn envoy(folder: &Path, fake: &FakeAuthgear, bare: &str, cached: bool) -> Self {
        let folder = made(folder.join(if cached { "envoy_cached" } else { "envoy" }));
        let port = free_port();
        let configuration = include_str!("envoy.yaml")
            .replace("@ISSUER@", fake.endpoint())
            .replace("@PORT@", &port.to_string())
            .replace("@AUTHGEAR@", &fake.address().port().to_string())
            .replace("@BARE@", bare.rsplit_once(':').unwrap().1)
            .replace(
                "@CACHE@",
                if cached {
                    "jwt_cache_config: { jwt_cache_size: 1000 }"
                } else {
                    ""
                },
            );
        let path = folder.join("envoy.yaml");
        fs::write(&path, configuration).unwrap();
        let mut command = on(SERVERS, "envoy");
        // One thread, for it has one processor.
        command.args(["--concurrency", "1", "--disable-hot-restart"]);
        command.args(["--log-level", "error", "--config-path"]);
        Self::start(command.arg(&path), port)
    }

    fn start(command: &mut Command, port: u16) -> Self {
        let process = command.stderr(Stdio::null()).spawn();
        let gateway = Self {
            url: format!("http://127.0.0.1:{port}"),
            process: process.unwrap_or_else(|error| panic!("{command:?}: {error}")),
        };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return gateway;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("it does not listen: {command:?}");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // nginx's master ends the workers, if it is asked and not killed.
        let _ = Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        let _ = self.process.wait();
    }
}

fn made(folder: PathBuf) -> PathBuf {
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0");
    listener.and_then(|one| one.local_addr()).unwrap().port()
}
