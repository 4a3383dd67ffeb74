//! Ended users shared by replicas through a real server.

use std::future::Future;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum_authgear::testkit::{FakeAuthgear, User, WebhookEvent};
use axum_authgear::{AuthErrorKind, Authgear, Health, RedisConfig};
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::redis_server::{RedisServer, free_port};
use crate::support::{api, get, send};

/// For what a command line cannot say.
impl RedisServer {
    /// Sends one command of any bytes, and returns what comes back first.
    pub(crate) async fn send(&self, words: &[&[u8]]) -> String {
        let mut command = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            command.extend(format!("${}\r\n", word.len()).into_bytes());
            command.extend(*word);
            command.extend(b"\r\n");
        }
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(&command).await.unwrap();
        let mut answer = vec![0; 1024];
        let length = stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    /// How many connections were made to it since it started.
    pub(crate) async fn connections(&self) -> u64 {
        let info = self.command(&["INFO", "stats"]).await;
        let name = "total_connections_received:";
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    }
}

/// A wire to the server that can be cut: then nothing passes, and nothing is closed.
pub(crate) struct Wire {
    port: u16,
    is_cut: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Wire {
    pub(crate) async fn to(server: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_cut = Arc::new(AtomicBool::new(false));
        let (cut, target) = (Arc::clone(&is_cut), server.port);
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let cut = Arc::clone(&cut);
                open.spawn(async move {
                    while cut.load(Ordering::SeqCst) {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    let mut server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        () = async {
                            while !cut.load(Ordering::SeqCst) {
                                tokio::time::sleep(Duration::from_millis(20)).await;
                            }
                        } => {
                            // The connection hangs: neither side hears anything, ever.
                            std::future::pending::<()>().await;
                        }
                    }
                });
            }
        });
        Self { port, is_cut, task }
    }

    pub(crate) async fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    pub(crate) fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One process of an API.
pub(crate) struct Replica {
    pub(crate) authgear: Authgear,
    router: Router,
}

const HOOK: &str = "/hook";

impl Replica {
    /// Does not wait for the log, but for the keys.
    pub(crate) async fn start(fake: &FakeAuthgear, redis: impl Into<RedisConfig>) -> Self {
        let builder = Authgear::builder(fake.endpoint()).redis(redis);
        Self::of(fake, builder.build().unwrap()).await
    }

    pub(crate) async fn of(fake: &FakeAuthgear, authgear: Authgear) -> Self {
        authgear.ready(Duration::from_secs(10)).await.unwrap();
        let hook = authgear.webhooks([fake.webhook_secret()]).unwrap();
        let router = api(&authgear).merge(Router::new().route(HOOK, hook));
        Self { authgear, router }
    }

    /// No request waits: each has half a second.
    pub(crate) async fn refuses(&self, token: &str) -> bool {
        let asked = Instant::now();
        let answer = get(&self.router, "/user", token).await;
        assert!(asked.elapsed() < Duration::from_millis(500), "{answer:?}");
        match answer.status {
            StatusCode::OK => false,
            StatusCode::UNAUTHORIZED => {
                assert_eq!(answer.kind, Some(AuthErrorKind::Revoked));
                true
            }
            _ => panic!("{answer:?}"),
        }
    }

    /// Takes a webhook about the user.
    pub(crate) async fn hears(&self, fake: &FakeAuthgear, event: WebhookEvent, user: &User) {
        let webhook = fake.webhook(event, user);
        let request = Request::post(HOOK).header("x-authgear-body-signature", webhook.signature());
        let answer = send(&self.router, request.body(webhook.body().into()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
    }
}

/// Waits until it is true, for so many seconds at most.
pub(crate) async fn within<F: Future<Output = bool>>(seconds: u64, mut is_true: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !is_true().await {
        assert!(Instant::now() < deadline, "not within {seconds} s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn all_refuse(seconds: u64, replicas: &[&Replica], token: &str) {
    for replica in replicas {
        within(seconds, async || replica.refuses(token).await).await;
    }
}

/// The key of a project's stream.
pub(crate) fn key(fake: &FakeAuthgear) -> String {
    format!("axum-authgear:{}", fake.endpoint())
}

/// A user with a token, and another one who is never ended.
pub(crate) fn user(fake: &FakeAuthgear, name: &str) -> (User, String) {
    let user = fake.add_user(User::new(name));
    let token = fake.token(&user).sign();
    (user, token)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn what_one_replica_learns_all_know_within_a_second() {
    let server = RedisServer::start().await;
    let fake = FakeAuthgear::start().await;
    let (alice, token) = user(&fake, "alice");
    let (_, good) = user(&fake, "bob");
    let a = Replica::start(&fake, server.url()).await;
    let b = Replica::start(&fake, server.url()).await;
    let c = Replica::start(&fake, server.url()).await;
    for replica in [&a, &b, &c] {
        assert!(!replica.refuses(&token).await);
    }

    a.hears(&fake, WebhookEvent::UserDisabled, &alice).await;
    assert!(a.refuses(&token).await);
    all_refuse(1, &[&b, &c], &token).await;

    let (carol, by_page) = user(&fake, "carol");
    let (_, by_log_out) = user(&fake, "dave");
    b.authgear.revoke_user(carol.id()).unwrap();
    let dave = c.authgear.verify(&by_log_out).await.unwrap();
    c.authgear.revoke_token(&dave);
    all_refuse(1, &[&a, &b, &c], &by_page).await;
    all_refuse(1, &[&a, &b, &c], &by_log_out).await;

    // One that starts later refuses from its first request.
    for token in [&token, &by_page, &by_log_out] {
        assert!(
            Replica::start(&fake, server.url())
                .await
                .refuses(token)
                .await
        );
    }
    for replica in [&a, &b, &c] {
        assert!(!replica.refuses(&good).await);
        assert_eq!(replica.authgear.status().health(), Health::Healthy);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_server_that_comes_back_empty_is_told_what_was_known() {
    let mut server = RedisServer::start().await;
    let fake = FakeAuthgear::start().await;
    let a = Replica::start(&fake, server.url()).await;
    let b = Replica::start(&fake, server.url()).await;
    let (alice, before) = user(&fake, "alice");
    a.hears(&fake, WebhookEvent::UserDeleted, &alice).await;
    all_refuse(1, &[&a, &b], &before).await;

    server.stop();
    within(10, async || {
        a.authgear.status().health() == Health::Degraded
    })
    .await;
    assert!(a.authgear.status().last_error().is_some());
    let (bob, meanwhile) = user(&fake, "bob");
    b.hears(&fake, WebhookEvent::UserDisabled, &bob).await;
    assert!(b.refuses(&meanwhile).await);
    for replica in [&a, &b] {
        assert!(replica.refuses(&before).await);
    }
    assert!(!a.refuses(&meanwhile).await, "it cannot know");
    // One that starts now knows nothing, and does not wait.
    let c = Replica::start(&fake, server.url()).await;
    assert!(!c.refuses(&before).await);

    server.restart().await;
    all_refuse(20, &[&a, &b, &c], &meanwhile).await;
    all_refuse(20, &[&a, &b, &c], &before).await;
    let d = Replica::start(&fake, server.url()).await;
    assert!(d.refuses(&before).await && d.refuses(&meanwhile).await);
    within(20, async || c.authgear.status().health() == Health::Healthy).await;

    // Emptied under open connections.
    server.command(&["FLUSHALL"]).await;
    let (carol, after) = user(&fake, "carol");
    c.hears(&fake, WebhookEvent::UserDisabled, &carol).await;
    all_refuse(1, &[&a, &b, &c, &d], &after).await;
    within(20, async || {
        let late = Replica::start(&fake, server.url()).await;
        late.refuses(&before).await && late.refuses(&meanwhile).await && late.refuses(&after).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_server_that_hangs_makes_nobody_wait() {
    let server = RedisServer::start().await;
    let fake = FakeAuthgear::start().await;
    let a = Replica::start(&fake, server.url()).await;
    let b = Replica::start(&fake, server.url()).await;
    let (alice, before) = user(&fake, "alice");
    a.hears(&fake, WebhookEvent::UserDisabled, &alice).await;
    all_refuse(1, &[&a, &b], &before).await;

    server.signal("-STOP");
    let (bob, meanwhile) = user(&fake, "bob");
    a.hears(&fake, WebhookEvent::UserDisabled, &bob).await;
    assert!(a.refuses(&meanwhile).await);
    assert!(!b.refuses(&meanwhile).await);
    within(10, async || {
        assert!(a.refuses(&before).await && b.refuses(&before).await);
        b.authgear.status().health() == Health::Degraded
    })
    .await;
    // One that starts now gives its first request two seconds.
    let started = Instant::now();
    let c = Replica::start(&fake, server.url()).await;
    let answer = get(&c.router, "/user", &before).await;
    assert_eq!(answer.status, StatusCode::OK);
    let waited = started.elapsed();
    assert!(waited > Duration::from_millis(1500), "{waited:?}");
    assert!(waited < Duration::from_millis(3500), "{waited:?}");
    assert!(!c.refuses(&before).await);

    server.signal("-CONT");
    all_refuse(20, &[&a, &b, &c], &before).await;
    all_refuse(20, &[&a, &b, &c], &meanwhile).await;
    within(20, async || b.authgear.status().health() == Health::Healthy).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_partition_heals_in_both_directions() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server).await;
    let fake = FakeAuthgear::start().await;
    let near = Replica::start(&fake, server.url()).await;
    let far = Replica::start(&fake, wire.url()).await;
    let (alice, before) = user(&fake, "alice");
    near.hears(&fake, WebhookEvent::UserDisabled, &alice).await;
    all_refuse(1, &[&near, &far], &before).await;

    wire.cut().await;
    let (bob, on_this_side) = user(&fake, "bob");
    let (carol, on_that_side) = user(&fake, "carol");
    near.hears(&fake, WebhookEvent::UserDisabled, &bob).await;
    far.hears(&fake, WebhookEvent::UserDisabled, &carol).await;
    within(10, async || {
        assert!(far.refuses(&before).await && far.refuses(&on_that_side).await);
        far.authgear.status().health() == Health::Degraded
    })
    .await;
    assert_eq!(near.authgear.status().health(), Health::Healthy);
    assert!(!near.refuses(&on_that_side).await && !far.refuses(&on_this_side).await);

    wire.mend();
    all_refuse(20, &[&near, &far], &on_this_side).await;
    all_refuse(20, &[&near, &far], &on_that_side).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_password_and_a_prefix_keep_others_out() {
    let server = RedisServer::start().await;
    server
        .command(&["CONFIG", "SET", "requirepass", "s3cr:t/@"])
        .await;
    let at = |credentials: &str| format!("redis://{credentials}127.0.0.1:{}/2", server.port);
    let fake = FakeAuthgear::start().await;
    let by_url = Replica::start(&fake, at(":s3cr%3At%2F%40@")).await;
    let by_builder = RedisConfig::new(at(""))
        .username("default")
        .password("s3cr:t/@");
    let by_builder = Replica::start(&fake, by_builder).await;
    let other = RedisConfig::new(at(""))
        .password("s3cr:t/@")
        .key_prefix("other:");
    let other = Replica::start(&fake, other).await;
    let (alice, token) = user(&fake, "alice");
    by_url
        .hears(&fake, WebhookEvent::UserDisabled, &alice)
        .await;
    all_refuse(1, &[&by_builder], &token).await;
    assert!(!other.refuses(&token).await);

    for credentials in ["", ":canary@"] {
        let wrong = Replica::start(&fake, at(credentials)).await;
        within(10, async || {
            wrong.authgear.status().health() == Health::Degraded
        })
        .await;
        let error = wrong.authgear.status().last_error().unwrap().to_string();
        // Without a password the server refuses whatever comes first.
        assert!(error.starts_with("the revocation log refused"), "{error}");
        assert!(!error.contains("canary"));
        assert!(!wrong.refuses(&token).await);
    }
    let key = key(&fake);
    let keys = server
        .command(&["-a", "s3cr:t/@", "-n", "2", "KEYS", "*"])
        .await;
    assert_eq!(keys.trim(), key);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_new_entry_removes_the_outdated_ones() {
    let server = RedisServer::start().await;
    let fake = FakeAuthgear::start().await;
    let key = key(&fake);
    for id in ["'1-' .. n", "'*'"] {
        let add = format!("redis.call('XADD', KEYS[1], {id}, 'user', n, 'moment', 1)");
        let fill = format!("for n = 1, 250 do {add} end");
        server.command(&["EVAL", &fill, "1", &key]).await;
    }
    let length = async || {
        let length = server.command(&["XLEN", &key]).await;
        length.trim().parse::<u64>().unwrap()
    };
    let a = Replica::start(&fake, server.url()).await;
    let (alice, token) = user(&fake, "alice");
    assert!(!a.refuses(&token).await);
    assert_eq!(length().await, 500);
    a.hears(&fake, WebhookEvent::UserDisabled, &alice).await;
    // Redis removes whole blocks of 100 entries. A block stays while one of its entries must stay.
    within(5, async || (251..=350).contains(&length().await)).await;
    let late = Replica::start(&fake, server.url()).await;
    assert!(late.refuses(&token).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn tls_takes_the_servers_certificate_alone() {
    let folder = std::env::temp_dir().join(format!("axum-authgear-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = folder.join("openssl.cnf");
    std::fs::write(&config, "[req]\ndistinguished_name = name\n[name]\n").unwrap();
    let certificate = |name: &str| {
        let path = |end: &str| folder.join(format!("{name}.{end}")).display().to_string();
        let output = Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args([
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
            ])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-config"])
            .arg(&config)
            .args(["-keyout", &path("key"), "-out", &path("pem")])
            .output()
            .expect("openssl can be run");
        assert!(output.status.success(), "{output:?}");
        (path("pem"), path("key"))
    };
    let (pem, key) = certificate("server");
    let (other_pem, _) = certificate("other");
    let server = RedisServer::start().await;
    let port = free_port().to_string();
    let certificate = ["tls-cert-file", &pem, "tls-key-file", &key];
    let set = ["CONFIG", "SET", "tls-auth-clients", "no"];
    server.command(&[&set[..], &certificate].concat()).await;
    let answer = server.command(&["CONFIG", "SET", "tls-port", &port]).await;
    assert_eq!(answer.trim(), "OK");

    let fake = FakeAuthgear::start().await;
    let at = |host: &str, pem: &str| {
        RedisConfig::new(format!("rediss://{host}:{port}"))
            .root_certificates(std::fs::read(pem).unwrap())
    };
    let a = Replica::start(&fake, at("localhost", &pem)).await;
    let b = Replica::start(&fake, at("localhost", &pem)).await;
    let (alice, token) = user(&fake, "alice");
    a.hears(&fake, WebhookEvent::UserDisabled, &alice).await;
    all_refuse(1, &[&b], &token).await;

    for untrusted in [at("localhost", &other_pem), at("127.0.0.1", &pem)] {
        let untrusted = Replica::start(&fake, untrusted).await;
        within(10, async || {
            untrusted.authgear.status().health() == Health::Degraded
        })
        .await;
        assert!(!untrusted.refuses(&token).await);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
