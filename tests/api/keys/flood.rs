//! Tokens of keys that never were, by the thousand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum_authgear::testkit::Endpoint;
use http::StatusCode;
use tokio::time::{sleep, timeout};

use super::{Stage, assert_unavailable, assert_unknown_key, at_once, under_another_name};
use crate::support::{api, get, ready};

/// The claims of a flood's tokens, by when they say that they were issued.
fn fodder(stage: &Stage, is_old: bool) -> String {
    let now = stage.clock.now().unix().as_secs();
    let issued_at = if is_old { now - 1_000 } else { now };
    let token = stage.fake.token(&stage.alice).issued_at(issued_at);
    token.expires_at(now + 100_000).sign()
}

async fn ten_thousand_strangers(is_old: bool) {
    let stage = Stage::new().await;
    let (_authgear, api) = stage.api().await;
    let good = stage.token();
    let fodder = fodder(&stage, is_old);

    let first = get(&api, "/user", &under_another_name(&fodder, "first")).await;
    if is_old {
        assert_unknown_key(&first);
    } else {
        assert_unavailable(&first);
    }
    let mut rotated = None;
    for number in 0..10_000 {
        let answer = at_once(&api, &under_another_name(&fodder, &format!("k{number}")));
        if is_old {
            assert_unknown_key(&answer);
        } else {
            assert_unavailable(&answer);
        }
        if number % 100 == 0 {
            // Nothing is evicted, and nobody waits.
            stage.assert_is_alice(&at_once(&api, &good));
        }
        if number == 5_000 {
            let _ = stage.fake.rotate();
            rotated = Some(stage.token());
        }
        if number % 100 == 0
            && let Some(token) = &rotated
        {
            assert_unavailable(&at_once(&api, token));
        }
    }
    // One fetch for the flood, whatever its size.
    assert_eq!(stage.fake.requests(Endpoint::Jwks), 2);
    assert_eq!(stage.fake.requests(Endpoint::Discovery), 1);

    // The cooldown ends while the flood goes on.
    stage.an_hour_passes();
    let stranger = under_another_name(&fodder, "last");
    let _ = get(&api, "/user", &stranger).await;
    stage.assert_is_alice(&get(&api, "/user", &rotated.unwrap()).await);
    assert_eq!(stage.fake.requests(Endpoint::Jwks), 3);
}

#[tokio::test]
async fn ten_thousand_old_strangers_cost_one_fetch_and_are_401() {
    ten_thousand_strangers(true).await;
}

#[tokio::test]
async fn ten_thousand_fresh_strangers_cost_one_fetch_and_are_503() {
    ten_thousand_strangers(false).await;
}

/// The same in the time of this machine, with a cooldown that ends by itself.
async fn a_rotation_in_a_running_flood(is_old: bool) {
    let stage = Stage::new().await;
    // Longer than a request waits for a fetch that has not begun.
    let cooldown = Duration::from_millis(2_500);
    let authgear = ready(stage.builder().jwks_cooldown(cooldown)).await;
    let api = api(&authgear);
    let good = stage.token();
    let fodder = fodder(&stage, is_old);

    let is_over = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicUsize::new(0));
    let flood: Vec<_> = (0..50)
        .map(|sender| {
            let (api, fodder) = (api.clone(), fodder.clone());
            let (is_over, sent) = (Arc::clone(&is_over), Arc::clone(&sent));
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let number = sent.fetch_add(1, Ordering::Relaxed);
                    let stranger = under_another_name(&fodder, &format!("k{sender}-{number}"));
                    let answer = get(&api, "/user", &stranger).await;
                    assert_ne!(answer.status, StatusCode::OK);
                    sleep(Duration::from_millis(5)).await;
                }
            })
        })
        .collect();
    while sent.load(Ordering::Relaxed) < 200 {
        stage.assert_is_alice(&get(&api, "/user", &good).await);
        sleep(Duration::from_millis(1)).await;
    }

    let _ = stage.fake.rotate();
    let before = stage.fake.requests(Endpoint::Jwks);
    let token = stage.token();
    let picked_up = async {
        loop {
            let answer = get(&api, "/user", &token).await;
            if answer.status == StatusCode::OK {
                break;
            }
            assert_unavailable(&answer);
            stage.assert_is_alice(&get(&api, "/user", &good).await);
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), picked_up).await.unwrap();
    // One fetch may have been under way without the new key; the next one brings it.
    assert!(stage.fake.requests(Endpoint::Jwks) - before <= 2);

    is_over.store(true, Ordering::Relaxed);
    for sender in flood {
        sender.await.unwrap();
    }
}

#[tokio::test]
async fn a_rotation_in_a_running_flood_of_old_strangers_is_picked_up() {
    a_rotation_in_a_running_flood(true).await;
}

#[tokio::test]
async fn a_rotation_in_a_running_flood_of_fresh_strangers_is_picked_up() {
    a_rotation_in_a_running_flood(false).await;
}
