//! A resolver that fails in every way: 503, never signed in, never 401, and it heals by itself.

use std::time::Duration;

use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{AuthErrorKind, Authgear, Health, SessionResolver};

use crate::faults;
use crate::support::{api, assert_refused, get, send, turns, with_headers};

fn answer(headers: &[(&str, &str)]) -> Fault {
    let good = [
        ("x-authgear-session-valid", "true"),
        ("x-authgear-user-id", "alice"),
    ];
    faults::headers(&[&good, headers].concat())
}

#[tokio::test]
async fn every_failure_is_503_and_is_over_when_it_is_over() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let resolver = SessionResolver::new().timeout(Duration::from_millis(300));
    let authgear = Authgear::builder(fake.endpoint())
        .session_resolver(resolver)
        .build()
        .unwrap();
    let api = api(&authgear);
    assert_eq!(authgear.status().health(), Health::Healthy);
    let cookie = session.cookies().session().pair();
    for fault in [
        Fault::Status(500),
        Fault::Status(403),
        Fault::Status(401),
        Fault::Status(204),
        faults::redirect(&format!("{}/resolve", fake.url())),
        Fault::Hang,
        Fault::CloseConnection,
        Fault::Delay(Duration::from_secs(2)),
        faults::garbage_headers(),
        answer(&[("x-authgear-session-valid", "true")]),
        answer(&[("x-authgear-user-id", "alice")]),
        answer(&[("x-authgear-user-id", "bob")]),
        answer(&[("x-authgear-user-verified", "1")]),
        answer(&[
            ("x-authgear-user-roles", "a"),
            ("x-authgear-user-roles", "b"),
        ]),
        answer(&[("x-authgear-session-authenticated-at", "now")]),
    ] {
        let told = format!("{fault:?}");
        fake.fail(Endpoint::Resolver, fault);
        let bearer = get(&api, "/user", &session.opaque_token()).await;
        assert_refused(&bearer, 503, AuthErrorKind::SessionUnavailable);
        let by_cookie = send(&api, with_headers(&[("cookie", &cookie)])).await;
        assert_refused(&by_cookie, 503, AuthErrorKind::SessionUnavailable);
        fake.heal(Endpoint::Resolver);
        let healed = get(&api, "/user", &session.opaque_token()).await;
        assert_eq!(healed.body, alice.id(), "{told}");
    }
    // Without these it is simply nobody.
    fake.fail(Endpoint::Resolver, Fault::Status(200));
    let answer = get(&api, "/user", &session.opaque_token()).await;
    assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
}

#[tokio::test]
async fn whatever_a_probe_is_not_answered_with_is_down() {
    for fault in [
        Fault::Status(500),
        Fault::Status(403),
        faults::redirect("https://elsewhere.example/"),
        Fault::Hang,
        Fault::CloseConnection,
        faults::garbage_headers(),
    ] {
        let fake = FakeAuthgear::start().await;
        let resolver = SessionResolver::new().timeout(Duration::from_millis(500));
        let authgear = Authgear::builder(fake.endpoint())
            .session_resolver(resolver)
            .build()
            .unwrap();
        let api = api(&authgear);
        assert_eq!(authgear.status().health(), Health::Healthy);
        fake.fail(Endpoint::Resolver, fault);
        let answer = get(&api, "/user", "token").await;
        assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
        turns(&authgear, Health::Down).await;
        let status = authgear.status();
        assert!(status.last_error().is_some() && status.key_age().is_none());
        // A caller who is answered makes it look again soon.
        fake.heal(Endpoint::Resolver);
        get(&api, "/user", "token").await;
        turns(&authgear, Health::Healthy).await;
        assert!(authgear.status().last_error().is_none());
    }
}

#[tokio::test]
async fn a_resolver_that_is_down_is_probed_until_it_is_back() {
    let fake = FakeAuthgear::start().await;
    let authgear = Authgear::builder(fake.endpoint())
        .session_resolver(SessionResolver::new())
        .build()
        .unwrap();
    fake.stop();
    let answer = get(&api(&authgear), "/user", "token").await;
    assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
    let error = authgear
        .ready(Duration::from_millis(100))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::SessionUnavailable);
    turns(&authgear, Health::Down).await;
    fake.restart().await;
    // Nobody but the prober asks.
    turns(&authgear, Health::Healthy).await;
    authgear.ready(Duration::from_secs(1)).await.unwrap();
}

#[tokio::test]
async fn a_pooled_connection_that_was_closed_is_no_failure() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.sign_in(&alice).opaque_token();
    let authgear = Authgear::builder(fake.endpoint())
        .session_resolver(SessionResolver::new())
        .build()
        .unwrap();
    let api = api(&authgear);
    for _ in 0..20 {
        assert_eq!(get(&api, "/user", &token).await.body, alice.id());
        fake.close_connections();
    }
}
