//! Answers that are kept, and when they are not any more.

use std::time::Duration;

use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{AuthErrorKind, Authgear, SessionResolver};

use crate::faults;
use crate::support::{api, assert_refused, get, send, with_headers};

const NOW: u64 = 1_800_000_000;

fn keeping(fake: &FakeAuthgear, time: Duration) -> Authgear {
    Authgear::builder(fake.endpoint())
        .session_resolver(SessionResolver::new().cache_ttl(time))
        .dangerous()
        .clock(fake.clock().clone())
        .build()
        .unwrap()
}

#[tokio::test]
async fn an_answer_is_kept_for_its_time_counted_from_the_question() {
    let clock = Clock::frozen_at(NOW);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let token = session.opaque_token();
    let api = api(&keeping(&fake, Duration::from_secs(60)));
    for _ in 0..3 {
        assert_eq!(get(&api, "/user", &token).await.body, alice.id());
    }
    assert_eq!(fake.requests(Endpoint::Resolver), 1);
    // The same value as a cookie is another credential.
    let cookie = format!("app_session={token}");
    let answer = send(&api, with_headers(&[("cookie", &cookie)])).await;
    assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);

    fake.disable(&alice);
    clock.shift_millis(59_000);
    assert_eq!(get(&api, "/user", &token).await.body, alice.id());
    clock.shift_millis(1_000);
    let answer = get(&api, "/user", &token).await;
    assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
}

#[tokio::test]
async fn a_jwt_is_kept_no_longer_than_it_lives() {
    let clock = Clock::frozen_at(NOW);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let token = session.token().lifetime(Duration::from_secs(300)).sign();
    let api = api(&keeping(&fake, Duration::from_secs(600)));
    assert_eq!(get(&api, "/user", &token).await.body, alice.id());
    clock.shift_millis(299_000);
    assert_eq!(get(&api, "/user", &token).await.body, alice.id());
    assert_eq!(fake.requests(Endpoint::Resolver), 1);
    clock.shift_millis(1_000);
    let answer = get(&api, "/user", &token).await;
    assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
    assert_eq!(fake.requests(Endpoint::Resolver), 2);
}

#[tokio::test]
async fn nobody_is_kept_for_a_second_and_a_failure_not_at_all() {
    let clock = Clock::frozen_at(NOW);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.sign_in(&alice).opaque_token();
    let api = api(&keeping(&fake, Duration::from_secs(600)));
    fake.fail_once(Endpoint::Resolver, Fault::Status(500));
    let answer = get(&api, "/user", &token).await;
    assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
    // A probe looks after it.
    fake.requests_reached(Endpoint::Resolver, 2).await;
    fake.fail_once(Endpoint::Resolver, Fault::Status(200));
    for _ in 0..2 {
        let answer = get(&api, "/user", &token).await;
        assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
    }
    assert_eq!(fake.requests(Endpoint::Resolver), 3);
    clock.shift_millis(1_000);
    assert_eq!(get(&api, "/user", &token).await.body, alice.id());
}

#[tokio::test]
async fn a_purge_forgets_a_user_and_what_was_asked_before_it() {
    let fake = FakeAuthgear::start().await;
    let (alice, bob) = (
        fake.add_user(User::new("alice")),
        fake.add_user(User::new("bob")),
    );
    let (of_alice, of_bob) = (fake.sign_in(&alice), fake.sign_in(&bob));
    let (token, other) = (of_alice.opaque_token(), of_bob.opaque_token());
    let authgear = keeping(&fake, Duration::from_secs(60));
    let api = api(&authgear);
    for token in [&token, &other, &token, &other] {
        assert!(get(&api, "/user", token).await.status.is_success());
    }
    assert_eq!(fake.requests(Endpoint::Resolver), 2);
    authgear.invalidate_user(alice.id());
    assert!(get(&api, "/user", &other).await.status.is_success());
    assert_eq!(fake.requests(Endpoint::Resolver), 2, "bob is not concerned");
    assert!(get(&api, "/user", &token).await.status.is_success());
    assert_eq!(fake.requests(Endpoint::Resolver), 3);

    // The question is under way when the user is disabled and purged: its answer is told to who
    // asked, and is not kept; who comes after the purge does not join it.
    authgear.invalidate_user(alice.id());
    fake.fail(Endpoint::Resolver, Fault::Hold);
    let early = tokio::spawn({
        let (api, token) = (api.clone(), token.clone());
        async move { get(&api, "/user", &token).await }
    });
    fake.requests_reached(Endpoint::Resolver, 4).await;
    fake.disable(&alice);
    authgear.invalidate_user(alice.id());
    let late = tokio::spawn({
        let (api, token) = (api.clone(), token.clone());
        async move { get(&api, "/user", &token).await }
    });
    fake.requests_reached(Endpoint::Resolver, 5).await;
    fake.heal(Endpoint::Resolver);
    assert!(early.await.unwrap().status.is_success());
    assert_refused(&late.await.unwrap(), 401, AuthErrorKind::SessionInvalid);
    let answer = get(&api, "/user", &token).await;
    assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
}

#[tokio::test]
async fn the_cookies_of_a_kept_answer_are_passed_on_too() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.sign_in(&alice).opaque_token();
    let renewed = faults::headers(&[
        ("x-authgear-session-valid", "true"),
        ("x-authgear-user-id", alice.id()),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ]);
    for pass in [true, false] {
        let resolver = SessionResolver::new()
            .cache_ttl(Duration::from_secs(60))
            .forward_set_cookie(pass);
        let authgear = Authgear::builder(fake.endpoint())
            .session_resolver(resolver)
            .build()
            .unwrap();
        let (api, gateway) = (api(&authgear), authgear.forward_auth());
        let asked = fake.requests(Endpoint::Resolver);
        let cookies = |headers: &http::HeaderMap| headers.get_all("set-cookie").iter().count();
        fake.fail(Endpoint::Resolver, renewed.clone());
        // Two who wait for one answer, and two who find it.
        let (first, second) = tokio::join!(get(&api, "/user", &token), get(&api, "/user", &token));
        for answer in [first, second, get(&api, "/user", &token).await] {
            assert_eq!(answer.body, alice.id());
            assert_eq!(cookies(&answer.headers), if pass { 2 } else { 0 });
        }
        let request = crate::support::with_bearer("/", &token);
        let answer = tower::ServiceExt::oneshot(gateway, request).await.unwrap();
        assert_eq!(cookies(answer.headers()), if pass { 2 } else { 0 });
        fake.heal(Endpoint::Resolver);
        // One who is nobody.
        for _ in 0..3 {
            let answer = send(&api, with_headers(&[("cookie", "session=garbage")])).await;
            assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
            assert_eq!(cookies(&answer.headers), usize::from(pass));
        }
        assert_eq!(fake.requests(Endpoint::Resolver) - asked, 2);
    }
}
