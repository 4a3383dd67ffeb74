//! What the session says, and what stays the token's.

use std::time::Duration;

use axum_authgear::testkit::{Endpoint, FakeAuthgear, User};
use axum_authgear::{AuthErrorKind, Authgear, LiveSessions, SessionResolver};

use crate::faults;
use crate::support::{
    api, assert_refused, assert_says, describing_api, get, ready, send, with_headers,
};

const BOUND: Duration = Duration::from_secs(60);

async fn live(fake: &FakeAuthgear) -> Authgear {
    let builder = Authgear::builder(fake.endpoint()).live_sessions(LiveSessions::within(BOUND));
    ready(builder).await
}

fn asked(fake: &FakeAuthgear) -> usize {
    // `ready` asks once whether the resolver is there.
    fake.requests(Endpoint::Resolver) - 1
}

#[tokio::test]
async fn the_session_replaces_what_it_knows_better_and_nothing_else() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice").roles(["admin"]).verified(true));
    let session = fake.sign_in_at(&alice, 1_700_000_000);
    let token = session
        .token()
        .client_id("spa")
        .scope("read:orders")
        .amr(["pwd"])
        .sign();
    // Since then, the world has gone on.
    fake.update_user(&alice, |user| {
        user.roles(Vec::<String>::new())
            .verified(false)
            .can_reauthenticate(false)
    });
    fake.set_session_authenticated_at(&session, 1_700_000_500);
    let api = describing_api(&live(&fake).await);
    let id = format!("id={}", alice.id());
    let issuer = format!("issuer={}", fake.endpoint());
    let wanted = [
        &*id,
        "verified=false",
        "reauthenticate=false",
        "roles=",
        // A real Authgear names none: that says nothing, and the token's counts.
        "amr=pwd",
        "time=Some(1700000500)",
        "client=Some(\"spa\")",
        "scopes=read:orders",
        "expires=true",
        &*issuer,
        "by=jwt+resolver",
    ];
    assert_says(&get(&api, "/user", &token).await, &wanted);
    assert_says(&get(&api, "/user", &token).await, &wanted);
    assert_eq!(asked(&fake), 1);

    fake.set_session_amr(&session, ["pwd", "x_secondary_totp"]);
    fake.set_session_authenticated_at(&session, None);
    let token = session.token().amr(["pwd"]).auth_time(1_700_000_100).sign();
    let wanted = ["amr=pwd,x_secondary_totp", "time=Some(1700000100)"];
    assert_says(&get(&api, "/user", &token).await, &wanted);
}

#[tokio::test]
async fn garbage_never_reaches_authgear_and_machines_go_by_their_token() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let builder = Authgear::builder(fake.endpoint())
        .audience(fake.endpoint())
        .audience("https://api.example")
        .client_ids(["spa", "worker"])
        .live_sessions(LiveSessions::within(BOUND));
    let api = api(&ready(builder).await);
    let spa = || session.token().client_id("spa");
    for (token, kind) in [
        (spa().tamper_signature().sign(), AuthErrorKind::BadSignature),
        (spa().expires_at(1).sign(), AuthErrorKind::Expired),
        (
            session.token().client_id("other").sign(),
            AuthErrorKind::ClientNotAllowed,
        ),
        (session.opaque_token(), AuthErrorKind::OpaqueToken),
    ] {
        assert_refused(&get(&api, "/user", &token).await, 401, kind);
    }
    let cookies = session.cookies();
    for cookie in [
        cookies.session(),
        cookies.app_session(),
        cookies.app_access_token(),
    ] {
        let answer = send(&api, with_headers(&[("cookie", &cookie.pair())])).await;
        assert_refused(&answer, 401, AuthErrorKind::MissingCredential);
    }
    let machine = fake.client_token("worker", "https://api.example").sign();
    assert_eq!(get(&api, "/client", &machine).await.body, "worker");
    assert_eq!(asked(&fake), 0);
    assert_eq!(get(&api, "/user", &spa().sign()).await.body, alice.id());
    assert_eq!(asked(&fake), 1);
}

#[tokio::test]
async fn a_session_of_another_user_is_refused() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let bob = fake.add_user(User::new("bob"));
    let token = fake.sign_in(&alice).token().sign();
    let api = api(&live(&fake).await);
    let of = |user: &User| {
        faults::headers(&[
            ("x-authgear-session-valid", "true"),
            ("x-authgear-user-id", user.id()),
        ])
    };
    fake.fail(Endpoint::Resolver, of(&bob));
    let answer = get(&api, "/user", &token).await;
    assert_refused(&answer, 401, AuthErrorKind::SessionMismatch);
    fake.fail(Endpoint::Resolver, of(&alice));
    let other = fake.sign_in(&alice).token().sign();
    assert_eq!(get(&api, "/user", &other).await.body, alice.id());
}

#[tokio::test]
async fn authgears_cookies_are_taken_when_asked_for() {
    let fake = FakeAuthgear::builder().cookie_prefix("shop_").start().await;
    let alice = fake.add_user(User::new("alice").roles(["editor"]));
    let session = fake.sign_in(&alice);
    let live = LiveSessions::within(BOUND)
        .session_cookies()
        .session_resolver(SessionResolver::new().cookie_prefix("shop_"));
    let builder = Authgear::builder(fake.endpoint())
        .client_ids(["spa"])
        .live_sessions(live);
    let authgear = ready(builder).await;
    let api = describing_api(&authgear);
    let cookies = session.cookies();
    let id = format!("id={}", alice.id());
    for cookie in [
        cookies.session(),
        cookies.app_session(),
        cookies.app_access_token(),
    ] {
        for _ in 0..2 {
            let answer = send(&api, with_headers(&[("cookie", &cookie.pair())])).await;
            assert_says(
                &answer,
                &[&id, "roles=editor", "client=None", "by=resolver"],
            );
        }
    }
    assert_eq!(asked(&fake), 3, "each is kept for the bound");
    let token = session.token().client_id("spa").sign();
    assert_says(&get(&api, "/user", &token).await, &["by=jwt+resolver"]);
    let cross = [
        ("cookie", &*cookies.session().pair()),
        ("sec-fetch-site", "cross-site"),
    ];
    let mut request = with_headers(&cross);
    *request.method_mut() = http::Method::POST;
    assert_refused(
        &send(&api, request).await,
        403,
        AuthErrorKind::CrossOriginRequest,
    );

    fake.disable(&alice);
    authgear.invalidate_user(alice.id());
    for cookie in [
        cookies.session(),
        cookies.app_session(),
        cookies.app_access_token(),
    ] {
        let answer = send(&api, with_headers(&[("cookie", &cookie.pair())])).await;
        assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
    }
}

#[tokio::test]
async fn a_purge_ends_the_confirmation_of_one_user() {
    let fake = FakeAuthgear::start().await;
    let (alice, bob) = (
        fake.add_user(User::new("alice")),
        fake.add_user(User::new("bob")),
    );
    let (token, other) = (fake.token(&alice).sign(), fake.token(&bob).sign());
    let authgear = live(&fake).await;
    let api = api(&authgear);
    for token in [&token, &other] {
        assert!(get(&api, "/user", token).await.status.is_success());
    }
    fake.disable(&alice);
    assert_eq!(
        get(&api, "/user", &token).await.body,
        alice.id(),
        "within the bound"
    );
    authgear.invalidate_user(alice.id());
    let answer = get(&api, "/user", &token).await;
    assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
    assert_eq!(get(&api, "/user", &other).await.body, bob.id());
    assert_eq!(asked(&fake), 3);
}

#[tokio::test]
async fn a_key_that_comes_with_the_token_does_not_skip_the_session() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let api = api(&live(&fake).await);
    let _ = fake.rotate();
    let session = fake.sign_in(&alice);
    let token = session.token().sign();
    fake.end_session(&session);
    let answer = get(&api, "/user", &token).await;
    assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
}

#[tokio::test]
async fn spoofed_headers_reach_nobody() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let authgear = live(&fake).await;
    for router in [api(&authgear), crate::support::optional_api(&authgear)] {
        let mut request = crate::support::with_bearer("/headers", &token);
        for name in ["x-authgear-user-id", "x_authgear_user_roles"] {
            request.headers_mut().append(name, "admin".parse().unwrap());
        }
        let answer = send(&router, request).await;
        assert!(!answer.body.contains("admin") && answer.status.is_success());
    }
}
