//! What a program can get wrong when it puts the parts together, and how it is told.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use axum_authgear::AuthErrorKind::{
    ClaimsTypeMismatch, ClientRequired, Expired, KeysUnavailable, LayerMissing, MissingCredential,
};
use axum_authgear::authenticate::future::ResponseFuture;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{
    Algorithm, AuthClient, AuthRejection, AuthUser, Authenticate, AuthenticateLayer, Authgear,
    AuthgearBuilder, ConfigError, EmptyRejectionResponse, JsonRejectionResponse, NoClaims,
    Principal, Status, TokenSource,
};
use futures_util::future::{Ready, ready as at_once};
use http::{Request, Response, StatusCode};
use serde::Deserialize;
use tower::{Layer, Service, ServiceExt};

use crate::refusal_table::{assert_passed, assert_refused};
use crate::support::{api, get, ready, routes, send, with_bearer};

fn nothing(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn an_endpoint_that_no_issuer_equals_cannot_be_configured() {
    let good = ["http://127.0.0.1:1", "http://localhost:1/"];
    for endpoint in good {
        assert!(Authgear::builder(endpoint).build().is_ok(), "{endpoint}");
    }
    for endpoint in [
        "",
        "auth.example",
        "http://",
        " http://127.0.0.1:1",
        "http://127.0.0.1:1 ",
        "http://127.0.0.1:1\n",
        "http://127.0\t.0.1:1",
        "http:127.0.0.1:1",
        "http:///127.0.0.1:1",
        "http:\\\\127.0.0.1:1",
        "http://127.0.0.1:1//",
        "http://127.0.0.1:1/path",
        "http://127.0.0.1:1?",
        "http://127.0.0.1:1#x",
        "http://user@127.0.0.1:1",
        "http://auth.example",
        "ftp://127.0.0.1:1",
    ] {
        let refused = Authgear::builder(endpoint).build().err();
        let option = refused.and_then(|error| error.option());
        assert_eq!(option, Some("endpoint"), "{endpoint:?}");
    }
}

#[tokio::test]
async fn without_the_layer_every_extractor_says_what_to_add() {
    let app = routes()
        .route(
            "/maybe-client",
            any(|_: Option<AuthClient>| async { "reached" }),
        )
        .route(
            "/maybe-principal",
            any(|_: Option<Principal>| async { "reached" }),
        );
    for path in [
        "/user",
        "/optional",
        "/client",
        "/principal",
        "/maybe-client",
        "/maybe-principal",
    ] {
        for request in [nothing(path), with_bearer(path, "x")] {
            assert_refused(path, &send(&app, request).await, LayerMissing);
        }
    }
    assert_passed(
        "no extractor",
        &send(&app, nothing("/any")).await,
        "reached",
    );

    // A layer on another route is none, either.
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let app = Router::new()
        .route("/inside", any(|_: AuthUser| async { "reached" }))
        .layer(authgear.layer())
        .route("/outside", any(|_: Option<AuthUser>| async { "reached" }));
    let token = fake.token(&alice).sign();
    assert_passed("inside", &get(&app, "/inside", &token).await, "reached");
    assert_refused(
        "outside",
        &get(&app, "/outside", &token).await,
        LayerMissing,
    );
}

#[derive(Clone, Deserialize)]
struct Tenant {
    #[serde(rename = "tenant")]
    _tenant: String,
}

#[tokio::test]
async fn a_layer_for_other_claims_is_a_wiring_error_for_everyone_who_calls() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint()).claims::<Tenant>()).await;
    let app = Router::new()
        .route("/user", any(|_: AuthUser| async { "reached" }))
        .route(
            "/maybe-user",
            any(|_: Option<AuthUser>| async { "reached" }),
        )
        .route("/principal", any(|_: Principal| async { "reached" }))
        .route(
            "/maybe-principal",
            any(|_: Option<Principal>| async { "reached" }),
        )
        .route(
            "/right",
            any(|_: Option<AuthUser<Tenant>>| async { "reached" }),
        )
        .route("/client", any(|_: AuthClient| async { "reached" }))
        .layer(authgear.layer().optional());
    let user = fake.token(&alice).claim("tenant", "acme").sign();
    let machine = fake.client_token("worker", fake.endpoint()).sign();
    for path in ["/user", "/maybe-user", "/principal", "/maybe-principal"] {
        // On the very first request, whoever sends it.
        for request in [
            nothing(path),
            with_bearer(path, &user),
            with_bearer(path, &machine),
        ] {
            assert_refused(path, &send(&app, request).await, ClaimsTypeMismatch);
        }
    }
    assert_passed("nobody", &send(&app, nothing("/right")).await, "reached");
    assert_passed("the type", &get(&app, "/right", &user).await, "reached");
    // A machine has no custom claims, so that its extractor fits every layer.
    assert_passed(
        "a machine",
        &get(&app, "/client", &machine).await,
        "reached",
    );
    assert_refused("a user", &get(&app, "/client", &user).await, ClientRequired);
}

/// Of two layers with different claims the inner one is the one that extractors ask.
#[tokio::test]
async fn two_authgears_with_different_claims_can_be_nested() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let plain = ready(Authgear::builder(fake.endpoint())).await;
    let typed = ready(Authgear::builder(fake.endpoint()).claims::<Tenant>()).await;
    let token = fake.token(&alice).claim("tenant", "acme").sign();
    let app = routes().layer(plain.layer()).layer(typed.layer());
    assert_passed(
        "plain inside",
        &get(&app, "/user", &token).await,
        alice.id(),
    );
    let app = routes().layer(typed.layer()).layer(plain.layer());
    assert_refused(
        "typed inside",
        &get(&app, "/user", &token).await,
        ClaimsTypeMismatch,
    );
}

#[test]
fn build_needs_a_runtime_and_says_so() {
    let error = Authgear::builder("https://auth.example")
        .build()
        .unwrap_err();
    assert!(matches!(error, ConfigError::NoRuntime), "{error:?}");
    assert_eq!(
        error.to_string(),
        "build() must be called within a tokio runtime whose timers are enabled: in an async fn below \
         #[tokio::main], or after Runtime::enter"
    );
    assert_eq!(error.option(), None);
    // What is wrong with an option is found before that.
    let error = Authgear::builder("nowhere").build().unwrap_err();
    assert_eq!(error.option(), Some("endpoint"));
    // A runtime whose timers do not run would fetch keys once, and never again.
    let without_timers = tokio::runtime::Builder::new_current_thread().build();
    let guard = without_timers.as_ref().unwrap().enter();
    let error = Authgear::builder("https://auth.example")
        .build()
        .unwrap_err();
    assert!(matches!(error, ConfigError::NoRuntime), "{error:?}");
    drop(guard);
    // To be within is enough.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let guard = runtime.enter();
    assert!(Authgear::builder("https://auth.example").build().is_ok());
    drop(guard);
}

type Configure = fn(AuthgearBuilder) -> AuthgearBuilder;

/// Each option, a value that cannot work, and one just beside it that can.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn options_that_cannot_work_are_named() {
    const SECOND: Duration = Duration::from_secs(1);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let endpoints = [
        ("https://auth.example/path", false),
        ("https://auth.example//", false),
        ("https://auth.example/?x", false),
        ("https://auth.example?x", false),
        ("https://auth.example#x", false),
        ("https://user@auth.example", false),
        ("https://user:secret@auth.example", false),
        ("http://auth.example", false),
        ("http://10.0.0.1", false),
        ("http://[::2]:3000", false),
        ("http://localhost.example", false),
        ("ftp://auth.example", false),
        ("auth.example", false),
        ("https://", false),
        ("/", false),
        ("", false),
        ("https://auth.example", true),
        ("https://auth.example/", true),
        ("https://auth.example:8443", true),
        ("http://127.0.0.1:3000", true),
        ("http://127.9.9.9", true),
        ("http://[::1]:3000", true),
        ("http://localhost:3000", true),
    ];
    for (endpoint, is_good) in endpoints {
        let built = Authgear::builder(endpoint).build();
        assert_named("endpoint", endpoint, built, is_good);
        let built = builder().internal_url(endpoint).build();
        assert_named("internal_url", endpoint, built, is_good);
    }
    for (url, is_good) in [
        ("https://keys.example/jwks?tenant=a", true),
        ("http://localhost:3000/jwks", true),
        ("http://keys.example/jwks", false),
        ("https://user@keys.example/jwks", false),
        ("/jwks", false),
        ("file:///jwks.json", false),
    ] {
        assert_named("jwks_uri", url, builder().jwks_uri(url).build(), is_good);
    }

    let options: &[(&str, &str, Configure, bool)] = &[
        ("audience", "empty", |b| b.audience(""), false),
        (
            "audience",
            "one of two empty",
            |b| b.audience("a").audience(""),
            false,
        ),
        ("audience", "not a URL", |b| b.audience("a"), true),
        (
            "client_ids",
            "none",
            |b| b.client_ids([] as [&str; 0]),
            false,
        ),
        (
            "client_ids",
            "one of two empty",
            |b| b.client_ids(["spa", ""]),
            false,
        ),
        ("client_ids", "one", |b| b.client_ids(["spa"]), true),
        ("algorithms", "none", |b| b.algorithms([]), false),
        (
            "algorithms",
            "HS256",
            |b| b.algorithms([Algorithm::HS256]),
            false,
        ),
        (
            "algorithms",
            "HS384 too",
            |b| b.algorithms([Algorithm::RS256, Algorithm::HS384]),
            false,
        ),
        (
            "algorithms",
            "HS512",
            |b| b.algorithms([Algorithm::HS512]),
            false,
        ),
        (
            "algorithms",
            "asymmetric ones",
            |b| {
                b.algorithms([
                    Algorithm::RS256,
                    Algorithm::RS384,
                    Algorithm::RS512,
                    Algorithm::PS256,
                    Algorithm::PS384,
                    Algorithm::PS512,
                    Algorithm::ES256,
                    Algorithm::ES384,
                    Algorithm::EdDSA,
                ])
            },
            true,
        ),
        (
            "leeway",
            "a second too long",
            |b| b.leeway(601 * SECOND),
            false,
        ),
        ("leeway", "ten minutes", |b| b.leeway(600 * SECOND), true),
        ("leeway", "none", |b| b.leeway(Duration::ZERO), true),
        ("token_cookie", "empty", |b| b.token_cookie(""), false),
        ("token_cookie", "a blank", |b| b.token_cookie("a b"), false),
        ("token_cookie", "two", |b| b.token_cookie("a;b"), false),
        ("token_cookie", "a value", |b| b.token_cookie("a=b"), false),
        (
            "token_cookie",
            "no ASCII",
            |b| b.token_cookie("\u{e9}"),
            false,
        ),
        (
            "token_cookie",
            "with a prefix",
            |b| b.token_cookie("__Host-token"),
            true,
        ),
        (
            "trusted_origins",
            "a wildcard",
            |b| b.trusted_origins(["https://*.example"]),
            false,
        ),
        (
            "trusted_origins",
            "upper case",
            |b| b.trusted_origins(["https://App.example"]),
            false,
        ),
        (
            "trusted_origins",
            "a slash",
            |b| b.trusted_origins(["https://app.example/"]),
            false,
        ),
        (
            "trusted_origins",
            "its own port",
            |b| b.trusted_origins(["https://app.example:443"]),
            false,
        ),
        (
            "trusted_origins",
            "user info",
            |b| b.trusted_origins(["https://user@app.example"]),
            false,
        ),
        (
            "trusted_origins",
            "a host",
            |b| b.trusted_origins(["app.example"]),
            false,
        ),
        (
            "trusted_origins",
            "null",
            |b| b.trusted_origins(["null"]),
            false,
        ),
        (
            "trusted_origins",
            "the second",
            |b| b.trusted_origins(["https://a.example", "x"]),
            false,
        ),
        (
            "trusted_origins",
            "two",
            |b| b.trusted_origins(["https://a.example", "http://localhost:5173"]),
            true,
        ),
        (
            "scope_includes",
            "a scope with a blank",
            |b| b.scope_includes("a b", ["c"]),
            false,
        ),
        (
            "scope_includes",
            "an empty scope",
            |b| b.scope_includes("a", [""]),
            false,
        ),
        (
            "scope_includes",
            "scopes",
            |b| b.scope_includes("a", ["b", "c"]),
            true,
        ),
        ("realm", "a quote", |b| b.realm("a\"b"), false),
        ("realm", "a backslash", |b| b.realm("a\\b"), false),
        ("realm", "a line", |b| b.realm("a\r\nb"), false),
        ("realm", "words", |b| b.realm("the shop, inside"), true),
        (
            "resource_metadata",
            "a quote",
            |b| b.resource_metadata("https://a\""),
            false,
        ),
        (
            "resource_metadata",
            "a URL",
            |b| b.resource_metadata("https://a.example/x"),
            true,
        ),
        (
            "jwks_refresh_interval",
            "zero",
            |b| b.jwks_refresh_interval(Duration::ZERO),
            false,
        ),
        (
            "jwks_refresh_interval",
            "the staleness bound",
            |b| b.jwks_refresh_interval(3600 * SECOND),
            false,
        ),
        (
            "jwks_refresh_interval",
            "just below it",
            |b| b.jwks_refresh_interval(3599 * SECOND),
            true,
        ),
        (
            "jwks_refresh_interval",
            "above a lowered bound",
            |b| b.jwks_max_stale(200 * SECOND),
            false,
        ),
        (
            "jwks_max_stale",
            "zero",
            |b| b.jwks_max_stale(Duration::ZERO),
            false,
        ),
        (
            "jwks_max_stale",
            "too long",
            |b| b.jwks_max_stale(31 * DAY),
            false,
        ),
        (
            "jwks_max_stale",
            "thirty days",
            |b| b.jwks_max_stale(30 * DAY),
            true,
        ),
        (
            "jwks_cooldown",
            "zero",
            |b| b.jwks_cooldown(Duration::ZERO),
            false,
        ),
        (
            "jwks_cooldown",
            "too long",
            |b| b.jwks_cooldown(Duration::MAX),
            false,
        ),
        (
            "jwks_cooldown",
            "a second",
            |b| b.jwks_cooldown(SECOND),
            true,
        ),
        (
            "connect_timeout",
            "zero",
            |b| b.connect_timeout(Duration::ZERO),
            false,
        ),
        (
            "connect_timeout",
            "a second",
            |b| b.connect_timeout(SECOND),
            true,
        ),
        (
            "request_timeout",
            "zero",
            |b| b.request_timeout(Duration::ZERO),
            false,
        ),
        (
            "request_timeout",
            "too long",
            |b| b.request_timeout(Duration::MAX),
            false,
        ),
        (
            "request_timeout",
            "a second",
            |b| b.request_timeout(SECOND),
            true,
        ),
    ];
    for (option, value, configure, is_good) in options {
        assert_named(option, value, configure(builder()).build(), *is_good);
    }

    // Plain http can be asked for by name, for every address at once; nothing else comes with it.
    let plain = |endpoint: &str| Authgear::builder(endpoint).dangerous().allow_http();
    assert!(plain("http://auth.example").build().is_ok());
    assert!(
        plain("http://auth.example")
            .internal_url("http://inside:3000")
            .build()
            .is_ok()
    );
    let built = plain("ftp://auth.example").build();
    assert_named("endpoint", "ftp", built, false);
    let built = plain("http://user@auth.example").build();
    assert_named("endpoint", "user", built, false);
}

fn builder() -> AuthgearBuilder {
    Authgear::builder("http://127.0.0.1:9")
}

#[track_caller]
fn assert_named(option: &str, value: &str, built: Result<Authgear, ConfigError>, is_good: bool) {
    match built {
        Ok(_) => assert!(is_good, "{option}: {value} was taken"),
        Err(error) => {
            assert!(!is_good, "{option}: {value}: {error}");
            assert_eq!(error.option(), Some(option), "{value}: {error}");
            assert!(error.to_string().starts_with(option), "{error}");
        }
    }
}

/// A service that must be polled ready before each call, and whose clones must be, too.
struct Picky {
    is_ready: bool,
    polled: Arc<AtomicUsize>,
    called: Arc<AtomicUsize>,
}

impl Picky {
    fn new() -> Self {
        Self {
            is_ready: false,
            polled: Arc::default(),
            called: Arc::default(),
        }
    }

    fn counts(&self) -> (usize, usize) {
        (
            self.polled.load(Ordering::SeqCst),
            self.called.load(Ordering::SeqCst),
        )
    }
}

impl Clone for Picky {
    /// Readiness is not cloned: a clone that is called in the place of the original panics.
    fn clone(&self) -> Self {
        Self {
            is_ready: false,
            polled: Arc::clone(&self.polled),
            called: Arc::clone(&self.called),
        }
    }
}

impl Service<Request<Body>> for Picky {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.polled.fetch_add(1, Ordering::SeqCst);
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(self.is_ready, "called without having been polled ready");
        self.is_ready = false;
        self.called.fetch_add(1, Ordering::SeqCst);
        at_once(Ok(Response::new(Body::from("reached"))))
    }
}

#[tokio::test]
async fn the_service_that_was_polled_ready_is_the_one_called() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let picky = Picky::new();
    let mut service = authgear.layer().layer(picky.clone());
    let token = fake.token(&alice).sign();

    // At once: the key is known.
    for round in 1..=3 {
        let response = service
            .ready()
            .await
            .unwrap()
            .call(with_bearer("/", &token))
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(picky.counts(), (round, round));
    }

    // After a wait: the key must be fetched, and another request comes meanwhile.
    let _ = fake.rotate();
    fake.fail(Endpoint::Jwks, Fault::Hold);
    let young = fake.token(&alice).sign();
    let first = service
        .ready()
        .await
        .unwrap()
        .call(with_bearer("/", &young));
    let first = tokio::spawn(first);
    fake.requests_reached(Endpoint::Jwks, 2).await;
    assert_eq!(picky.counts(), (4, 3));
    let second = service
        .ready()
        .await
        .unwrap()
        .call(with_bearer("/", &token))
        .await
        .unwrap();
    assert_eq!(second.status(), StatusCode::OK);
    assert_eq!(picky.counts(), (5, 4));
    let third = service
        .ready()
        .await
        .unwrap()
        .call(with_bearer("/", &young));
    fake.heal(Endpoint::Jwks);
    let (first, third) = tokio::join!(first, third);
    assert_eq!(first.unwrap().unwrap().status(), StatusCode::OK);
    assert_eq!(third.unwrap().status(), StatusCode::OK);
    assert_eq!(picky.counts(), (6, 6));

    // A refused request reaches nobody.
    let expired = fake.token(&alice).expires_at(1).sign();
    let response = service
        .ready()
        .await
        .unwrap()
        .call(with_bearer("/", &expired))
        .await
        .unwrap();
    assert_eq!(
        response.extensions().get::<AuthRejection>().unwrap().kind(),
        Expired
    );
    assert_eq!(picky.counts(), (7, 6));
}

/// An error of the service within is not the layer's to change.
#[tokio::test]
async fn errors_of_the_inner_service_pass_unchanged() {
    #[derive(Debug, PartialEq)]
    struct Own(u8);

    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let service = authgear
        .layer()
        .layer(tower::service_fn(|_: Request<Body>| async {
            Err::<Response<Body>, Own>(Own(7))
        }));
    let token = fake.token(&alice).sign();
    let error = service
        .clone()
        .oneshot(with_bearer("/", &token))
        .await
        .unwrap_err();
    assert_eq!(error, Own(7));
    let refused = service.oneshot(nothing("/")).await.unwrap();
    assert_eq!(
        refused.extensions().get::<AuthRejection>().unwrap().kind(),
        MissingCredential
    );
}

/// Bodies other than axum's: only `Default` is needed where none is sent.
#[tokio::test]
async fn a_body_that_cannot_be_made_of_bytes() {
    #[derive(Debug, Default, PartialEq)]
    struct OwnBody;

    let authgear = builder().build().unwrap();
    let service = authgear
        .layer()
        .respond_with(EmptyRejectionResponse)
        .layer(tower::service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(OwnBody))
        }));
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(*response.body(), OwnBody);
}

#[test]
fn public_types_can_be_sent_shared_and_cloned() {
    fn is_good<T: Send + Sync + Clone + 'static>() {}
    fn is_sent<T: Send + 'static>() {}

    /// Custom claims need not be cloned.
    struct Claims;

    is_good::<Authgear>();
    is_good::<Authgear<Claims>>();
    is_good::<AuthenticateLayer>();
    is_good::<AuthenticateLayer<Claims, EmptyRejectionResponse>>();
    is_good::<Authenticate<Router>>();
    is_good::<Authenticate<Router, Claims, JsonRejectionResponse>>();
    is_good::<AuthUser>();
    is_good::<AuthUser<Claims>>();
    is_good::<AuthClient>();
    is_good::<Principal<Claims>>();
    is_good::<AuthRejection>();
    is_good::<axum_authgear::AuthError>();
    is_good::<Status>();
    is_good::<TokenSource>();
    is_sent::<AuthgearBuilder<Claims>>();
    is_sent::<ConfigError>();
    is_sent::<ResponseFuture<Picky, Body, NoClaims, JsonRejectionResponse>>();
}

/// The refresher lives as long as somebody can ask it: a handle, a layer, or a service.
#[tokio::test]
async fn tasks_stop_with_the_last_handle_and_layer() {
    let fake = FakeAuthgear::start().await;
    let builder =
        Authgear::builder(fake.endpoint()).jwks_refresh_interval(Duration::from_millis(20));
    let authgear = ready(builder).await;
    let clone = authgear.clone();
    let layer = authgear.layer();
    let app = api(&authgear);
    let goes_on = || async {
        let seen = fake.requests(Endpoint::Jwks);
        let more = fake.requests_reached(Endpoint::Jwks, seen + 3);
        tokio::time::timeout(Duration::from_secs(20), more)
            .await
            .unwrap();
    };
    goes_on().await;
    drop(authgear);
    goes_on().await;
    drop(clone);
    goes_on().await;
    drop(layer);
    goes_on().await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    drop(app);
    // An answer may be on its way; then nobody asks any more, at fifty times a second.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let seen = fake.requests(Endpoint::Jwks);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(fake.requests(Endpoint::Jwks), seen);
    assert!(metrics.num_alive_tasks() < before);
}

/// Nothing is fetched before the program is asked to run, and `build` itself waits for nothing.
#[tokio::test]
async fn build_sends_nothing_and_ready_waits_no_longer_than_told() {
    let fake = FakeAuthgear::start().await;
    fake.fail(Endpoint::Discovery, Fault::Hang);
    let authgear = Authgear::builder(fake.endpoint()).build().unwrap();
    assert_eq!(fake.requests(Endpoint::Discovery), 0);
    let error = authgear
        .ready(Duration::from_millis(200))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), KeysUnavailable);
    assert_eq!(fake.requests(Endpoint::Discovery), 1);
}
