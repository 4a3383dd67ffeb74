//! Requests in a second over real HTTP: `resource_server` beside an axum server that asks nobody
//! who they are, in calm, while keys change and while Authgear hangs; and nginx before that axum
//! server, which asks Authgear's resolver and keeps its answer. `http.sh` builds what it needs and
//! runs it.
//!
//! All on loopback: the load (`wrk`, 32 connections) has one processor and the servers have another
//! one, nginx and what is behind it together, so only ratios within one run say something. Where the
//! load is what is slow, requests a second flatter the server: its own processor time for a request
//! does not.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark"
)]
#![allow(
    clippy::missing_panics_doc,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a benchmark"
)]

mod support;

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use serde_json::Value;
use support::servers::{LOAD, SERVERS, Server, on, processor_time, resource_server};

/// Users whose tokens the load carries, one after the other.
const USERS: usize = 100;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    match words.next().as_deref() {
        Some("bare") => bare(&words.next().unwrap()),
        Some("--quick") => measure(1, 1),
        _ => measure(5, 3),
    }
}

#[tokio::main]
async fn measure(rounds: usize, seconds: u64) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("http");
    std::fs::create_dir_all(&folder).unwrap();
    let calm = Project::start(&folder, "calm", None).await;
    let changing = Project::start(&folder, "changing", Some("1")).await;
    let hanging = Project::start(&folder, "hanging", Some("1")).await;
    let answer = calm.answer().await;
    let bare = Server::start(on(SERVERS, std::env::current_exe().unwrap()).args(["bare", &answer]));
    let nginx = Nginx::start(&folder, &bare, &calm);

    changing.change_keys_every(Duration::from_secs(1));
    hanging.hang();

    let own = |server: &Server| vec![server.process.id()];
    let before_bare = vec![nginx.process.id(), bare.process.id()];
    let contenders = [
        ("bare axum", &bare.url, &calm, own(&bare)),
        (
            "resource_server",
            &calm.server.url,
            &calm,
            own(&calm.server),
        ),
        (
            "  while keys are added",
            &changing.server.url,
            &changing,
            own(&changing.server),
        ),
        (
            "  while Authgear hangs",
            &hanging.server.url,
            &hanging,
            own(&hanging.server),
        ),
        (
            "nginx auth_request, proxy_cache",
            &nginx.url,
            &calm,
            before_bare,
        ),
    ];
    let mut runs = vec![Vec::new(); contenders.len()];
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let index = (turn + round) % contenders.len();
            let (_, url, project, processes) = &contenders[index];
            // On a blocking thread: the fake goes on serving meanwhile.
            let (url, script) = (format!("{url}/me"), project.script.clone());
            let processes = processes.clone();
            let run =
                tokio::task::spawn_blocking(move || Run::of(&url, &script, seconds, &processes));
            runs[index].push(run.await.unwrap());
        }
    }

    println!(
        "{:<34}{:>12}{:>10}{:>10}{:>10}{:>10}{:>12}",
        "medians", "requests/s", "of bare", "p50 ms", "p99 ms", "p99/calm", "CPU µs each"
    );
    let median = |index: usize, pick: fn(&Run) -> f64| {
        let mut values: Vec<f64> = runs[index].iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    for (index, (name, ..)) in contenders.iter().enumerate() {
        // By the ratios of each round: what slows a round down slows all who run in it.
        let mut shares: Vec<f64> = runs[index]
            .iter()
            .zip(&runs[0])
            .map(|(own, bare)| own.rate / bare.rate)
            .collect();
        shares.sort_by(f64::total_cmp);
        println!(
            "{name:<34}{:>12.0}{:>10.3}{:>10.3}{:>10.3}{:>10.2}{:>12.2}",
            median(index, |run| run.rate),
            shares[shares.len() / 2],
            median(index, |run| run.p50),
            median(index, |run| run.p99),
            median(index, |run| run.p99) / median(1, |run| run.p99),
            median(index, |run| run.processor),
        );
    }
    println!(
        "fetches of the keys: calm {}, changing {}, hanging {}",
        calm.fake.requests(Endpoint::Jwks),
        changing.fake.requests(Endpoint::Jwks),
        hanging.fake.requests(Endpoint::Jwks),
    );
}

/// A fake Authgear, a `resource_server` before it, and the load for that.
struct Project {
    fake: FakeAuthgear,
    server: Server,
    script: PathBuf,
    token: String,
}

impl Project {
    async fn start(folder: &Path, name: &str, refresh_seconds: Option<&str>) -> Self {
        let fake = FakeAuthgear::start().await;
        let tokens: Vec<String> = (0..USERS)
            .map(|n| {
                let user = fake.add_user(User::new(format!("user {n}")).roles(["editor"]));
                fake.token(&user)
                    .lifetime(Duration::from_secs(3_600))
                    .sign()
            })
            .collect();
        let script = folder.join(format!("{name}.lua"));
        std::fs::write(&script, load(&tokens)).unwrap();
        let mut command = on(SERVERS, resource_server());
        command.env("AUTHGEAR_ENDPOINT", fake.endpoint());
        if let Some(seconds) = refresh_seconds {
            command.env("AUTHGEAR_JWKS_REFRESH_SECS", seconds);
        }
        Self {
            server: Server::start(command.env("LISTEN", "127.0.0.1:0")),
            token: tokens.into_iter().next().unwrap(),
            fake,
            script,
        }
    }

    /// The user, as the server answers with it.
    async fn answer(&self) -> String {
        let client = reqwest::Client::builder().tls_certs_only([]);
        client
            .build()
            .unwrap()
            .get(format!("{}/me", self.server.url))
            .header("authorization", format!("Bearer {}", self.token))
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap()
            .text()
            .await
            .unwrap()
    }

    /// A new key each time, and the one before it gone; the key of the load stays.
    fn change_keys_every(&self, pause: Duration) {
        let fake = self.fake.clone();
        tokio::spawn(async move {
            loop {
                let kid = fake.add_key();
                tokio::time::sleep(pause).await;
                fake.remove_key(&kid);
            }
        });
    }

    fn hang(&self) {
        self.fake.fail(Endpoint::Jwks, Fault::Hang);
        self.fake.fail(Endpoint::Discovery, Fault::Hang);
    }
}

/// What `wrk` runs: requests made beforehand, one for each token.
fn load(tokens: &[String]) -> String {
    let mut script = "local requests, last = {}, 0\ninit = function()\n".to_owned();
    for token in tokens {
        let _ = writeln!(
            script,
            "  table.insert(requests, wrk.format('GET', nil, {{ ['Authorization'] = 'Bearer {token}', \
             ['Host'] = 'api.example.com', ['Accept'] = 'application/json' }}))"
        );
    }
    script.push_str(
        "end\nrequest = function()\n  last = last % #requests + 1\n  return requests[last]\nend\n",
    );
    script
}

/// What `wrk` says.
#[derive(Clone, Copy)]
struct Run {
    rate: f64,
    /// Milliseconds.
    p50: f64,
    p99: f64,
    /// Processor time of the servers for one request, in microseconds.
    processor: f64,
}

impl Run {
    fn of(url: &str, script: &Path, seconds: u64, processes: &[u32]) -> Self {
        let before = processor_time(processes);
        let output = on(LOAD, "wrk")
            .args(["--threads", "1", "--connections", "32", "--latency"])
            .arg("--duration")
            .arg(format!("{seconds}s"))
            .arg("--script")
            .arg(script)
            .arg(url)
            .output()
            .expect("wrk is installed");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && !text.contains("Non-2xx") && !text.contains("Socket errors"),
            "{url}: {text}"
        );
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        let used = processor_time(processes).saturating_sub(before);
        let requests = text
            .lines()
            .find_map(|line| line.trim().split_once(" requests in "))
            .and_then(|(count, _)| count.parse::<f64>().ok());
        Self {
            processor: used.as_secs_f64() * 1e6 / requests.unwrap(),
            rate: value("Requests/sec:").parse().unwrap(),
            p50: milliseconds(&value("50%")),
            p99: milliseconds(&value("99%")),
        }
    }
}

fn milliseconds(text: &str) -> f64 {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let unit = match &text[digits.len()..] {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1_000.0,
        other => panic!("{other}: no unit of time"),
    };
    digits.parse::<f64>().unwrap() * unit
}

/// The same answer for everyone, made as `resource_server` makes it.
#[tokio::main]
async fn bare(answer: &str) {
    let answer: Value = serde_json::from_str(answer).unwrap();
    let app = Router::new().route(
        "/me",
        get(move || {
            let answer = answer.clone();
            async move { Json(answer) }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening on http://{}", listener.local_addr().unwrap());
    std::io::stdout().flush().unwrap();
    axum::serve(listener, app).await.unwrap();
}

/// nginx before the bare server: each credential is asked for once, and the answer kept.
struct Nginx {
    url: String,
    process: Child,
}

impl Nginx {
    fn start(folder: &Path, bare: &Server, project: &Project) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let folder = folder.join("nginx");
        std::fs::create_dir_all(folder.join("cache")).unwrap();
        let configuration = folder.join("nginx.conf");
        let text = NGINX
            .replace("FOLDER", folder.to_str().unwrap())
            .replace("PORT", &port.to_string())
            .replace("AUTHGEAR", project.fake.address().to_string().as_str())
            .replace("BARE", bare.url.trim_start_matches("http://"));
        std::fs::write(&configuration, text).unwrap();
        let process = on(SERVERS, "nginx")
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(&configuration)
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is installed");
        for _ in 0..100 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Self {
            url: format!("http://127.0.0.1:{port}"),
            process,
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its master ends the workers, if it is asked and not killed.
        let _ = Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        let _ = self.process.wait();
    }
}

const NGINX: &str = "
daemon off;
pid FOLDER/pid;
error_log FOLDER/error.log;
worker_processes auto;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    proxy_cache_path FOLDER/cache keys_zone=sessions:1m;
    keepalive_requests 10000000;
    upstream bare { server BARE; keepalive 64; keepalive_requests 10000000; }
    upstream authgear { server AUTHGEAR; keepalive 16; }
    server {
        listen 127.0.0.1:PORT;
        location / {
            auth_request /_session;
            auth_request_set $user $upstream_http_x_authgear_user_id;
            proxy_pass http://bare;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_set_header X-Authgear-User-Id $user;
        }
        location = /_session {
            internal;
            proxy_pass http://authgear/_resolver/resolve;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_set_header Host AUTHGEAR;
            proxy_pass_request_body off;
            proxy_set_header Content-Length '';
            proxy_cache sessions;
            proxy_cache_key $http_cookie|$http_authorization;
            proxy_cache_valid 200 10s;
            proxy_cache_lock on;
        }
    }
}
";
