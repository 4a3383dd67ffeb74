//! Callers made by hand are what the extractors find.

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::routing::get;
use axum_authgear::testkit::{self, FakeAuthgear, SignInLayer, User};
use axum_authgear::{AuthErrorKind, AuthUser, Authgear, Principal};
use http::{Request, StatusCode};

use crate::support::{Answer, api, get as get_with, ready, routes, send};

async fn ask(sign_in: SignInLayer, path: &str) -> Answer {
    let request = Request::get(path).body(Body::empty()).unwrap();
    send(&routes().layer(sign_in), request).await
}

#[tokio::test]
async fn the_extractors_find_the_user() {
    let alice = SignInLayer::user(testkit::auth_user("alice").client_id("mobile").build());
    for (path, body) in [
        ("/user", "alice"),
        ("/optional", "alice"),
        ("/principal", "mobile"),
        ("/any", "reached"),
    ] {
        let answer = ask(alice.clone(), path).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (StatusCode::OK, body)
        );
    }
    let answer = ask(alice, "/client").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.kind, Some(AuthErrorKind::ClientRequired));
}

#[tokio::test]
async fn the_extractors_find_the_machine() {
    let worker = SignInLayer::client(testkit::auth_client("worker").build());
    for path in ["/client", "/principal"] {
        let answer = ask(worker.clone(), path).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (StatusCode::OK, "worker")
        );
    }
    for path in ["/user", "/optional"] {
        let answer = ask(worker.clone(), path).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.kind, Some(AuthErrorKind::UserRequired));
    }
}

#[tokio::test]
async fn nobody_is_nobody() {
    let answer = ask(SignInLayer::unauthenticated(), "/optional").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, "nobody")
    );
    let answer = ask(SignInLayer::unauthenticated(), "/user").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.kind, Some(AuthErrorKind::MissingCredential));
    assert_eq!(answer.challenge(), Some("Bearer"));
}

#[derive(Debug, PartialEq)]
struct Shop {
    tenant: u32,
}

#[tokio::test]
async fn custom_claims_come_along() {
    let app = Router::new().route(
        "/tenant",
        get(|user: Option<AuthUser<Shop>>| async move {
            user.map_or(0, |user| user.claims().tenant).to_string()
        }),
    );
    let request = || Request::get("/tenant").body(Body::empty()).unwrap();

    let alice = testkit::auth_user("alice")
        .claims(Shop { tenant: 7 })
        .build();
    let answer = send(&app.clone().layer(SignInLayer::user(alice)), request()).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "7"));
    let nobody = SignInLayer::caller(None::<Principal<Shop>>);
    let answer = send(&app.clone().layer(nobody), request()).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "0"));

    let without = SignInLayer::user(testkit::auth_user("alice").build());
    let answer = send(&app.layer(without), request()).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.kind, Some(AuthErrorKind::ClaimsTypeMismatch));
}

#[tokio::test]
async fn one_request_for_one_extractor() {
    let request = || Request::get("/").body(()).unwrap();
    let alice = SignInLayer::user(testkit::auth_user("alice").build());
    let (mut parts, ()) = alice.request(request()).into_parts();
    let user = <AuthUser as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await;
    assert_eq!(user.unwrap().id(), "alice");

    let (mut parts, ()) = request().into_parts();
    let missing =
        <AuthUser as OptionalFromRequestParts<()>>::from_request_parts(&mut parts, &()).await;
    assert_eq!(missing.unwrap_err().kind(), AuthErrorKind::LayerMissing);
}

#[tokio::test]
async fn a_real_layer_inside_believes_credentials_alone() {
    let fake = FakeAuthgear::start().await;
    let bob = fake.add_user(User::new("bob"));
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let app = api(&authgear).layer(SignInLayer::user(testkit::auth_user("alice").build()));

    let request = Request::get("/user").body(Body::empty()).unwrap();
    let answer = send(&app, request).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.kind, Some(AuthErrorKind::MissingCredential));

    let answer = get_with(&app, "/user", &fake.token(&bob).sign()).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, bob.id())
    );
}

/// A test of a long connection has a user without a token.
#[tokio::test]
async fn a_user_without_a_token_is_checked_again_by_the_only_project() {
    let fake = FakeAuthgear::start().await;
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let alice = testkit::auth_user("alice").build();
    assert!(authgear.recheck(&alice).await.is_ok());
    authgear.revoke_user(alice.id()).unwrap();
    let refused = authgear.recheck(&alice).await.unwrap_err();
    assert_eq!(refused.kind(), AuthErrorKind::Revoked);
    assert_eq!(authgear.ended(&alice).await.kind(), AuthErrorKind::Revoked);
}
