//! A session that came by Authgear's own cookies, beside those of tokens.

use std::time::Duration;

use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, User};
use axum_authgear::{AuthErrorKind, Authgear, LiveSessions, RedisConfig, SessionResolver};
use http::header;

use crate::faults;
use crate::support::{api, assert_refused, get, ready, send, with_headers};

#[tokio::test]
async fn a_cookies_session_goes_on_while_the_log_of_ended_users_is_out_of_contact() {
    let clock = Clock::frozen_at(1_800_000_000);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let live = LiveSessions::within(Duration::from_secs(600)).session_cookies();
    // Nothing listens there.
    let redis = RedisConfig::new("redis://127.0.0.1:9").max_staleness(Duration::from_secs(60));
    let builder = Authgear::builder(fake.endpoint())
        .live_sessions(live)
        .redis(redis);
    let authgear = ready(builder.dangerous().clock(clock.clone())).await;
    let users = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&users);
    let app = axum::Router::new()
        .route(
            "/user",
            axum::routing::get(move |user: axum_authgear::AuthUser| async move {
                seen.lock().unwrap().push(user);
            }),
        )
        .layer(authgear.layer());
    let cookie = session.cookies().session().pair();
    let by_cookie = || send(&app, with_headers(&[("cookie", &cookie)]));
    let token = session.token().sign();
    assert_eq!(by_cookie().await.status, 200);
    let user = users.lock().unwrap().pop().unwrap();
    let by_token = authgear.verify(&token).await.unwrap();

    clock.shift_millis(61_000);
    // Nobody ends those here: requests pass, and so do connections.
    assert_eq!(by_cookie().await.status, 200);
    assert_eq!(authgear.recheck(&user).await.unwrap().id(), alice.id());
    let still = tokio::time::timeout(Duration::from_millis(100), authgear.ended(&user)).await;
    assert!(still.is_err(), "{still:?}");
    // Tokens can be ended, and whether they were is not known.
    let answer = get(&app, "/user", &token).await;
    assert_refused(&answer, 503, AuthErrorKind::RevocationsUnavailable);
    let error = authgear.recheck(&by_token).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::RevocationsUnavailable);
    // The session's own end counts all the same.
    fake.end_session(&session);
    authgear.invalidate_user(alice.id());
    let error = authgear.recheck(&user).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::SessionInvalid);
}

#[tokio::test]
async fn what_the_resolver_sets_is_passed_on_with_a_kept_answer_too() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    for pass in [true, false] {
        let live = LiveSessions::within(Duration::from_secs(60))
            .session_cookies()
            .session_resolver(SessionResolver::new().forward_set_cookie(pass));
        let builder = Authgear::builder(fake.endpoint()).live_sessions(live);
        let api = api(&ready(builder).await);
        fake.fail(
            Endpoint::Resolver,
            faults::headers(&[
                ("x-authgear-session-valid", "true"),
                ("x-authgear-user-id", alice.id()),
                ("set-cookie", "a=1"),
            ]),
        );
        for _ in 0..3 {
            let answer = get(&api, "/user", &token).await;
            assert_eq!(answer.body, alice.id());
            assert_eq!(answer.headers.contains_key(header::SET_COOKIE), pass);
        }
        fake.heal(Endpoint::Resolver);
        for _ in 0..3 {
            let answer = send(&api, with_headers(&[("cookie", "session=garbage")])).await;
            assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
            assert_eq!(answer.headers.contains_key(header::SET_COOKIE), pass);
        }
    }
}
