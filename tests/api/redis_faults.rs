//! A real server with something wrong in it: foreign entries, and a stream that takes nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{FakeAuthgear, WebhookEvent};
use axum_authgear::{Authgear, Health};
use tokio::time::sleep;
use tracing::Level;

use crate::redis::{Replica, all_refuse, key, user, within};
use crate::redis_server::RedisServer;
use crate::support::Log;

const LARGEST: &[u8] = b"18446744073709551615-18446744073709551615";
const TAKES_NOTHING: &str = "WARN axum_authgear: the revocation log refuses writes";
const TAKES_AGAIN: &str = "INFO axum_authgear: the revocation log accepts writes again";
const OUT_OF_CONTACT: &str = "WARN axum_authgear: the revocation log is unreachable";
const IN_CONTACT: &str = "INFO axum_authgear: the revocation log is reachable";
const CLOCKS_DIFFER: &str =
    "WARN axum_authgear: this machine's clock differs from the revocation log's clock";
const IDS_OF_THE_FUTURE: &str =
    "WARN axum_authgear: the ids of the revocation log are in the future";
const SKIPPED: &str = "WARN axum_authgear: entries of the revocation log were skipped";

/// How many times this was logged.
fn count(log: &Log, line: &str) -> usize {
    log.text().matches(line).count()
}

/// Each line about the log says whose users it is about, and what its key is.
fn assert_name(log: &Log, fake: &FakeAuthgear) {
    let issuer = format!("issuer=\"{}\"", fake.endpoint());
    let stream = format!("stream=\"{}\"", key(fake));
    let text = log.text();
    for line in text
        .lines()
        .filter(|line| line.contains("the revocation log"))
    {
        assert!(line.contains(&issuer) && line.contains(&stream), "{line}");
    }
}

fn error(replica: &Replica) -> String {
    let status = replica.authgear.status();
    let error = status.last_error();
    error.map(ToString::to_string).unwrap_or_default()
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

/// All are in contact, and have nothing left to say.
async fn all_healthy(replicas: &[&Replica]) {
    within(20, async || {
        let mut health = replicas.iter().map(|r| r.authgear.status().health());
        health.all(|health| health == Health::Healthy)
    })
    .await;
}

/// Entries that others might have written: by mistake, or a later version.
async fn add_foreign_entries(server: &RedisServer, key: &[u8]) {
    let large = vec![b'x'; 1024 * 1024];
    let entries: &[&[&[u8]]] = &[
        &[b"\xff\xfe", b"v"],
        &[b"user", b"\xff\xfe", b"moment", b"5"],
        &[b"user", b"alice", b"moment", b"\x80"],
        &[b"", b""],
        &[b"user", b"alice", b"user", b"bob", b"moment", b"5"],
        &[b"token", b"t", b"until", b"-1"],
        &[b"large", &large],
        &[b"user", &large, b"moment", b"5"],
        &[b"\xff\xfe", b"v"],
    ];
    for fields in entries {
        let command: Vec<_> = [&b"XADD"[..], key, b"*"]
            .iter()
            .chain(fields.iter())
            .copied()
            .collect();
        let answer = server.send(&command).await;
        assert!(answer.starts_with('$'), "{answer}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn foreign_entries_are_skipped_wherever_they_stand() {
    let mut server = RedisServer::start().await;
    let fake = FakeAuthgear::start().await;
    let (log, _guard) = Log::of_this_thread(Level::INFO);
    let key = key(&fake);
    let key = key.as_bytes();

    // The very first ones, before anybody reads.
    add_foreign_entries(&server, key).await;
    let a = Replica::start(&fake, server.url()).await;
    let b = Replica::start(&fake, server.url()).await;
    let (alice, first) = user(&fake, "alice");
    a.hears(&fake, WebhookEvent::UserDisabled, &alice).await;
    all_refuse(2, &[&a, &b], &first).await;

    // The last ones, by which a replica remembers its place.
    add_foreign_entries(&server, key).await;
    sleep(Duration::from_millis(2_500)).await;
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    let (bob, second) = user(&fake, "bob");
    b.hears(&fake, WebhookEvent::UserDisabled, &bob).await;
    all_refuse(5, &[&a, &b], &second).await;

    // While a replica starts, and where the one that it remembers is deleted.
    add_foreign_entries(&server, key).await;
    let c = Replica::start(&fake, server.url()).await;
    add_foreign_entries(&server, key).await;
    assert!(c.refuses(&first).await && c.refuses(&second).await);
    sleep(Duration::from_millis(2_500)).await;
    // Each replica says it once in a while, however many there are.
    assert_eq!(count(&log, SKIPPED), 3, "{}", log.text());
    server.send(&[b"XTRIM", key, b"MAXLEN", b"0"]).await;
    add_foreign_entries(&server, key).await;
    within(10, async || {
        let late = Replica::start(&fake, server.url()).await;
        late.refuses(&first).await && late.refuses(&second).await
    })
    .await;

    // The server loses them, and gets new ones.
    server.restart().await;
    add_foreign_entries(&server, key).await;
    let (carol, third) = user(&fake, "carol");
    c.hears(&fake, WebhookEvent::UserDisabled, &carol).await;
    all_refuse(20, &[&a, &b, &c], &third).await;
    all_healthy(&[&a, &b, &c]).await;
    let (_, good) = user(&fake, "dave");
    for replica in [&a, &b, &c] {
        assert!(!replica.refuses(&good).await);
    }
    assert!(!log.text().contains('\u{fffd}') && !log.text().contains("xxxx"));
    assert_name(&log, &fake);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_flood_of_large_foreign_entries_is_read_in_small_pages() {
    let server = RedisServer::start().await;
    let fake = FakeAuthgear::start().await;
    let key = key(&fake);
    let large = vec![b'x'; 4 * 1024 * 1024];
    for _ in 0..50 {
        let answer = server
            .send(&[&b"XADD"[..], key.as_bytes(), b"*", b"large", &large])
            .await;
        assert!(answer.starts_with('$'), "{answer}");
    }
    let a = Replica::start(&fake, server.url()).await;
    let b = Replica::start(&fake, server.url()).await;
    let (alice, token) = user(&fake, "alice");
    a.hears(&fake, WebhookEvent::UserDisabled, &alice).await;
    // Requests wait for the first reading, but not longer than this.
    sleep(Duration::from_secs(2)).await;
    all_refuse(20, &[&a, &b], &token).await;
    all_healthy(&[&a, &b]).await;
}

/// Makes the server take nothing, and undoes it.
struct Cause {
    code: &'static str,
    make: &'static [&'static str],
    undo: &'static [&'static str],
}

const CAUSES: &[Cause] = &[
    Cause {
        code: "OOM",
        make: &["CONFIG", "SET", "maxmemory", "1"],
        undo: &["CONFIG", "SET", "maxmemory", "0"],
    },
    Cause {
        code: "READONLY",
        make: &["REPLICAOF", "127.0.0.1", "1"],
        undo: &["REPLICAOF", "NO", "ONE"],
    },
    Cause {
        code: "NOPERM",
        make: &["ACL", "SETUSER", "default", "-xadd"],
        undo: &["ACL", "SETUSER", "default", "+xadd"],
    },
    Cause {
        code: "NOREPLICAS",
        make: &["CONFIG", "SET", "min-replicas-to-write", "1"],
        undo: &["CONFIG", "SET", "min-replicas-to-write", "0"],
    },
];

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_takes_nothing_is_asked_seldom_and_told_everything_later() {
    for cause in CAUSES {
        let code = cause.code;
        let mut server = RedisServer::start().await;
        let fake = FakeAuthgear::start().await;
        let (log, _guard) = Log::of_this_thread(Level::INFO);
        let a = Replica::start(&fake, server.url()).await;
        let b = Replica::start(&fake, server.url()).await;
        let (alice, before) = user(&fake, "alice");
        a.hears(&fake, WebhookEvent::UserDisabled, &alice).await;
        all_refuse(2, &[&a, &b], &before).await;

        server.command(cause.make).await;
        let (bob, meanwhile) = user(&fake, "bob");
        a.hears(&fake, WebhookEvent::UserDisabled, &bob).await;
        within(10, async || {
            a.authgear.status().health() == Health::Degraded
        })
        .await;
        let connections = server.connections().await;
        sleep(Duration::from_secs(6)).await;
        let connections = server.connections().await - connections;
        // One is the question itself.
        let most = if code == "READONLY" { 20 } else { 1 };
        assert!(connections <= most, "{code}: {connections}");
        assert!(error(&a).contains(code), "{code}: {}", error(&a));
        assert_eq!(count(&log, TAKES_NOTHING), 1, "{code}: {}", log.text());
        assert_eq!(count(&log, OUT_OF_CONTACT), 0, "{code}: {}", log.text());
        assert_eq!(count(&log, IN_CONTACT), 2, "{code}: {}", log.text());
        // Who has nothing to tell sees nothing of it, and nobody waits.
        assert_eq!(b.authgear.status().health(), Health::Healthy, "{code}");
        assert!(a.refuses(&meanwhile).await && !b.refuses(&meanwhile).await);
        assert!(a.refuses(&before).await && b.refuses(&before).await);

        // Restarted in the middle of it, with the same cause.
        server.restart().await;
        server.command(cause.make).await;
        let (carol, after) = user(&fake, "carol");
        b.hears(&fake, WebhookEvent::UserDisabled, &carol).await;
        within(20, async || error(&b).contains(code)).await;
        server.command(cause.undo).await;
        all_refuse(20, &[&a, &b], &meanwhile).await;
        all_refuse(20, &[&a, &b], &after).await;
        all_healthy(&[&a, &b]).await;
        let late = Replica::start(&fake, server.url()).await;
        for token in [&before, &meanwhile, &after] {
            assert!(late.refuses(token).await, "{code}");
        }
        let (begun, ended) = (count(&log, TAKES_NOTHING), count(&log, TAKES_AGAIN));
        assert_eq!(begun, ended, "{code}: {}", log.text());
        assert!((2..=4).contains(&begun), "{code}: {}", log.text());
        assert_name(&log, &fake);
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_key_of_another_type_is_told_and_waited_for() {
    let mut server = RedisServer::start().await;
    let fake = FakeAuthgear::start().await;
    let key = key(&fake);
    let (log, _guard) = Log::of_this_thread(Level::INFO);
    for command in [
        vec!["SET", &key, "text"],
        vec!["RPUSH", &key, "one"],
        vec!["HSET", &key, "name", "value"],
    ] {
        server.command(&["DEL", &key]).await;
        let a = Replica::start(&fake, server.url()).await;
        all_healthy(&[&a]).await;
        let lost = count(&log, OUT_OF_CONTACT);
        server.command(&["DEL", &key]).await;
        server.command(&command).await;
        let (alice, token) = user(&fake, "alice");
        a.hears(&fake, WebhookEvent::UserDisabled, &alice).await;
        within(10, async || error(&a).contains("WRONGTYPE")).await;
        // One that starts now.
        let b = Replica::start(&fake, server.url()).await;
        within(10, async || error(&b).contains("WRONGTYPE")).await;
        server.restart().await;
        server.command(&command).await;
        let connections = server.connections().await;
        sleep(Duration::from_secs(6)).await;
        let connections = server.connections().await - connections;
        assert!(connections <= 30, "{connections}");
        server.command(&["DEL", &key]).await;
        all_refuse(20, &[&a, &b], &token).await;
        all_healthy(&[&a, &b]).await;
        let lost = count(&log, OUT_OF_CONTACT) - lost;
        assert!((2..=4).contains(&lost), "{}", log.text());
        assert_name(&log, &fake);
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_stream_that_has_come_to_its_last_id_is_told_clearly() {
    let mut server = RedisServer::start().await;
    let fake = FakeAuthgear::start().await;
    let key = key(&fake);
    let (log, _guard) = Log::of_this_thread(Level::INFO);
    let a = Replica::start(&fake, server.url()).await;
    let b = Replica::start(&fake, server.url()).await;
    let (alice, before) = user(&fake, "alice");
    a.hears(&fake, WebhookEvent::UserDisabled, &alice).await;
    all_refuse(2, &[&a, &b], &before).await;

    for is_restarted in [false, true] {
        if is_restarted {
            server.restart().await;
        }
        let last = [&b"XADD"[..], key.as_bytes(), LARGEST, b"\xff", b"v"];
        assert!(server.send(&last).await.starts_with('$'));
        let said = count(&log, TAKES_NOTHING);
        let (bob, meanwhile) = user(&fake, "bob");
        a.hears(&fake, WebhookEvent::UserDisabled, &bob).await;
        within(20, async || error(&a).contains("largest possible")).await;
        assert!(error(&a).contains("Delete the key"), "{}", error(&a));
        // After the restart both have something to tell: what the server had lost.
        let telling = 1 + usize::from(is_restarted);
        within(20, async || count(&log, TAKES_NOTHING) == said + telling).await;
        let connections = server.connections().await;
        sleep(Duration::from_secs(4)).await;
        assert!(server.connections().await - connections <= 1);
        assert_eq!(count(&log, TAKES_NOTHING), said + telling, "{}", log.text());
        assert!(!b.refuses(&meanwhile).await);

        // The cure that is named.
        server.command(&["DEL", &key]).await;
        all_refuse(20, &[&a, &b], &meanwhile).await;
        all_healthy(&[&a, &b]).await;
        within(10, async || {
            let late = Replica::start(&fake, server.url()).await;
            late.refuses(&before).await && late.refuses(&meanwhile).await
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn clocks_that_differ_are_logged_once() {
    let server = RedisServer::start().await;
    let fake = FakeAuthgear::start().await;
    let (log, _guard) = Log::of_this_thread(Level::INFO);
    let key = key(&fake);
    let off_by = |seconds: i64| {
        Authgear::builder(fake.endpoint())
            .dangerous()
            .clock(Clock::starting_at(now().saturating_add_signed(seconds)))
            .redis(server.url())
            .build()
            .unwrap()
    };
    let agrees = Replica::of(&fake, off_by(20)).await;
    let ahead = Replica::of(&fake, off_by(120)).await;
    let behind = Replica::of(&fake, off_by(-120)).await;
    let all = [&agrees, &ahead, &behind];
    all_healthy(&all).await;
    within(10, async || count(&log, CLOCKS_DIFFER) == 2).await;

    let add = async |seconds: u64| {
        let id = format!("{}-0", (now() + seconds) * 1_000);
        let (user, moment) = ("somebody", now().to_string());
        let added = ["XADD", &key, &id, "user", user, "moment", &moment];
        let answer = server.command(&added).await;
        assert!(answer.contains(&id), "{answer}");
    };
    add(20).await;
    // The clocks are compared each second.
    sleep(Duration::from_millis(3_500)).await;
    assert_eq!(count(&log, IDS_OF_THE_FUTURE), 0, "{}", log.text());
    add(7_200).await;
    within(10, async || count(&log, IDS_OF_THE_FUTURE) == all.len()).await;
    sleep(Duration::from_millis(3_500)).await;
    assert_eq!(count(&log, IDS_OF_THE_FUTURE), all.len(), "{}", log.text());
    assert_eq!(count(&log, CLOCKS_DIFFER), 2, "{}", log.text());
    assert_name(&log, &fake);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_replica_whose_clock_is_ahead_locks_nobody_out() {
    let mut server = RedisServer::start().await;
    let fake = FakeAuthgear::start().await;
    let key = key(&fake);
    let ahead_by_an_hour = || {
        Authgear::builder(fake.endpoint())
            .dangerous()
            .clock(Clock::starting_at(now() + 3600))
            .redis(server.url())
            .build()
            .unwrap()
    };
    let a = Replica::start(&fake, server.url()).await;
    let b = Replica::start(&fake, server.url()).await;
    let (alice, _) = user(&fake, "alice");
    let (bob, _) = user(&fake, "bob");
    let (carol, _) = user(&fake, "carol");
    let issued = |user, at| {
        let token = fake.token(user).issued_at(at).expires_at(at + 4 * 3600);
        token.sign()
    };

    // Before it knows the log's clock, and after.
    let ahead = ahead_by_an_hour();
    ahead.revoke_user(alice.id()).unwrap();
    let ahead = Replica::of(&fake, ahead).await;
    all_healthy(&[&ahead]).await;
    ahead.authgear.revoke_user(bob.id()).unwrap();
    let moment = (now() + 3600).to_string();
    let named = [
        &b"XADD"[..],
        key.as_bytes(),
        b"*",
        b"user",
        carol.id().as_bytes(),
        b"moment",
        moment.as_bytes(),
    ];
    assert!(server.send(&named).await.starts_with('$'));
    let all = [&ahead, &a, &b];
    for user in [&alice, &bob, &carol] {
        all_refuse(5, &all, &issued(user, now() - 5)).await;
    }
    sleep(Duration::from_secs(2)).await;
    let late = Replica::start(&fake, server.url()).await;
    for user in [&alice, &bob, &carol] {
        let token = issued(user, now());
        for replica in [&ahead, &a, &b, &late] {
            assert!(!replica.refuses(&token).await);
        }
    }
    assert_eq!(server.command(&["XLEN", &key]).await.trim(), "3");

    // What is read and owed once more does not name the future either, and is not repeated.
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(server.command(&["XLEN", &key]).await.trim(), "3");
    server.restart().await;
    for user in [&alice, &bob, &carol] {
        let token = issued(user, now());
        for replica in [&ahead, &a, &b, &late] {
            assert!(!replica.refuses(&token).await);
        }
    }
    all_healthy(&[&ahead, &a, &b, &late]).await;
    sleep(Duration::from_secs(3)).await;
    let length: u64 = server
        .command(&["XLEN", &key])
        .await
        .trim()
        .parse()
        .unwrap();
    assert!((3..=12).contains(&length), "{length}");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(
        server.command(&["XLEN", &key]).await.trim(),
        length.to_string()
    );
}
