//! The verified token, in a handler that asks for it.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::routing::any;
use axum_authgear::testkit::{self, FakeAuthgear, SignInLayer, User};
use axum_authgear::{
    AccessToken, AuthErrorKind, AuthUser, Authgear, AuthgearBuilder, GatewayProof, LiveSessions,
    SessionResolver, TokenSource,
};
use http::{StatusCode, header};

use crate::support::{get, ready, send, with_bearer};

const PATHS: [&str; 2] = ["/token", "/optional"];

/// Routes that say which token they have, behind whatever is put around them.
fn routes() -> Router {
    Router::new()
        .route(
            "/token",
            any(|token: AccessToken| async move { token.expose().to_owned() }),
        )
        .route(
            "/optional",
            any(|token: Option<AccessToken>| async move {
                token.map_or("none".to_owned(), |token| token.expose().to_owned())
            }),
        )
        .route("/user", any(|_: AuthUser| async { "a user" }))
}

async fn keeping(fake: &FakeAuthgear) -> Authgear {
    ready(Authgear::builder(fake.endpoint()).keep_access_tokens()).await
}

fn with_cookie(path: &str, cookie: &str) -> Request {
    let request = Request::get(path).header(header::COOKIE, cookie);
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn it_is_the_token_of_this_request_in_every_mode() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let bob = fake.add_user(User::new("bob"));
    let builder = || Authgear::builder(fake.endpoint()).keep_access_tokens();
    let live = LiveSessions::within(Duration::from_secs(10));
    for (mode, builder) in [
        ("jwt", builder()),
        (
            "resolver",
            builder().session_resolver(SessionResolver::new()),
        ),
        ("live", builder().live_sessions(live)),
    ] {
        let app = routes().layer(ready(builder).await.layer());
        // Verified for the first time, and found again.
        for token in [&alice, &bob, &alice, &bob].map(|user| fake.sign_in(user).token().sign()) {
            for path in PATHS.into_iter().chain(PATHS) {
                let answer = get(&app, path, &token).await;
                assert_eq!(
                    (answer.status, answer.body),
                    (StatusCode::OK, token.clone()),
                    "{mode}"
                );
            }
        }
    }
}

#[tokio::test]
async fn it_comes_from_whichever_source_was_verified() {
    let fake = FakeAuthgear::start().await;
    let token = fake.token(&fake.add_user(User::new("alice"))).sign();
    let builder = Authgear::builder(fake.endpoint())
        .token_cookie("at")
        .token_source(TokenSource::new(|headers| {
            Some(headers.get("x-token")?.to_str().ok()?.to_owned())
        }))
        .keep_access_tokens();
    let app = routes().layer(ready(builder).await.layer());
    let other = Request::get("/token").header("x-token", &token);
    for request in [
        with_bearer("/token", &token),
        with_cookie("/token", &format!("x=1; at={token}")),
        other.body(Body::empty()).unwrap(),
    ] {
        assert_eq!(send(&app, request).await.body, token);
    }
    // A good cookie beside it does not make a bad bearer's request one that has a token.
    let mut request = with_bearer("/token", "bad");
    let cookie = format!("at={token}").parse().unwrap();
    request.headers_mut().insert(header::COOKIE, cookie);
    assert_eq!(send(&app, request).await.status, StatusCode::UNAUTHORIZED);
}

/// What a layer in between writes into the headers is not what was verified.
#[tokio::test]
async fn headers_that_were_changed_since_make_no_difference() {
    let fake = FakeAuthgear::start().await;
    let token = fake.token(&fake.add_user(User::new("alice"))).sign();
    let authgear = keeping(&fake).await;
    let meddle = |mut request: Request, next: Next| async move {
        let bad = "Bearer not.the.one".parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, bad);
        next.run(request).await
    };
    let strip = |mut request: Request, next: Next| async move {
        request.headers_mut().clear();
        next.run(request).await
    };
    // An inner layer of the same `Authgear` relies on the outer one, for the token as well.
    let inner = || routes().layer(authgear.layer());
    for app in [
        inner().layer(middleware::from_fn(meddle)),
        inner().layer(middleware::from_fn(strip)),
        routes().layer(middleware::from_fn(meddle)),
    ] {
        let app = app.layer(authgear.layer().optional());
        for path in PATHS {
            assert_eq!(get(&app, path, &token).await.body, token);
        }
    }
}

#[tokio::test]
async fn a_request_without_a_token_has_none() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let cookie = fake.sign_in(&alice).cookies().session().pair();
    let authgear = keeping(&fake).await;
    let optional = routes().layer(authgear.layer().optional());
    let nobody = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let resolver = Authgear::builder(fake.endpoint())
        .session_resolver(SessionResolver::new())
        .keep_access_tokens();
    let by_session = routes().layer(ready(resolver).await.layer());
    assert_eq!(
        send(&by_session, with_cookie("/user", &cookie)).await.body,
        "a user"
    );

    for (app, cookie) in [(&optional, None), (&by_session, Some(&cookie))] {
        let request = |path: &str| cookie.map_or(nobody(path), |cookie| with_cookie(path, cookie));
        assert_eq!(send(app, request("/optional")).await.body, "none");
        let refused = send(app, request("/token")).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refused.kind, Some(AuthErrorKind::MissingCredential));
        assert_eq!(refused.challenge(), Some("Bearer"));
    }
}

#[tokio::test]
async fn where_tokens_are_not_kept_the_answer_says_what_to_add() {
    let fake = FakeAuthgear::start().await;
    let token = fake.token(&fake.add_user(User::new("alice"))).sign();
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let app = routes().layer(authgear.layer().optional());
    for path in PATHS {
        for request in [
            with_bearer(path, &token),
            Request::get(path).body(Body::empty()).unwrap(),
        ] {
            let answer = send(&app, request).await;
            assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(answer.kind, Some(AuthErrorKind::AccessTokenNotKept));
            assert!(
                answer.body.contains("`.keep_access_tokens()`"),
                "{answer:?}"
            );
        }
    }
    assert_eq!(get(&app, "/user", &token).await.body, "a user");
    // Without any layer it is the layer that is missing.
    let answer = get(&routes(), "/token", &token).await;
    assert_eq!(answer.kind, Some(AuthErrorKind::LayerMissing));
}

#[tokio::test]
async fn behind_a_gateway_no_token_was_verified() {
    let gateway = |builder: AuthgearBuilder| {
        let proof = GatewayProof::secret("0123456789abcdef0123456789abcdef");
        builder.dangerous().gateway(proof).build()
    };
    let builder = || Authgear::builder("https://project.authgear.test");
    let error = gateway(builder().keep_access_tokens()).unwrap_err();
    assert!(error.to_string().contains("keep_access_tokens"), "{error}");
    assert!(gateway(builder()).is_ok());
}

#[tokio::test]
async fn a_test_signs_in_with_a_token_made_by_hand() {
    let sign_in = SignInLayer::user(testkit::auth_user("alice").build());
    let app = routes().layer(sign_in.clone().access_token(testkit::access_token("a.b.c")));
    assert_eq!(get(&app, "/token", "another").await.body, "a.b.c");
    let without = get(&routes().layer(sign_in), "/token", "another").await;
    assert_eq!(without.kind, Some(AuthErrorKind::AccessTokenNotKept));
}

#[tokio::test]
async fn nothing_of_it_is_shown() {
    let token = testkit::access_token("canary");
    let sign_in = SignInLayer::user(testkit::auth_user("alice").build());
    let sign_in = sign_in.access_token(token.clone());
    let request = sign_in.request(Request::new(Body::empty()));
    let shown = format!(
        "{token:?} {token:#?} {sign_in:?} {:?}",
        request.extensions()
    );
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("AccessToken"), "{shown}");
}
