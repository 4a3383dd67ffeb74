//! What one project meets concerns no other.

use std::time::{Duration, Instant};

use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, SigningKey, User};
use axum_authgear::{AuthErrorKind, Authgear};
use tokio::time::timeout;

use crate::stage::{Stage, all_have_keys, api, ask, assert_is};
use crate::support::assert_refused;

#[tokio::test]
async fn a_flood_of_unknown_keys_of_one_project_asks_nobody_else() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let api = api(&authgear);
    let fetches = stage.fetches();
    let before = stage.one.clock().now().unix().as_secs() - 1_000;
    for number in 0..500 {
        let token = stage.one.token(&stage.alice).issued_at(before);
        let token = token
            .lifetime(Duration::from_secs(5_000))
            .kid(format!("k{number}"));
        assert_refused(
            &ask(&api, &token.sign()).await,
            401,
            AuthErrorKind::UnknownKey,
        );
    }
    let [one, other] = stage.fetches();
    assert!(one <= fetches[0] + 1, "{one}");
    assert_eq!(other, fetches[1]);
    // The cooldown is each project's own: a new key of the other is fetched at once.
    let _ = stage.other.rotate();
    let token = stage.other.token(&stage.other_alice).sign();
    assert_is(&ask(&api, &token).await, &stage.other, &stage.other_alice);
    assert_eq!(stage.fetches(), [one, other + 1]);
}

#[tokio::test]
async fn a_project_that_hangs_holds_up_nobody_else() {
    let stage = Stage::new().await;
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        stage.one.fail(endpoint, Fault::Hang);
    }
    let authgear = Authgear::any_of(stage.builders()).build().unwrap();
    let api = api(&authgear);
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let (api, token) = (api.clone(), stage.one.token(&stage.alice).sign());
            tokio::spawn(async move { ask(&api, &token).await })
        })
        .collect();
    for _ in 0..20 {
        let token = stage.other.token(&stage.other_alice).sign();
        assert_is(&ask(&api, &token).await, &stage.other, &stage.other_alice);
    }
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    for waiting in waiting {
        assert_refused(&waiting.await.unwrap(), 503, AuthErrorKind::KeysUnavailable);
    }
    assert_eq!(stage.fetches()[1], 1);
}

#[tokio::test]
async fn fetches_that_nobody_waits_for_are_spread_and_others_are_not() {
    let mut fakes = Vec::new();
    for _ in 0..40 {
        let fake = FakeAuthgear::start().await;
        // Slow, but not away.
        fake.fail(Endpoint::Discovery, Fault::Hang);
        fakes.push(fake);
    }
    let good = FakeAuthgear::start().await;
    let alice = good.add_user(User::new("alice"));
    let builders = fakes.iter().chain([&good]);
    let builders = builders.map(|fake| Authgear::builder(fake.endpoint()));
    let authgear = Authgear::any_of(builders).build().unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let asked = fakes
        .iter()
        .filter(|fake| fake.requests(Endpoint::Discovery) > 0)
        .count();
    // They hang, so that none has ended and made room for another.
    assert_eq!(asked, 16);
    assert_eq!(good.requests(Endpoint::Discovery), 0);

    // A request waits for its own project, and not for sixteen others.
    let api = api(&authgear);
    let began = Instant::now();
    let token = good.token(&alice).sign();
    let answer = timeout(Duration::from_secs(4), ask(&api, &token))
        .await
        .unwrap();
    assert_is(&answer, &good, &alice);
    assert!(began.elapsed() < Duration::from_secs(4));
    // In the end each has its turn.
    for fake in &fakes {
        fake.heal(Endpoint::Discovery);
    }
    all_have_keys(&authgear).await;
}

#[tokio::test]
async fn a_rotation_of_one_project_is_no_matter_of_the_other() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let api = api(&authgear);
    let own = stage.other.token(&stage.other_alice).sign();
    assert_is(&ask(&api, &own).await, &stage.other, &stage.other_alice);
    let fetches = stage.fetches();
    let _ = stage.one.rotate();
    let token = stage.one.token(&stage.alice).sign();
    assert_is(&ask(&api, &token).await, &stage.one, &stage.alice);
    // A key that the other has listed for a while, and this one has not.
    let key = SigningKey::rsa();
    stage.other.list_key(&key);
    let token = stage.other.token(&stage.other_alice).signed_by(&key).sign();
    assert_is(&ask(&api, &token).await, &stage.other, &stage.other_alice);
    assert_eq!(stage.fetches(), [fetches[0] + 1, fetches[1] + 1]);
    assert_is(&ask(&api, &own).await, &stage.other, &stage.other_alice);
}
