//! A leaked client secret and an exposed signing key: whole clients, and all tokens up to a time,
//! are ended.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthErrorKind, Authgear, LiveSessions, RedisConfig, SessionResolver};
use http::StatusCode;

use crate::redis::within;
use crate::redis_server::RedisServer;
use crate::revocation::{NOW, assert_good, assert_revoked, builder, on_a_frozen_clock};
use crate::support::{Answer, Log, api, get, ready};

const DAY: u64 = 24 * 60 * 60;
const RESOURCE: &str = "https://api.example.com";

fn at(unix: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(unix)
}

/// A machine's token of this age.
fn machine(fake: &FakeAuthgear, client: &str, age: u64) -> String {
    fake.client_token(client, RESOURCE)
        .issued_at(NOW - age)
        .expires_at(NOW + 28 * DAY)
        .sign()
}

fn assert_machine(answer: &Answer, client: &str) {
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, client),
        "{answer:?}"
    );
}

async fn taking_machines(fake: &FakeAuthgear) -> Authgear {
    let builder = builder(fake).audience(fake.endpoint()).audience(RESOURCE);
    ready(builder).await
}

#[tokio::test]
async fn a_client_is_out_with_all_tokens_that_it_has() {
    let (fake, _) = on_a_frozen_clock().await;
    let authgear = taking_machines(&fake).await;
    let api = api(&authgear);
    let alice = fake.add_user(User::new("alice"));
    let of_user = |client: &str, issued_at: u64| {
        fake.token(&alice)
            .client_id(client)
            .issued_at(issued_at)
            .sign()
    };
    let revoked = [
        machine(&fake, "worker", 0),
        machine(&fake, "worker", 27 * DAY),
        fake.client_token("worker", RESOURCE)
            .remove_claim("iat")
            .sign(),
    ];
    let users = of_user("worker", NOW);
    // Seen before, and not.
    for token in &revoked[..2] {
        assert_machine(&get(&api, "/client", token).await, "worker");
    }
    assert_good(&get(&api, "/user", &users).await, &alice);

    authgear.revoke_client("worker").unwrap();
    for token in &revoked {
        for path in ["/client", "/principal", "/any"] {
            assert_revoked(&get(&api, path, token).await);
        }
        let error = authgear.verify_principal(token).await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::Revoked);
    }
    assert_revoked(&get(&api, "/user", &users).await);

    // Of the next second: the secret was changed meanwhile.
    let next = fake.client_token("worker", RESOURCE).issued_at(NOW + 1);
    assert_machine(&get(&api, "/client", &next.sign()).await, "worker");
    assert_good(
        &get(&api, "/user", &of_user("worker", NOW + 1)).await,
        &alice,
    );
    // Of another client, whatever its name has in common.
    for other in ["Worker", "worker2", "worke", "worker ", "client_id_worker"] {
        let token = machine(&fake, other, 0);
        assert_machine(&get(&api, "/client", &token).await, other);
    }
    assert_good(&get(&api, "/user", &of_user("web", NOW)).await, &alice);
}

#[tokio::test]
async fn a_user_is_no_client_and_a_client_no_user() {
    let (fake, _) = on_a_frozen_clock().await;
    let authgear = taking_machines(&fake).await;
    let api = api(&authgear);
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).client_id("web").sign();
    for id in [alice.id(), "", "client_id_web", &"w".repeat(20_000)] {
        authgear.revoke_client(id).unwrap();
    }
    authgear.revoke_user("web").unwrap();
    authgear.revoke_user("worker").unwrap();
    authgear.revoke_user("client_id_worker").unwrap();
    assert_good(&get(&api, "/user", &token).await, &alice);
    let token = machine(&fake, "worker", 0);
    assert_machine(&get(&api, "/client", &token).await, "worker");
}

#[tokio::test]
async fn all_tokens_from_before_a_time_are_out() {
    let (fake, _) = on_a_frozen_clock().await;
    let authgear = taking_machines(&fake).await;
    let api = api(&authgear);
    let alice = fake.add_user(User::new("alice"));
    let user = |issued_at: u64| fake.token(&alice).issued_at(issued_at).sign();
    let boundary = NOW - 100;
    let (old, young) = (user(boundary - 1), user(boundary));
    let (old_machine, young_machine) = (machine(&fake, "w", 101), machine(&fake, "w", 100));
    assert_good(&get(&api, "/user", &old).await, &alice);
    assert_machine(&get(&api, "/client", &old_machine).await, "w");

    authgear.revoke_issued_before(at(boundary)).unwrap();
    // An earlier time takes nothing back.
    authgear.revoke_issued_before(at(boundary - 50)).unwrap();
    authgear
        .revoke_issued_before(UNIX_EPOCH - Duration::from_secs(1))
        .unwrap();
    assert_revoked(&get(&api, "/user", &old).await);
    assert_revoked(&get(&api, "/client", &old_machine).await);
    let fraction = fake.token(&alice).claim("iat", 1_795_599_899.75).sign();
    assert_revoked(&get(&api, "/user", &fraction).await);
    for undated in [
        fake.token(&alice).remove_claim("iat"),
        fake.client_token("w", RESOURCE).remove_claim("iat"),
    ] {
        assert_revoked(&get(&api, "/any", &undated.sign()).await);
    }
    assert_good(&get(&api, "/user", &young).await, &alice);
    assert_machine(&get(&api, "/client", &young_machine).await, "w");
}

/// Else one call would lock everybody out until then, whoever signs in anew.
#[tokio::test]
async fn a_time_to_come_counts_as_now() {
    let (fake, clock) = on_a_frozen_clock().await;
    let authgear = taking_machines(&fake).await;
    let api = api(&authgear);
    let alice = fake.add_user(User::new("alice"));
    authgear.revoke_issued_before(at(NOW + 365 * DAY)).unwrap();
    let now = fake.token(&alice).issued_at(NOW).sign();
    assert_revoked(&get(&api, "/user", &now).await);
    clock.shift_millis(1_000);
    let next = fake.token(&alice).issued_at(NOW + 1).sign();
    assert_good(&get(&api, "/user", &next).await, &alice);
}

/// Machines' tokens live for up to 28 days, much longer than users are remembered.
#[tokio::test(start_paused = true)]
async fn they_are_remembered_for_as_long_as_a_machines_token_lives() {
    let (fake, clock) = on_a_frozen_clock().await;
    let authgear = taking_machines(&fake).await;
    let api = api(&authgear);
    let token = machine(&fake, "worker", 0);
    let other = machine(&fake, "other", 0);
    let other_old = machine(&fake, "other", 1);
    authgear.revoke_client("worker").unwrap();
    authgear.revoke_issued_before(at(NOW)).unwrap();
    for days in [2, 27] {
        clock.shift_millis(i64::try_from(days * DAY * 1000).unwrap());
        // The sweep of each minute.
        tokio::time::sleep(Duration::from_secs(130)).await;
        assert_revoked(&get(&api, "/client", &token).await);
        assert_revoked(&get(&api, "/client", &other_old).await);
        assert_machine(&get(&api, "/client", &other).await, "other");
        clock.shift_millis(-i64::try_from(days * DAY * 1000).unwrap());
    }
}

#[tokio::test]
async fn a_long_connection_of_the_client_ends() {
    let (fake, _) = on_a_frozen_clock().await;
    let authgear = taking_machines(&fake).await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).client_id("web").sign();
    let other = fake.token(&alice).client_id("mobile").sign();
    let user = authgear.verify(&token).await.unwrap();
    let other = authgear.verify(&other).await.unwrap();
    authgear.revoke_client("web").unwrap();
    let error = authgear.recheck(&user).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::Revoked);
    assert_eq!(authgear.ended(&user).await.kind(), AuthErrorKind::Revoked);
    assert!(authgear.recheck(&other).await.is_ok());
}

#[tokio::test]
async fn it_counts_beside_live_sessions() {
    let (fake, _) = on_a_frozen_clock().await;
    let builder = builder(&fake)
        .audience(fake.endpoint())
        .audience(RESOURCE)
        .live_sessions(LiveSessions::within(Duration::from_secs(10)));
    let authgear = ready(builder).await;
    let api = api(&authgear);
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).client_id("web").sign();
    let worker = machine(&fake, "worker", 0);
    assert_good(&get(&api, "/user", &token).await, &alice);
    assert_machine(&get(&api, "/client", &worker).await, "worker");
    authgear.revoke_client("web").unwrap();
    authgear.revoke_client("worker").unwrap();
    assert_revoked(&get(&api, "/user", &token).await);
    assert_revoked(&get(&api, "/client", &worker).await);
}

/// The resolver names no client and no time of issue.
#[tokio::test]
async fn where_no_jwt_is_read_it_says_that_it_does_nothing() {
    let (fake, _) = on_a_frozen_clock().await;
    let by_jwt = builder(&fake).build().unwrap();
    let by_resolver = builder(&fake).session_resolver(SessionResolver::new());
    let by_resolver = by_resolver.build().unwrap();
    let (log, _guard) = Log::of_this_thread(tracing::Level::INFO);
    by_jwt.revoke_client("web").unwrap();
    by_jwt.revoke_issued_before(at(NOW)).unwrap();
    assert!(!log.text().contains("WARN"), "{}", log.text());
    by_resolver.revoke_client("web").unwrap();
    by_resolver.revoke_issued_before(at(NOW)).unwrap();
    let log = log.text();
    // Said once a process, with both names.
    let lines = log.lines().filter(|line| line.contains("WARN"));
    let lines: Vec<_> = lines.filter(|l| l.contains("revoke_client")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("revoke_issued_before"), "{log}");
}

/// One replica of the API, which takes machines.
async fn replica(fake: &FakeAuthgear, url: &str) -> Authgear {
    let builder = Authgear::builder(fake.endpoint())
        .audience(fake.endpoint())
        .audience(RESOURCE)
        .redis(RedisConfig::new(url));
    ready(builder).await
}

async fn refuses(authgear: &Authgear, token: &str) -> bool {
    match authgear.verify_principal(token).await {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind(), AuthErrorKind::Revoked);
            true
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn three_replicas_know_it_within_a_second_and_keep_it_over_restarts() {
    let mut server = RedisServer::start().await;
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = now.as_secs();
    let aged = |age: u64| {
        fake.client_token("worker", RESOURCE)
            .issued_at(now - age)
            .expires_at(now + DAY)
            .sign()
    };
    let worker = aged(0);
    let user = fake.token(&alice).client_id("web").sign();
    let old = fake
        .client_token("other", RESOURCE)
        .issued_at(now - 100)
        .sign();
    let good = fake.client_token("other", RESOURCE).issued_at(now).sign();
    let revoked = [&worker, &user, &old];

    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(replica(&fake, &server.url()).await);
    }
    for replica in &replicas {
        for token in revoked {
            assert!(!refuses(replica, token).await);
        }
    }
    replicas[0].revoke_client("worker").unwrap();
    replicas[1].revoke_client("web").unwrap();
    replicas[2].revoke_issued_before(at(now - 50)).unwrap();
    for replica in &replicas {
        for token in revoked {
            within(1, async || refuses(replica, token).await).await;
        }
        assert!(!refuses(replica, &good).await);
    }

    // All replicas are replaced, one after the other.
    for old in &mut replicas {
        let fresh = replica(&fake, &server.url()).await;
        for token in revoked {
            assert!(refuses(&fresh, token).await);
        }
        *old = fresh;
    }
    // The server comes back empty.
    server.restart().await;
    within(20, async || {
        let fresh = replica(&fake, &server.url()).await;
        let mut all = true;
        for token in revoked {
            all &= refuses(&fresh, token).await;
        }
        all && !refuses(&fresh, &good).await
    })
    .await;
    for token in revoked {
        assert!(refuses(&replicas[0], token).await);
    }
}
