//! Authgear is away, or answers with nonsense.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum_authgear::testkit::{Endpoint, Fault, SigningKey};
use axum_authgear::{AuthErrorKind, Health};
use futures_util::future::join_all;
use http::StatusCode;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{
    LONG, Stage, assert_unavailable, assert_unknown_key, at_once, foreign, under_another_name,
};
use crate::faults;
use crate::support::{api, get};

fn key_set_faults() -> [Fault; 16] {
    [
        Fault::Hang,
        Fault::CloseConnection,
        Fault::Status(500),
        Fault::Status(204),
        Fault::Status(404),
        faults::garbage(),
        Fault::Status(200),
        faults::empty_key_set(),
        Fault::Body("[]".to_owned()),
        faults::truncated(),
        faults::oversized(),
        faults::endless(),
        faults::redirect("http://127.0.0.1:9/oauth2/jwks"),
        faults::trickle(),
        with_fields(vec![("x-long".to_owned(), "x".repeat(1 << 20))]),
        with_fields(vec![("x-many".to_owned(), "x".to_owned()); 1_000]),
    ]
}

/// A key set of the right form, below a head that nobody need read.
fn with_fields(headers: Vec<(String, String)>) -> Fault {
    Fault::Answer {
        status: 200,
        headers,
        body: json!({ "keys": [SigningKey::rsa().jwk()] }).to_string(),
    }
}

#[tokio::test]
async fn known_keys_serve_through_an_outage_up_to_the_staleness_bound() {
    let outages = key_set_faults().map(async |fault| {
        let stage = Stage::new().await;
        let (authgear, api) = stage.api().await;
        let good = stage.token();
        let old = stage.fake.token(&stage.alice).issued_at(1_799_999_000);
        let old_stranger = under_another_name(&old.lifetime(LONG * 168).sign(), "stranger");
        stage.fake.fail(Endpoint::Jwks, fault.clone());

        assert_unavailable(&get(&api, "/user", &foreign(&stage)).await);
        assert!(stage.fake.requests(Endpoint::Jwks) > 1, "{fault:?}");
        stage.assert_is_alice(&at_once(&api, &good));
        assert_unknown_key(&at_once(&api, &old_stranger));
        assert_eq!(authgear.status().health(), Health::Degraded, "{fault:?}");
        assert!(authgear.status().last_error().is_some());

        // Just before the bound, and behind it.
        stage.clock.shift_millis(86_400_000 - 600_000);
        stage.assert_is_alice(&at_once(&api, &good));
        stage.clock.shift_millis(600_000);
        assert_unavailable(&get(&api, "/user", &good).await);
        assert_unavailable(&get(&api, "/user", &old_stranger).await);
        assert_eq!(authgear.status().health(), Health::Down, "{fault:?}");
        // What needs no key is refused as ever.
        let expired = stage.fake.token(&stage.alice).expires_at(1_800_000_000);
        let answer = at_once(&api, &expired.sign());
        assert_eq!(answer.kind, Some(AuthErrorKind::Expired), "{fault:?}");
        assert_eq!(at_once(&api, "no-token").status, StatusCode::UNAUTHORIZED);

        // Authgear returns, and so do we.
        stage.fake.heal(Endpoint::Jwks);
        stage.an_hour_passes();
        stage.assert_is_alice(&get(&api, "/user", &good).await);
        assert_eq!(authgear.status().health(), Health::Healthy, "{fault:?}");
    });
    join_all(outages).await;
}

#[tokio::test]
async fn a_fetch_that_hangs_keeps_no_warm_request() {
    let stage = Stage::new().await;
    let authgear = stage
        .builder()
        .request_timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    authgear.ready(Duration::from_secs(10)).await.unwrap();
    let api = api(&authgear);
    let good = stage.token();
    let _ = stage.fake.rotate();
    let of_the_new_key = stage.token();
    stage.fake.fail(Endpoint::Jwks, Fault::Hold);
    let waiting = tokio::spawn({
        let api = api.clone();
        async move { get(&api, "/user", &of_the_new_key).await }
    });
    stage.fake.requests_reached(Endpoint::Jwks, 2).await;
    for _ in 0..1_000 {
        stage.assert_is_alice(&at_once(&api, &good));
    }
    assert_eq!(stage.fake.in_flight(Endpoint::Jwks), 1);
    assert!(!waiting.is_finished());
    stage.fake.heal(Endpoint::Jwks);
    stage.assert_is_alice(&waiting.await.unwrap());
    assert_eq!(stage.fake.requests(Endpoint::Jwks), 2);
}

#[tokio::test]
async fn started_without_authgear_it_answers_503_and_heals_by_itself() {
    let stage = Stage::new().await;
    stage.fake.stop();
    let authgear = stage.builder().build().unwrap();
    let api = api(&authgear);
    let good = stage.token();
    assert_unavailable(&get(&api, "/user", &good).await);
    assert_eq!(authgear.status().health(), Health::Down);
    assert_eq!(authgear.status().key_age(), None);
    let error = authgear.ready(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::KeysUnavailable);
    let none = crate::support::send(
        &api,
        http::Request::get("/user")
            .body(axum::body::Body::empty())
            .unwrap(),
    )
    .await;
    assert_eq!(none.kind, Some(AuthErrorKind::MissingCredential));

    stage.fake.restart().await;
    // Nobody asks, and no clock is shifted: the next retry is enough.
    timeout(
        Duration::from_secs(60),
        authgear.ready(Duration::from_secs(60)),
    )
    .await
    .unwrap()
    .unwrap();
    stage.assert_is_alice(&at_once(&api, &good));
    assert_eq!(authgear.status().health(), Health::Healthy);
}

#[tokio::test]
async fn a_function_of_the_users_that_panics_ends_one_fetch_and_not_the_refresher() {
    let stage = Stage::new().await;
    let is_broken = Arc::new(AtomicBool::new(true));
    let proxy = reqwest::Proxy::custom({
        let is_broken = Arc::clone(&is_broken);
        move |_| -> Option<reqwest::Url> {
            assert!(!is_broken.load(Ordering::SeqCst), "a fault of the user's");
            None
        }
    });
    let authgear = stage.builder().proxy(proxy).build().unwrap();
    let api = api(&authgear);
    let good = stage.token();
    assert_unavailable(&get(&api, "/user", &good).await);
    let error = authgear.status().last_error().unwrap().to_string();
    assert_eq!(error, "the discovery document could not be fetched");

    is_broken.store(false, Ordering::SeqCst);
    stage.an_hour_passes();
    stage.assert_is_alice(&get(&api, "/user", &good).await);
    assert_eq!(authgear.status().health(), Health::Healthy);
}

#[tokio::test]
async fn a_discovery_document_of_no_use_is_503_until_it_is_right() {
    let faults = [
        faults::other_issuer(),
        Fault::MapResponse(|answer| faults::with_jwks_uri(answer, "https://other.example/jwks")),
        Fault::MapResponse(|answer| faults::with_jwks_uri(answer, "not a URL")),
        Fault::Hang,
        Fault::CloseConnection,
        Fault::Status(503),
        faults::garbage(),
        Fault::Status(200),
        Fault::Body("[]".to_owned()),
        faults::truncated(),
        faults::oversized(),
        faults::endless(),
        faults::redirect("http://127.0.0.1:9/"),
    ];
    let outages = faults.map(async |fault| {
        let stage = Stage::new().await;
        stage.fake.fail(Endpoint::Discovery, fault.clone());
        let authgear = stage.builder().build().unwrap();
        let api = api(&authgear);
        let good = stage.token();
        assert_unavailable(&get(&api, "/user", &good).await);
        assert_eq!(stage.fake.requests(Endpoint::Jwks), 0, "{fault:?}");
        stage.fake.heal(Endpoint::Discovery);
        stage.an_hour_passes();
        stage.assert_is_alice(&get(&api, "/user", &good).await);
    });
    join_all(outages).await;
}

#[tokio::test]
async fn keys_that_have_moved_are_discovered_anew_and_a_failing_server_is_not() {
    for (status, discoveries) in [(404, 2), (410, 2), (500, 1), (503, 1)] {
        let stage = Stage::new().await;
        let (_authgear, api) = stage.api().await;
        stage.fake.fail_once(Endpoint::Jwks, Fault::Status(status));
        let _ = stage.fake.rotate();
        let token = stage.token();
        // The retry may come within this very request.
        let _ = get(&api, "/user", &token).await;
        stage.an_hour_passes();
        stage.assert_is_alice(&get(&api, "/user", &token).await);
        assert_eq!(
            stage.fake.requests(Endpoint::Discovery),
            discoveries,
            "{status}"
        );
    }
}

#[tokio::test]
async fn one_odd_key_spoils_nothing() {
    let stage = Stage::new().await;
    for odd in [
        "5",
        "null",
        "[]",
        r#"{"kid":5}"#,
        r#"{"kty":"oct","kid":"x","k":"c2VjcmV0"}"#,
    ] {
        let odd: serde_json::Value = serde_json::from_str(odd).unwrap();
        stage.fake.add_raw_jwk(odd);
    }
    let (authgear, api) = stage.api().await;
    stage.assert_is_alice(&at_once(&api, &stage.token()));
    assert_eq!(authgear.status().health(), Health::Healthy);
}

#[tokio::test]
async fn connections_that_are_closed_between_fetches_cost_no_failure() {
    let stage = Stage::new().await;
    let (authgear, api) = stage.api().await;
    for _ in 0..3 {
        stage.fake.close_connections();
        sleep(Duration::from_millis(20)).await;
        let _ = stage.fake.rotate();
        stage.an_hour_passes();
        stage.assert_is_alice(&get(&api, "/user", &stage.token()).await);
        assert_eq!(authgear.status().health(), Health::Healthy);
    }
}

/// As a platform does that runs a process only while it answers requests.
#[tokio::test]
async fn a_process_that_was_frozen_for_longer_than_keys_serve_fetches_them_before_it_answers() {
    let stage = Stage::new().await;
    let (_authgear, api) = stage.api().await;
    stage.assert_is_alice(&at_once(&api, &stage.token()));
    let fetches = stage.fake.requests(Endpoint::Jwks);
    stage.clock.shift_millis(2 * 86_400_000);
    stage.assert_is_alice(&get(&api, "/user", &stage.token()).await);
    assert_eq!(stage.fake.requests(Endpoint::Jwks), fetches + 1);

    // For a shorter time: known keys serve at once.
    stage.clock.shift_millis(43_200_000);
    stage.fake.fail(Endpoint::Jwks, Fault::Status(500));
    stage.assert_is_alice(&at_once(&api, &stage.token()));
}
