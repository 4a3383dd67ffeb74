//! What both programs do: use axum-authgear, and sign tokens of their own with jsonwebtoken.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthUser, Authgear};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use tower::ServiceExt;

/// Uses axum-authgear the way a service does: a good token passes, a bad one does not.
pub async fn authenticate() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = Authgear::builder(fake.endpoint())
        .build()
        .expect("a good configuration");
    let app = Router::new()
        .route(
            "/me",
            get(|user: AuthUser| async move { user.id().to_owned() }),
        )
        .layer(authgear.layer());

    let good = fake.token(&alice);
    for (token, status) in [
        (good.clone().sign(), StatusCode::OK),
        (
            good.clone().tamper_signature().sign(),
            StatusCode::UNAUTHORIZED,
        ),
        (good.expires_at(1).sign(), StatusCode::UNAUTHORIZED),
    ] {
        let request = Request::get("/me")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .expect("a request");
        let response = app.clone().oneshot(request).await.expect("a response");
        assert_eq!(response.status(), status);
    }
}

/// Signs and verifies a token by jsonwebtoken's process-wide backend.
pub fn sign_and_verify() {
    let token = jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &json!({ "sub": "alice", "exp": u32::MAX }),
        &EncodingKey::from_secret(SECRET),
    )
    .expect("jsonwebtoken signs");
    let decoded = jsonwebtoken::decode::<Value>(
        &token,
        &DecodingKey::from_secret(SECRET),
        &Validation::new(Algorithm::HS256),
    )
    .expect("jsonwebtoken verifies what it signed");
    assert_eq!(decoded.claims["sub"], "alice");
}

const SECRET: &[u8] = b"a secret of this program alone, 32 bytes or more";
