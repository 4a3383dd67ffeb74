//! What the benchmarks share: the same requests for every contender, what each of them does with
//! one, and how they are timed and shown.
#![allow(dead_code, reason = "no benchmark uses all of it")]

pub mod plot;
pub mod race;
pub mod report;
pub mod servers;

use std::fmt::Debug;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthUser, Authgear, AuthgearBuilder};
use base64_simd::URL_SAFE_NO_PAD;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// Tokens that fill a cache: its usual capacity, and enough beyond it to fill every part of it.
pub const FILL: usize = 12_000;

/// An issuer, its public key parsed, and a supply of distinct good tokens.
pub struct World {
    pub fake: FakeAuthgear,
    components: Components,
    /// With the defaults.
    pub authgear: Authgear,
    /// With the cache off.
    pub uncached: Authgear,
    pub key: ParsedPublicKey,
    pub tokens: Vec<String>,
    user: User,
    pub user_id: String,
}

impl World {
    /// An issuer that listens where its issuer URL points, as peers need it.
    pub async fn new(count: usize) -> Self {
        Self::around(FakeAuthgear::start().await, count).await
    }

    /// An issuer of a fixed name, so that each run has tokens of the same length.
    pub async fn of_fixed_name(count: usize) -> Self {
        let fake = FakeAuthgear::builder().endpoint("http://localhost:65535");
        Self::around(fake.start().await, count).await
    }

    async fn around(fake: FakeAuthgear, count: usize) -> Self {
        let user = fake.add_user(User::new("alice").roles(["editor", "customer", "billing:admin"]));
        let tokens = sign(&fake, &user, count);
        let user_id = user.id().to_owned();
        let components = key_components(&fake);
        let key = components
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .unwrap();
        let authgear = ready(builder(&fake)).await;
        let uncached = ready(builder(&fake).token_cache_capacity(0)).await;
        Self {
            fake,
            components,
            authgear,
            uncached,
            key,
            tokens,
            user,
            user_id,
        }
    }

    /// Tokens that no other contender sees.
    pub fn more_tokens(&self, count: usize) -> Vec<String> {
        sign(&self.fake, &self.user, count)
    }

    /// A good token, as new as it can be: each number below the count is another one.
    pub fn token(&self, n: usize) -> &str {
        &self.tokens[n % self.tokens.len()]
    }

    /// Decodes the signature and verifies it: the floor under every verification.
    pub fn raw_verify(&self, token: &str) -> bool {
        with_signature(token, |message, signature| {
            self.key.verify_sig(message, signature).is_ok()
        })
    }

    /// The same with a key that is parsed anew each time.
    pub fn raw_verify_parsing(&self, token: &str) -> bool {
        with_signature(token, |message, signature| {
            self.components
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok()
        })
    }

    /// The same answer as the protected router's, without authentication.
    pub fn bare_router(&self) -> Router {
        let user_id: Arc<str> = self.user_id.as_str().into();
        Router::new().route(
            "/me",
            get(move || {
                let user_id = Arc::clone(&user_id);
                async move { user_id.as_ref().to_owned() }
            }),
        )
    }

    pub fn our_router(&self) -> Router {
        protected(&self.authgear)
    }

    /// A router of this project and others beside it, which no token names.
    pub async fn router_beside(&self, others: u16) -> Router {
        protected(&self.beside(others).await)
    }

    async fn beside(&self, others: u16) -> Authgear {
        let others = (1..=others).map(other_project);
        let projects = [builder(&self.fake)].into_iter().chain(others);
        ready(Authgear::any_of(projects)).await
    }

    /// The same, and one more project is added and removed each second.
    pub async fn router_beside_changes(&self, others: u16) -> Router {
        let authgear = self.beside(others).await;
        let projects = authgear.projects();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(500));
            let issuer = format!("http://localhost:{}", others + 1);
            loop {
                ticks.tick().await;
                projects.add(other_project(others + 1)).unwrap();
                ticks.tick().await;
                assert!(projects.remove(&issuer).unwrap());
            }
        });
        protected(&authgear)
    }

    /// With an account of every decision, which names users.
    pub async fn audited_router(&self) -> Router {
        protected(&ready(builder(&self.fake).audit_user_ids()).await)
    }

    pub fn uncached_router(&self) -> Router {
        protected(&self.uncached)
    }

    /// A router of a fresh instance, which has seen no token yet.
    pub async fn fresh_router(&self) -> Router {
        protected(&ready(builder(&self.fake)).await)
    }

    /// A router that has seen these tokens, and no other.
    pub async fn router_after(&self, tokens: &[String]) -> Router {
        let router = self.fresh_router().await;
        for token in tokens {
            expect(&router, request(token), StatusCode::OK);
        }
        router
    }

    /// A router inside the cooldown, and a token of an unknown key that is too old to be worth a
    /// fetch.
    pub async fn unknown_key(&self) -> (Router, String) {
        let authgear = ready(builder(&self.fake).jwks_cooldown(Duration::from_secs(3_000))).await;
        let now = unix_now();
        let stranger = self.fake.add_user(User::new("stranger"));
        let of_unknown_key = |issued_at| {
            self.fake
                .token(&stranger)
                .issued_at(issued_at)
                .expires_at(now + 3_600)
                .kid("00000000-0000-4000-8000-000000000000")
                .sign()
        };
        // The young one is worth a fetch, and with it the cooldown begins.
        authgear.verify(&of_unknown_key(now)).await.unwrap_err();
        (protected(&authgear), of_unknown_key(now - 600))
    }
}

fn protected(authgear: &Authgear) -> Router {
    Router::new()
        .route(
            "/me",
            get(|user: AuthUser| async move { user.id().to_owned() }),
        )
        .layer(authgear.layer())
}

/// Good tokens, each another one.
fn sign(fake: &FakeAuthgear, user: &User, count: usize) -> Vec<String> {
    let now = unix_now();
    (0..count)
        .map(|n| {
            fake.token(user)
                .issued_at(now - 30)
                .expires_at(now + 3_600 + n as u64)
                .sign()
        })
        .collect()
}

fn other_project(port: u16) -> AuthgearBuilder {
    Authgear::builder(format!("http://localhost:{port}"))
}

fn builder(fake: &FakeAuthgear) -> AuthgearBuilder {
    Authgear::builder(fake.endpoint()).internal_url(fake.url())
}

async fn ready(builder: AuthgearBuilder) -> Authgear {
    let authgear = builder.build().unwrap();
    // Under valgrind everything takes its time.
    authgear.ready(Duration::from_secs(300)).await.unwrap();
    authgear
}

type Components = RsaPublicKeyComponents<Vec<u8>>;

fn key_components(fake: &FakeAuthgear) -> Components {
    let jwk = &fake.jwks()["keys"][0];
    let part = |name: &str| {
        URL_SAFE_NO_PAD
            .decode_to_vec(jwk[name].as_str().unwrap())
            .unwrap()
    };
    RsaPublicKeyComponents {
        n: part("n"),
        e: part("e"),
    }
}

/// What is signed, and the signature's bytes.
fn with_signature(token: &str, check: impl FnOnce(&[u8], &[u8]) -> bool) -> bool {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut buffer = [0; 256];
    let signature = URL_SAFE_NO_PAD
        .decode(
            signature.as_bytes(),
            base64_simd::AsOut::as_out(&mut buffer[..]),
        )
        .unwrap();
    check(message.as_bytes(), signature)
}

/// The token with another signature, of the same form.
pub fn forged(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let middle = signature.len() / 2;
    let other = if signature.as_bytes()[middle] == b'A' {
        'B'
    } else {
        'A'
    };
    format!(
        "{message}.{}{other}{}",
        &signature[..middle],
        &signature[middle + 1..]
    )
}

/// Of the shape and length of a token, but no JSON.
pub fn garbage(token: &str) -> String {
    token
        .chars()
        .map(|char| if char == '.' { '.' } else { 'x' })
        .collect()
}

/// A request as a browser's application sends it.
pub fn request(token: &str) -> Request<Body> {
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

/// Calls a router, as a server does for each request.
pub fn call(router: &Router, request: Request<Body>) -> Response {
    match at_once(router.clone().oneshot(request)) {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// What comes of a future that has nothing to wait for.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    let future = std::pin::pin!(future);
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the answer was not there at once"),
    }
}

/// Reads an answer to its end, and sees that it is the expected one.
pub fn read<B: axum::body::HttpBody<Error: Debug>>(
    response: http::Response<B>,
    status: StatusCode,
) {
    assert_eq!(response.status(), status);
    let body = at_once(response.into_body().collect()).unwrap();
    std::hint::black_box(body.to_bytes());
}

/// Sends one request, and sees that the answer is the expected one.
pub fn expect(router: &Router, request: Request<Body>, status: StatusCode) {
    let response = call(router, request);
    assert_eq!(response.status(), status);
}

pub fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}
