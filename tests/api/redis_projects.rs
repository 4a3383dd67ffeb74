//! Several projects whose replicas share one server: over two connections, and each for itself.

use std::time::{Duration, Instant};

use axum::Router;
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthErrorKind, Authgear, AuthgearBuilder, Health, RedisConfig};
use http::StatusCode;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::redis::{Wire, key, within};
use crate::redis_server::RedisServer;
use crate::support::{api, get};

const REFUSED: StatusCode = StatusCode::UNAUTHORIZED;
const GOOD: StatusCode = StatusCode::OK;

/// Two projects with users of the same id.
struct Tenants {
    one: FakeAuthgear,
    other: FakeAuthgear,
}

impl Tenants {
    async fn start() -> Self {
        Self {
            one: FakeAuthgear::start().await,
            other: FakeAuthgear::start().await,
        }
    }

    fn builders(&self) -> [AuthgearBuilder; 2] {
        [&self.one, &self.other].map(|fake| Authgear::builder(fake.endpoint()))
    }

    /// A token of a user with this id, of each.
    fn tokens(&self, id: &str) -> [String; 2] {
        [&self.one, &self.other].map(|fake| {
            let user = fake.add_user(User::new(id).with_id(id));
            fake.token(&user).claim("jti", id).sign()
        })
    }
}

/// One process of an API for several projects.
struct Process {
    authgear: Authgear,
    router: Router,
}

impl Process {
    fn of(
        projects: impl IntoIterator<Item = AuthgearBuilder>,
        redis: impl Into<RedisConfig>,
    ) -> Self {
        let authgear = Authgear::any_of(projects).redis(redis).build().unwrap();
        let router = api(&authgear);
        Self { authgear, router }
    }

    async fn start(tenants: &Tenants, redis: impl Into<RedisConfig>) -> Self {
        let process = Self::of(tenants.builders(), redis);
        process
            .authgear
            .ready(Duration::from_secs(10))
            .await
            .unwrap();
        process
    }

    async fn status(&self, token: &str) -> StatusCode {
        let answer = get(&self.router, "/user", token).await;
        if answer.status == REFUSED {
            assert_eq!(answer.kind, Some(AuthErrorKind::Revoked), "{answer:?}");
        }
        answer.status
    }

    fn revoke(&self, fake: &FakeAuthgear, id: &str) {
        let project = self.authgear.projects().get(fake.endpoint()).unwrap();
        project.revoke_user(id);
    }

    fn health(&self, fake: &FakeAuthgear) -> Health {
        let status = self.authgear.status();
        let mut projects = status.projects().iter();
        let own = projects.find(|project| project.issuer() == fake.endpoint());
        own.unwrap().status().health()
    }

    fn error(&self, fake: &FakeAuthgear) -> String {
        let status = self.authgear.status();
        let mut projects = status.projects().iter();
        let own = projects.find(|project| project.issuer() == fake.endpoint());
        let error = own.unwrap().status().last_error().map(ToString::to_string);
        error.unwrap_or_default()
    }

    async fn becomes(&self, fake: &FakeAuthgear, health: Health) {
        within(20, async || self.health(fake) == health).await;
    }

    /// Refuses it within so many milliseconds.
    async fn learns(&self, millis: u64, token: &str) {
        let asked = Instant::now();
        within(20, async || self.status(token).await == REFUSED).await;
        let waited = asked.elapsed();
        assert!(waited < Duration::from_millis(millis), "{waited:?}");
    }
}

/// The connections that are open, but for the one that asks.
async fn open_connections(server: &RedisServer) -> usize {
    let list = server.command(&["CLIENT", "LIST"]).await;
    list.lines()
        .filter(|line| !line.contains("cmd=client"))
        .count()
}

/// Says in the log of a project, as another replica would, that a user is ended.
async fn end_elsewhere(server: &RedisServer, key: &str, id: &str) {
    let moment = "2000000000";
    let answer = server
        .command(&["XADD", key, "*", "user", id, "moment", moment])
        .await;
    assert!(answer.contains('-'), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn what_is_ended_in_one_project_is_ended_on_all_replicas_and_in_no_other_project() {
    let server = RedisServer::start().await;
    let tenants = Tenants::start().await;
    let a = Process::start(&tenants, server.url()).await;
    let b = Process::start(&tenants, server.url()).await;
    let [own, others] = tenants.tokens("alice");
    let [own_by_token, others_by_token] = tenants.tokens("bob");
    for token in [&own, &others, &own_by_token, &others_by_token] {
        assert_eq!(b.status(token).await, GOOD);
    }
    a.revoke(&tenants.one, "alice");
    let bob = a.authgear.verify(&own_by_token).await.unwrap();
    a.authgear.revoke_token(&bob);
    b.learns(1_000, &own).await;
    b.learns(1_000, &own_by_token).await;
    // The same user id and `jti`, of the other project.
    sleep(Duration::from_millis(500)).await;
    for process in [&a, &b] {
        assert_eq!(process.status(&others).await, GOOD);
        assert_eq!(process.status(&others_by_token).await, GOOD);
    }
    // Near miss: that one is ended where its own project says so.
    b.revoke(&tenants.other, "alice");
    a.learns(1_000, &others).await;
    assert_eq!(a.status(&others_by_token).await, GOOD);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn all_projects_share_two_connections() {
    let server = RedisServer::start().await;
    let idle = |number| Authgear::builder(format!("http://localhost:{}", 1 + number));
    let single = Authgear::builder("http://localhost:1")
        .redis(server.url())
        .build()
        .unwrap();
    within(10, async || open_connections(&server).await == 2).await;
    drop(single);
    within(10, async || open_connections(&server).await == 0).await;

    for count in [1, 2, 50_u64] {
        let made = server.connections().await;
        let process = Process::of((0..count).map(idle), server.url());
        for number in 0..count {
            let key = format!("axum-authgear:http://localhost:{}", 1 + number);
            end_elsewhere(&server, &key, "somebody").await;
        }
        sleep(Duration::from_millis(2_500)).await;
        assert_eq!(open_connections(&server).await, 2, "{count}");
        // Some are those of this test itself.
        let asked = count + 3;
        let made = server.connections().await - made;
        assert!(made <= 2 + asked, "{count}: {made}");
        drop(process);
        within(10, async || open_connections(&server).await == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn projects_come_and_go_over_the_same_connections() {
    let server = RedisServer::start().await;
    let tenants = Tenants::start().await;
    let a = Process::start(&tenants, server.url()).await;
    let b = Process::of([], server.url());
    let projects = b.authgear.projects();
    let [own, others] = tenants.tokens("alice");
    a.revoke(&tenants.one, "alice");
    a.learns(1_000, &own).await;

    // Added while it runs, it is refused from the first request on.
    let [one, other] = tenants.builders();
    projects.add(one).unwrap();
    assert_eq!(b.status(&own).await, REFUSED);
    projects.add(other).unwrap();
    assert_eq!(b.status(&others).await, GOOD);
    within(10, async || open_connections(&server).await == 4).await;

    // And it hears what comes later, as does the one that was there before.
    a.revoke(&tenants.other, "alice");
    b.learns(1_000, &others).await;
    let [own, others] = tenants.tokens("bob");
    a.revoke(&tenants.one, "bob");
    b.learns(1_000, &own).await;
    assert_eq!(b.status(&others).await, GOOD);

    // Removed, and ended by another replica meanwhile.
    projects.remove(tenants.one.endpoint()).unwrap();
    let [carols, _] = tenants.tokens("carol");
    a.revoke(&tenants.one, "carol");
    a.revoke(&tenants.other, "bob");
    b.learns(1_000, &others).await;
    let [one, _] = tenants.builders();
    projects.add(one).unwrap();
    assert_eq!(b.status(&own).await, REFUSED);
    b.learns(1_000, &carols).await;
    let [good, _] = tenants.tokens("dave");
    assert_eq!(b.status(&good).await, GOOD);

    // What nobody knows of is not followed once its project is removed, and is read when it returns.
    projects.remove(tenants.other.endpoint()).unwrap();
    let [_, other] = tenants.builders();
    projects.add(other).unwrap();
    assert_eq!(b.status(&others).await, REFUSED);
    assert_eq!(open_connections(&server).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_stream_that_cannot_be_read_degrades_its_own_project_alone() {
    let server = RedisServer::start().await;
    let tenants = Tenants::start().await;
    let (one, other) = (key(&tenants.one), key(&tenants.other));
    let redis = || RedisConfig::new(server.url()).max_staleness(Duration::from_secs(10));
    let forbid = ["ACL", "SETUSER", "default", "resetkeys"];
    let only_other = format!("~{other}");
    let causes = [
        ("WRONGTYPE", vec!["SET", &*one, "text"], vec!["DEL", &*one]),
        (
            "NOPERM",
            [&forbid[..], &[&*only_other]].concat(),
            [&forbid[..], &["~*"]].concat(),
        ),
    ];
    for (code, make, undo) in causes {
        server.command(&["DEL", &one]).await;
        // Before there is anybody, and under open connections.
        let b = Process::start(&tenants, redis()).await;
        b.becomes(&tenants.one, Health::Healthy).await;
        server.command(&make).await;
        let a = Process::start(&tenants, redis()).await;
        for process in [&a, &b] {
            within(10, async || process.error(&tenants.one).contains(code)).await;
            process.becomes(&tenants.other, Health::Healthy).await;
        }
        // For longer than it may be out of contact: the other one goes on, and as quickly.
        let begun = Instant::now();
        let mut number = 0;
        while begun.elapsed() < Duration::from_secs(11) {
            let [_, others] = tenants.tokens(&format!("{code}-{number}"));
            assert_eq!(b.status(&others).await, GOOD);
            a.revoke(&tenants.other, &format!("{code}-{number}"));
            b.learns(1_000, &others).await;
            assert_eq!(b.health(&tenants.other), Health::Healthy);
            number += 1;
        }
        let [own, _] = tenants.tokens(&format!("{code}-late"));
        assert_eq!(b.status(&own).await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(b.health(&tenants.one), Health::Down);
        assert!(open_connections(&server).await <= 4);
        server.command(&undo).await;
        a.revoke(&tenants.one, &format!("{code}-late"));
        b.learns(10_000, &own).await;
        for process in [&a, &b] {
            process.becomes(&tenants.one, Health::Healthy).await;
        }
    }
}

impl Tenants {
    /// Users whose ends come one right after the other: all of one project, and then of the other.
    fn burst(&self) -> Vec<(usize, String, String)> {
        let users = (0..10).flat_map(|number| {
            let id = format!("user-{number}");
            let tokens = self.tokens(&id).into_iter().enumerate();
            tokens.map(move |(project, token)| (project, id.clone(), token))
        });
        let mut users: Vec<_> = users.collect();
        users.sort_by_key(|(project, ..)| *project);
        users
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn news_of_one_project_do_not_wait_for_those_of_another() {
    let server = RedisServer::start().await;
    let tenants = Tenants::start().await;
    let a = Process::start(&tenants, server.url()).await;
    let b = Process::start(&tenants, server.url()).await;
    sleep(Duration::from_secs(2)).await;
    let fakes = [&tenants.one, &tenants.other];
    let mut slowest = Duration::ZERO;
    for (project, id, token) in tenants.burst() {
        a.revoke(fakes[project], &id);
        let asked = Instant::now();
        b.learns(1_000, &token).await;
        slowest = slowest.max(asked.elapsed());
    }
    // No test of speed: a read waits for a second, and news must not.
    assert!(slowest < Duration::from_millis(700), "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_huge_backlog_of_one_project_holds_up_no_other() {
    let server = RedisServer::start().await;
    let tenants = Tenants::start().await;
    let (one, other) = (key(&tenants.one), key(&tenants.other));
    let [own, others] = tenants.tokens("alice");
    end_elsewhere(&server, &other, "alice").await;
    let large = vec![b'x'; 4 * 1024 * 1024];
    for _ in 0..50 {
        let answer = server
            .send(&[&b"XADD"[..], one.as_bytes(), b"*", b"large", &large])
            .await;
        assert!(answer.starts_with('$'), "{answer}");
    }
    let script = "for i = 1, 200000 do redis.call('XADD', KEYS[1], '*', 'user', 'user-' .. i, 'moment', '5') end";
    server.command(&["EVAL", script, "1", &one]).await;
    end_elsewhere(&server, &one, "alice").await;

    let b = Process::start(&tenants, server.url()).await;
    assert_eq!(b.status(&others).await, REFUSED);
    let a = Process::start(&tenants, server.url()).await;
    for number in 0..10 {
        let id = format!("user-of-other-{number}");
        let [_, token] = tenants.tokens(&id);
        a.revoke(&tenants.other, &id);
        b.learns(1_500, &token).await;
    }
    within(60, async || b.status(&own).await == REFUSED).await;
    for process in [&a, &b] {
        process.becomes(&tenants.one, Health::Healthy).await;
        assert_eq!(process.health(&tenants.other), Health::Healthy);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn all_projects_are_told_when_the_server_is_away_and_when_it_is_back() {
    let mut server = RedisServer::start().await;
    let tenants = Tenants::start().await;
    let fakes = [&tenants.one, &tenants.other];
    let a = Process::start(&tenants, server.url()).await;
    let b = Process::start(&tenants, server.url()).await;
    let [own, others] = tenants.tokens("alice");
    a.revoke(&tenants.one, "alice");
    b.learns(1_000, &own).await;

    server.stop();
    for process in [&a, &b] {
        for fake in fakes {
            process.becomes(fake, Health::Degraded).await;
        }
    }
    let [bobs, others_bobs] = tenants.tokens("bob");
    a.revoke(&tenants.one, "bob");
    b.revoke(&tenants.other, "alice");
    assert_eq!(b.status(&bobs).await, GOOD, "it cannot know");
    assert_eq!(b.status(&own).await, REFUSED);

    server.restart().await;
    b.learns(20_000, &bobs).await;
    a.learns(20_000, &others).await;
    for process in [&a, &b] {
        for fake in fakes {
            process.becomes(fake, Health::Healthy).await;
        }
        assert_eq!(process.status(&others_bobs).await, GOOD);
    }
    // One that starts now reads all that was told again.
    within(20, async || {
        let late = Process::start(&tenants, server.url()).await;
        late.status(&own).await == REFUSED && late.status(&others).await == REFUSED
    })
    .await;
    within(10, async || open_connections(&server).await == 4).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_connection_that_hangs_is_given_up_by_all_projects() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server).await;
    let tenants = Tenants::start().await;
    let fakes = [&tenants.one, &tenants.other];
    let near = Process::start(&tenants, server.url()).await;
    let far = Process::start(&tenants, wire.url()).await;
    let [own, others] = tenants.tokens("alice");
    near.revoke(&tenants.one, "alice");
    far.learns(1_000, &own).await;

    wire.cut().await;
    near.revoke(&tenants.other, "alice");
    for fake in fakes {
        far.becomes(fake, Health::Degraded).await;
        assert_eq!(near.health(fake), Health::Healthy);
    }
    assert_eq!(far.status(&others).await, GOOD, "it cannot know");
    wire.mend();
    far.learns(20_000, &others).await;
    for fake in fakes {
        far.becomes(fake, Health::Healthy).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_server_that_takes_nothing_is_in_contact_with_all_and_degrades_who_has_something_to_tell()
{
    for (code, make, undo) in [
        (
            "OOM",
            ["CONFIG", "SET", "maxmemory", "1"],
            ["CONFIG", "SET", "maxmemory", "0"].to_vec(),
        ),
        (
            "READONLY",
            ["REPLICAOF", "127.0.0.1", "1", ""],
            vec!["REPLICAOF", "NO", "ONE"],
        ),
    ] {
        let server = RedisServer::start().await;
        let tenants = Tenants::start().await;
        let a = Process::start(&tenants, server.url()).await;
        let b = Process::start(&tenants, server.url()).await;
        for process in [&a, &b] {
            process.becomes(&tenants.one, Health::Healthy).await;
        }
        let make: Vec<_> = make.into_iter().filter(|word| !word.is_empty()).collect();
        server.command(&make).await;
        let [own, _] = tenants.tokens("alice");
        a.revoke(&tenants.one, "alice");
        within(10, async || a.error(&tenants.one).contains(code)).await;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(6) {
            assert_eq!(a.health(&tenants.other), Health::Healthy, "{code}");
            assert_eq!(b.health(&tenants.one), Health::Healthy, "{code}");
            assert!(open_connections(&server).await <= 8, "{code}");
            sleep(Duration::from_millis(50)).await;
        }
        server.command(&undo).await;
        b.learns(20_000, &own).await;
        a.becomes(&tenants.one, Health::Healthy).await;
        within(10, async || open_connections(&server).await == 4).await;
    }
}

/// The ids of the connections that wait in the server.
async fn waiting_connections(server: &RedisServer) -> Vec<String> {
    let list = server.command(&["CLIENT", "LIST"]).await;
    let waiting = list.lines().filter(|line| line.contains("flags=b"));
    waiting
        .map(|line| line["id=".len()..].split(' ').next().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn the_connection_that_waits_may_be_lost_without_loss_of_contact() {
    let server = RedisServer::start().await;
    let tenants = Tenants::start().await;
    let redis = || RedisConfig::new(server.url()).max_staleness(Duration::from_secs(10));
    let a = Process::start(&tenants, redis()).await;
    let b = Process::start(&tenants, redis()).await;
    sleep(Duration::from_secs(1)).await;
    for number in 0..20 {
        for id in waiting_connections(&server).await {
            server.command(&["CLIENT", "KILL", "ID", &id]).await;
        }
        let id = format!("user-{number}");
        let [own, others] = tenants.tokens(&id);
        a.revoke(&tenants.one, &id);
        b.learns(1_500, &own).await;
        for process in [&a, &b] {
            for fake in [&tenants.one, &tenants.other] {
                assert_eq!(process.health(fake), Health::Healthy);
            }
            assert_ne!(process.status(&others).await, REFUSED);
        }
    }
    within(10, async || open_connections(&server).await == 4).await;
}

/// A way to the server for one connection alone.
async fn narrow_way(server: &RedisServer) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let port = server.port;
    let way = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        let mut onward = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let refusing = async {
            loop {
                drop(listener.accept().await);
            }
        };
        tokio::select! {
            _ = copy_bidirectional(&mut first, &mut onward) => {}
            () = refusing => {}
        }
    });
    (url, way)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn without_a_connection_that_waits_the_streams_are_looked_at() {
    let server = RedisServer::start().await;
    let tenants = Tenants::start().await;
    let (narrow, _way) = narrow_way(&server).await;
    let a = Process::start(&tenants, server.url()).await;
    let b = Process::start(&tenants, narrow).await;
    let fakes = [&tenants.one, &tenants.other];
    for (project, id, token) in tenants.burst() {
        a.revoke(fakes[project], &id);
        b.learns(1_500, &token).await;
        assert_eq!(b.health(fakes[project]), Health::Healthy);
    }
    assert_eq!(open_connections(&server).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn projects_that_come_and_go_in_a_hurry_cost_no_connection_and_no_news() {
    let server = RedisServer::start().await;
    let tenants = Tenants::start().await;
    let a = Process::start(&tenants, server.url()).await;
    let b = Process::start(&tenants, server.url()).await;
    let made = server.connections().await;
    let projects = b.authgear.projects();
    let mut asked = 0;
    for number in 0..60 {
        let [_, other] = tenants.builders();
        // In turns: removed and added, or replaced, and then read from the start.
        if number % 2 == 0 {
            projects.remove(tenants.other.endpoint()).unwrap();
            projects.add(other).unwrap();
        } else {
            let retention = Duration::from_secs(3_600 + number);
            projects
                .replace(other.revocation_retention(retention))
                .unwrap();
        }
        if number % 6 == 0 {
            let id = format!("user-{number}");
            let [own, others] = tenants.tokens(&id);
            a.revoke(&tenants.one, &id);
            a.revoke(&tenants.other, &id);
            b.learns(1_000, &own).await;
            b.learns(1_500, &others).await;
            assert_eq!(b.health(&tenants.one), Health::Healthy);
            assert_eq!(open_connections(&server).await, 4);
            asked += 1;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert!(server.connections().await - made <= 1 + asked);

    // The revocations of a removed project are followed for the retention, over the same connections.
    let c = Process::of([], server.url());
    let none = |number| Authgear::builder(format!("http://localhost:{}", 1 + number));
    for _ in 0..2 {
        for number in 0..10 {
            c.authgear.projects().add(none(number)).unwrap();
        }
        within(10, async || open_connections(&server).await == 6).await;
        for number in 0..10 {
            let issuer = format!("http://localhost:{}", 1 + number);
            assert!(c.authgear.projects().remove(&issuer).unwrap());
        }
        sleep(Duration::from_millis(500)).await;
        assert_eq!(open_connections(&server).await, 6);
    }
    drop(c);
    within(10, async || open_connections(&server).await == 4).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn much_to_append_for_one_project_holds_up_no_other() {
    let server = RedisServer::start().await;
    let tenants = Tenants::start().await;
    let a = Process::start(&tenants, server.url()).await;
    let b = Process::start(&tenants, server.url()).await;
    let [last, _] = tenants.tokens("last");
    for number in 0..5_000 {
        a.revoke(&tenants.one, &format!("{number}{}", "x".repeat(8_000)));
    }
    a.revoke(&tenants.one, "last");
    for number in 0..10 {
        let id = format!("user-{number}");
        let [_, others] = tenants.tokens(&id);
        a.revoke(&tenants.other, &id);
        b.learns(1_500, &others).await;
        assert_eq!(a.health(&tenants.other), Health::Healthy);
    }
    within(60, async || b.status(&last).await == REFUSED).await;
    for process in [&a, &b] {
        process.becomes(&tenants.one, Health::Healthy).await;
    }
    let length = server.command(&["XLEN", &key(&tenants.one)]).await;
    assert!(length.trim().parse::<u64>().unwrap() >= 5_001, "{length}");
}
