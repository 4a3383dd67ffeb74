//! The same requests for every contender, and what each of them does with one.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthUser, Authgear};
use base64_simd::URL_SAFE_NO_PAD;
use http::{Request, StatusCode, header};
use tower::ServiceExt;

/// An issuer, its public key parsed, and a supply of distinct good tokens.
pub(crate) struct World {
    pub(crate) fake: FakeAuthgear,
    pub(crate) authgear: Authgear,
    pub(crate) key: Arc<ParsedPublicKey>,
    pub(crate) tokens: Vec<String>,
}

impl World {
    pub(crate) async fn new(count: u64) -> Self {
        let fake = FakeAuthgear::start().await;
        let alice =
            fake.add_user(User::new("alice").roles(["editor", "customer", "billing:admin"]));
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let tokens = (0..count)
            .map(|n| {
                fake.token(&alice)
                    .issued_at(now - 30)
                    .expires_at(now + 3_600 + n)
                    .sign()
            })
            .collect();
        let authgear = Authgear::builder(fake.endpoint()).build().unwrap();
        authgear
            .ready(std::time::Duration::from_secs(10))
            .await
            .unwrap();
        let jwk = &fake.jwks()["keys"][0];
        let part = |name: &str| {
            URL_SAFE_NO_PAD
                .decode_to_vec(jwk[name].as_str().unwrap())
                .unwrap()
        };
        let key = RsaPublicKeyComponents {
            n: part("n"),
            e: part("e"),
        }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .unwrap();
        Self {
            fake,
            authgear,
            key: Arc::new(key),
            tokens,
        }
    }

    /// Decodes the signature and verifies it: the floor under every verification.
    pub(crate) fn raw_verify(&self, token: &str) -> bool {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let mut buffer = [0; 256];
        let signature = URL_SAFE_NO_PAD
            .decode(
                signature.as_bytes(),
                base64_simd::AsOut::as_out(&mut buffer[..]),
            )
            .unwrap();
        self.key.verify_sig(message.as_bytes(), signature).is_ok()
    }

    pub(crate) fn bare_router(&self) -> Router {
        Router::new().route("/me", get(|| async { StatusCode::NO_CONTENT }))
    }

    pub(crate) fn our_router(&self) -> Router {
        Router::new()
            .route(
                "/me",
                get(|user: AuthUser| async move {
                    std::hint::black_box(user.id());
                    StatusCode::NO_CONTENT
                }),
            )
            .layer(self.authgear.layer())
    }
}

/// A request as a browser's application sends it.
pub(crate) fn request(token: &str) -> Request<Body> {
    Request::get("/me")
        .header(header::HOST, "api.example.com")
        .header(
            header::USER_AGENT,
            "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101",
        )
        .header(header::ACCEPT, "application/json")
        .header(header::ACCEPT_LANGUAGE, "en")
        .header(header::ORIGIN, "https://app.example.com")
        .header(header::REFERER, "https://app.example.com/")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap()
}

/// Calls a router, as a server does for each request, whose answer is there without waiting.
pub(crate) fn call(router: &Router, request: Request<Body>) -> Response {
    let future = std::pin::pin!(router.clone().oneshot(request));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response,
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("the answer was not there at once"),
    }
}
