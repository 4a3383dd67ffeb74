//! The issuer changes its keys.

use std::time::Duration;

use axum_authgear::Authgear;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, User};
use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::{Stage, assert_unavailable, assert_unknown_key, at_once, foreign};
use crate::support::{api, get, ready};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_rotations_under_load_refuse_nobody_and_cost_one_fetch_each() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let cooldown = Duration::from_millis(100);
    let builder = Authgear::builder(fake.endpoint()).jwks_cooldown(cooldown);
    let authgear = ready(builder).await;
    let api = api(&authgear);
    // 200 requests a second, or fewer where the machine does not keep up.
    let mut ticks = interval(Duration::from_millis(5));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut of_the_old_key = fake.token(&alice).sign();

    for rotation in 0..=5 {
        if rotation > 0 {
            let _ = fake.rotate();
        }
        let of_the_new_key = fake.token(&alice).sign();
        let mut requests = JoinSet::new();
        for number in 0..60 {
            ticks.tick().await;
            let token = match number % 3 {
                0 => fake.token(&alice).sign(),
                1 => of_the_new_key.clone(),
                _ => of_the_old_key.clone(),
            };
            let api = api.clone();
            requests.spawn(async move { get(&api, "/user", &token).await });
        }
        while let Some(answer) = requests.join_next().await {
            let answer = answer.unwrap();
            assert_eq!(answer.status, StatusCode::OK, "{rotation}: {answer:?}");
        }
        assert_eq!(fake.requests(Endpoint::Jwks), 1 + rotation);
        of_the_old_key = of_the_new_key;
    }
    assert_eq!(fake.requests(Endpoint::Discovery), 1);
}

#[tokio::test]
async fn a_key_that_is_listed_before_it_signs_costs_no_request_anything() {
    let stage = Stage::new().await;
    let kid = stage.fake.add_key();
    let (_authgear, api) = stage.api().await;
    stage.fake.sign_with(&kid);
    stage.assert_is_alice(&at_once(&api, &stage.token()));
    assert_eq!(stage.fake.requests(Endpoint::Jwks), 1);
}

#[tokio::test]
async fn a_key_that_was_removed_serves_until_the_next_fetch() {
    let stage = Stage::new().await;
    let (_authgear, api) = stage.api().await;
    let old = stage.token();
    let _ = stage.fake.rotate();
    stage.fake.remove_old_keys();
    stage.assert_is_alice(&at_once(&api, &old));
    stage.assert_is_alice(&get(&api, "/user", &stage.token()).await);
    assert_eq!(stage.fake.requests(Endpoint::Jwks), 2);
    // Issued not long before that fetch: it may be of a key that is younger still.
    assert_unavailable(&get(&api, "/user", &old).await);
    stage.clock.shift_millis(120_000);
    stage.an_hour_passes();
    assert_unavailable(&get(&api, "/user", &foreign(&stage)).await);
    assert_unknown_key(&at_once(&api, &old));
}

#[tokio::test]
async fn two_rotations_within_a_cooldown_are_503_and_never_401() {
    let stage = Stage::new().await;
    let (_authgear, api) = stage.api().await;
    let _ = stage.fake.rotate();
    stage.assert_is_alice(&get(&api, "/user", &stage.token()).await);
    let _ = stage.fake.rotate();
    let token = stage.token();
    for _ in 0..10 {
        assert_unavailable(&at_once(&api, &token));
    }
    assert_eq!(stage.fake.requests(Endpoint::Jwks), 2);
    stage.an_hour_passes();
    stage.assert_is_alice(&get(&api, "/user", &token).await);
    assert_eq!(stage.fake.requests(Endpoint::Jwks), 3);
}
