//! One caller among many, whose questions a proxy before the resolver refuses.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, User};
use axum_authgear::{
    AuthErrorKind, Authgear, AuthgearBuilder, Health, LiveSessions, SessionResolver,
};
use http::{Request, header};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::support::{Log, api, get, ready, send, with_bearer};

/// How long it goes on.
const TIME: Duration = Duration::from_secs(30);
const CLIENTS: usize = 200;
const BOUND: Duration = Duration::from_secs(4);

/// A running nginx: one process, ended when this is dropped.
struct Nginx {
    process: Child,
    prefix: PathBuf,
    url: String,
}

impl Nginx {
    /// Before the resolver, with small buffers, and with a dislike of some callers.
    async fn start(name: &str, resolver: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let prefix =
            std::env::temp_dir().join(format!("axum-authgear-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&prefix).unwrap();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind};\n"))
            .concat();
        let refusals = [403, 414, 431]
            .map(|status| {
                format!("if ($http_user_agent = refuse-{status}) {{ return {status}; }}\n")
            })
            .concat();
        let configuration = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log crit;\n\
             events {{ worker_connections 2048; }}\nhttp {{\naccess_log off;\n{temporary}\
             client_header_buffer_size 1k;\nlarge_client_header_buffers 2 4k;\n\
             upstream resolver {{ server {resolver}; keepalive 64; }}\n\
             server {{\nlisten {address};\nkeepalive_requests 100000;\n{refusals}\
             location / {{ proxy_pass http://resolver; proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\"; proxy_set_header Host $host; }}\n}}\n}}\n"
        );
        std::fs::write(prefix.join("nginx.conf"), configuration).unwrap();
        let process = Command::new("nginx")
            .arg("-p")
            .arg(&prefix)
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .spawn()
            .unwrap();
        let nginx = Self {
            process,
            prefix,
            url: format!("http://{address}/resolve"),
        };
        let listens = async {
            while TcpStream::connect(address).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(30), listens).await.unwrap();
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.prefix);
    }
}

/// Sends good requests, 5 a second, and counts those that are not answered with the user.
async fn good_client(api: Router, token: String, id: String, until: Instant) -> (usize, usize) {
    let (mut sent, mut refused) = (0, 0);
    let mut ticks = interval(Duration::from_millis(200));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sleep(Duration::from_millis(200).mul_f64(fastrand::f64())).await;
    while Instant::now() < until {
        ticks.tick().await;
        sent += 1;
        refused += usize::from(get(&api, "/user", &token).await.body != id);
    }
    (sent, refused)
}

/// Sends what nginx refuses, 50 a second, and counts what is not answered with 503.
async fn hostile(
    api: Router,
    requests: Vec<Box<dyn Fn() -> Request<Body>>>,
    until: Instant,
) -> (usize, usize) {
    let mut ticks = interval(Duration::from_millis(20));
    let mut answers = JoinSet::new();
    let mut sent = 0;
    while Instant::now() < until {
        ticks.tick().await;
        let (api, request) = (api.clone(), requests[sent % requests.len()]());
        sent += 1;
        answers.spawn(async move { send(&api, request).await });
    }
    let answers = answers.join_all().await;
    let unavailable = |answer: &&crate::support::Answer| {
        (answer.status.as_u16(), answer.kind) == (503, Some(AuthErrorKind::SessionUnavailable))
    };
    let refused = answers.iter().filter(unavailable).count();
    (sent, sent - refused)
}

async fn run(name: &str, live: bool) {
    let (log, _guard) = Log::of_this_thread(tracing::Level::INFO);
    let fake = FakeAuthgear::start().await;
    let nginx = Nginx::start(name, &fake.address().to_string()).await;
    let builder: AuthgearBuilder = Authgear::builder(fake.endpoint());
    let resolver = SessionResolver::new().url(&nginx.url);
    let builder = if live {
        let live = LiveSessions::within(BOUND).grace_period(Duration::from_secs(600));
        builder.live_sessions(live.session_resolver(resolver))
    } else {
        builder.session_resolver(resolver.cache_ttl(BOUND))
    };
    let authgear = ready(builder).await;
    let api = api(&authgear);
    let token = |user: &User| {
        let session = fake.sign_in(user);
        if live {
            session.token().sign()
        } else {
            session.opaque_token()
        }
    };
    let mut requests: Vec<Box<dyn Fn() -> Request<Body>>> = Vec::new();
    for status in [403, 414, 431] {
        let token = token(&fake.add_user(User::new("mallory")));
        requests.push(Box::new(move || {
            let mut request = with_bearer("/user", &token);
            let agent = format!("refuse-{status}").parse().unwrap();
            request.headers_mut().insert(header::USER_AGENT, agent);
            request
        }));
    }
    // Longer than nginx reads: 400.
    let too_long = if live {
        let mallory = fake.add_user(User::new("mallory"));
        let padding = "a".repeat(4_000);
        fake.token(&mallory).claim("padding", padding).sign()
    } else {
        "a".repeat(8_000)
    };
    requests.push(Box::new(move || with_bearer("/user", &too_long)));

    let until = Instant::now() + TIME;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let alice = fake.add_user(User::new("alice"));
        let (token, id) = (token(&alice), alice.id().to_owned());
        clients.spawn(good_client(api.clone(), token, id, until));
    }
    let watch = async {
        let (mut looks, mut down, mut degraded) = (0, 0, 0);
        while Instant::now() < until {
            looks += 1;
            down += usize::from(authgear.status().health() == Health::Down);
            degraded += usize::from(authgear.status().health() == Health::Degraded);
            sleep(Duration::from_millis(100)).await;
        }
        (looks, down, degraded)
    };
    let (hostile, (looks, down, degraded)) =
        tokio::join!(hostile(api.clone(), requests, until), watch);
    let good = clients.join_all().await;
    let sent: usize = good.iter().map(|(sent, _)| sent).sum();
    let refused: usize = good.iter().map(|(_, refused)| refused).sum();
    let lines = log.text().matches("WARN").count();
    println!(
        "{name}: {sent} good requests, {refused} refused; {} hostile ones, {} let in or refused \
         otherwise; {looks} looks, {down} down, {degraded} degraded; {lines} WARN lines; {} questions",
        hostile.0,
        hostile.1,
        fake.requests(Endpoint::Resolver),
    );
    assert!(
        sent > CLIENTS * 10 && hostile.0 > 200,
        "too slow to say anything"
    );
    assert_eq!((refused, hostile.1), (0, 0));
    assert_eq!((down, degraded), (0, 0));
    assert!(lines < 10, "{lines} lines");
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn with_the_resolver_alone_no_other_caller_is_concerned() {
    run("hostile-resolver", false).await;
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn with_live_sessions_no_other_caller_is_concerned() {
    run("hostile-live", true).await;
}
