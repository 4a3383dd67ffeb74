//! The account of each decision: one for each request, and what it says.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::error_handling::HandleErrorLayer;
use axum::extract::Request;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{BoxError, Json};
use axum_authgear::authorize::{HasRole, RoleKey, authenticated_within, has_role, verified};
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{AuthRejection, AuthUser, Authgear, AuthgearBuilder, Principal};
use futures_util::FutureExt;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use tower::{ServiceBuilder, ServiceExt};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::support::{get as get_with, ready, second_dispatcher, send, with_bearer};

type Account = BTreeMap<&'static str, String>;

/// The accounts that were given on this thread.
#[derive(Clone, Default)]
struct Accounts(Arc<Mutex<Vec<Account>>>);

impl Accounts {
    fn of_this_thread() -> (Self, impl Sized) {
        let accounts = Self::default();
        let subscriber = tracing_subscriber::registry().with(accounts.clone());
        let guard = tracing::subscriber::set_default(subscriber);
        (accounts, (guard, second_dispatcher()))
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn take(&self) -> Vec<Account> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// The only one since the last look.
    #[track_caller]
    fn one(&self) -> Account {
        let mut all = self.take();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// Whether the only one since the last look says just this.
    #[track_caller]
    fn assert_one(&self, fields: &[(&'static str, &str)]) {
        let expected = fields
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        assert_eq!(self.one(), expected.collect::<Account>());
    }
}

impl<S: Subscriber> Layer<S> for Accounts {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "axum_authgear::audit" {
            assert_eq!(*event.metadata().level(), tracing::Level::INFO);
            let mut fields = Fields::default();
            event.record(&mut fields);
            assert_eq!(fields.0.remove("message").unwrap(), "request decided");
            self.0.lock().unwrap().push(fields.0);
        }
    }
}

#[derive(Default)]
struct Fields(Account);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

struct World {
    fake: FakeAuthgear,
    authgear: Authgear,
    token: String,
    alice: User,
}

async fn world(change: impl FnOnce(AuthgearBuilder) -> AuthgearBuilder) -> World {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice").with_id("alice-id").roles(["editor"]));
    let builder = Authgear::builder(fake.endpoint())
        .audience(fake.endpoint())
        .audience("https://api.example");
    let authgear = ready(change(builder)).await;
    let token = fake.token(&alice).client_id("spa").sign();
    World {
        fake,
        authgear,
        token,
        alice,
    }
}

struct Editor;

impl RoleKey for Editor {
    const KEY: &str = "editor";
}

fn routes(authgear: &Authgear) -> Router {
    Router::new()
        .route(
            "/users/{id}",
            any(async |user: AuthUser| user.id().to_owned()),
        )
        .route("/principal", get(async |_: Principal| "in"))
        .route("/feed", get(async |_: Option<AuthUser>| "feed"))
        .route(
            "/admin",
            get(async || "admin").route_layer(authgear.require(has_role("admin"))),
        )
        .route(
            "/both",
            get(async || "both")
                .route_layer(authgear.require(has_role("editor")))
                .route_layer(authgear.require(verified().or(has_role("editor")))),
        )
        .route("/editor", get(async |_: HasRole<Editor>| "editor"))
        .route(
            "/hidden",
            get(async |user: AuthUser| {
                let hidden = |rejection: AuthRejection| (StatusCode::NOT_FOUND, rejection);
                user.require(authenticated_within(Duration::ZERO).and(has_role("owner")))
                    .map_err(hidden)
            }),
        )
        .route(
            "/without",
            get(async |user: Result<AuthUser, AuthRejection>| {
                user.map_or("nobody", |_| "somebody")
            }),
        )
        .route("/body", get(async |_: AuthUser, _: Json<u8>| "body"))
        .route(
            "/slow",
            get(async || tokio::time::sleep(Duration::from_secs(3_600)).await),
        )
        .route("/panics", get(async || -> () { panic!("on purpose") }))
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn it_says_who_what_and_why() {
    let (accounts, _guard) = Accounts::of_this_thread();
    let world = world(AuthgearBuilder::audit_user_ids).await;
    let app = routes(&world.authgear).layer(world.authgear.layer().optional());
    let token = world.token.as_str();
    let machine = world
        .fake
        .client_token("worker", "https://api.example")
        .sign();
    let as_alice = [
        ("user_id", "alice-id"),
        ("client_id", "spa"),
        ("verified_by", "jwt"),
    ];
    let alice = |rest: &[(&'static str, &str)]| -> Account {
        as_alice
            .iter()
            .chain(rest)
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect()
    };

    let mut request = with_bearer("/users/7?secret=1", token);
    *request.method_mut() = Method::DELETE;
    request
        .headers_mut()
        .insert("x-request-id", "id-1".parse().unwrap());
    assert_eq!(send(&app, request).await.status, 200);
    assert_eq!(
        accounts.one(),
        alice(&[
            ("outcome", "user"),
            ("http_method", "DELETE"),
            ("route", "/users/{id}"),
            ("request_id", "id-1"),
            ("status", "200"),
        ])
    );
    get_with(&app, "/principal", &machine).await;
    accounts.assert_one(&[
        ("outcome", "machine"),
        ("client_id", "worker"),
        ("verified_by", "jwt"),
        ("http_method", "GET"),
        ("route", "/principal"),
        ("status", "200"),
    ]);
    send(&app, Request::get("/feed").body(Body::empty()).unwrap()).await;
    accounts.assert_one(&[
        ("outcome", "nobody"),
        ("http_method", "GET"),
        ("route", "/feed"),
        ("status", "200"),
    ]);
    // Nothing of a token that is no good.
    let expired = world
        .fake
        .token(&world.alice)
        .expires_at(1_000_000_000)
        .sign();
    get_with(&app, "/feed", &expired).await;
    accounts.assert_one(&[
        ("outcome", "refused"),
        ("kind", "expired"),
        ("http_method", "GET"),
        ("route", "/feed"),
        ("status", "401"),
    ]);
    for (path, status, outcome, kind, requirement) in [
        (
            "/admin",
            "403",
            "refused",
            Some("role_missing"),
            Some(r#"has_role("admin")"#),
        ),
        (
            "/both",
            "200",
            "user",
            None,
            Some(r#"verified().or(has_role("editor")), has_role("editor")"#),
        ),
        (
            "/editor",
            "200",
            "user",
            None,
            Some(r#"has_role("editor")"#),
        ),
        (
            "/hidden",
            "404",
            "refused",
            Some("role_missing"),
            Some(r#"authenticated_within(0ns).and(has_role("owner"))"#),
        ),
        ("/body", "415", "user", None, None),
        ("/without", "200", "user", None, None),
    ] {
        get_with(&app, path, token).await;
        let mut fields = vec![
            ("outcome", outcome),
            ("http_method", "GET"),
            ("route", path),
            ("status", status),
        ];
        fields.extend(kind.map(|kind| ("kind", kind)));
        fields.extend(requirement.map(|requirement| ("requirement", requirement)));
        assert_eq!(accounts.one(), alice(&fields), "{path}");
    }
    // A handler that does without what was refused to it has let the request pass.
    send(&app, Request::get("/without").body(Body::empty()).unwrap()).await;
    assert_eq!(accounts.one()["outcome"], "nobody");
    let mut machines = with_bearer("/without", &machine);
    *machines.method_mut() = Method::from_bytes(b"PROPFIND").unwrap();
    let odd = "a\"b\u{e9}";
    machines.headers_mut().insert(
        "x-request-id",
        http::HeaderValue::from_bytes(odd.as_bytes()).unwrap(),
    );
    send(&app, machines).await;
    let account = accounts.one();
    assert_eq!(account["http_method"], "other");
    assert_eq!(account["request_id"], r#"a\"b\xc3\xa9"#);
}

#[tokio::test]
async fn it_names_the_first_eight_checked_requirements() {
    let (accounts, _guard) = Accounts::of_this_thread();
    let world = world(AuthgearBuilder::audit_decisions).await;
    for (layers, named) in [(1, 1), (7, 7), (8, 8), (9, 8), (20, 8)] {
        let mut app = Router::new().route("/", get(async || "in"));
        for _ in 0..layers {
            app = app.layer(world.authgear.require(has_role("editor")));
        }
        let app = app.layer(world.authgear.layer());
        assert_eq!(get_with(&app, "/", &world.token).await.status, 200);
        let expected = [r#"has_role("editor")"#; 8][..named].join(", ");
        assert_eq!(accounts.one()["requirement"], expected, "{layers}");
    }
}

#[tokio::test]
async fn users_are_named_only_where_that_is_asked_for_and_off_is_off() {
    let (accounts, _guard) = Accounts::of_this_thread();
    for (change, count, user) in [
        (
            (|builder| builder) as fn(AuthgearBuilder) -> AuthgearBuilder,
            0,
            None,
        ),
        (AuthgearBuilder::trace_user_ids, 0, None),
        (AuthgearBuilder::audit_decisions, 1, None),
        (
            |builder| builder.audit_decisions().trace_user_ids(),
            1,
            None,
        ),
        (AuthgearBuilder::audit_user_ids, 1, Some("alice-id")),
        (
            |builder| builder.audit_user_ids().audit_decisions(),
            1,
            Some("alice-id"),
        ),
    ] {
        let world = world(change).await;
        let app = routes(&world.authgear).layer(world.authgear.layer());
        assert_eq!(get_with(&app, "/principal", &world.token).await.status, 200);
        let accounts = accounts.take();
        assert_eq!(accounts.len(), count);
        for account in accounts {
            assert_eq!(account.get("user_id").map(String::as_str), user);
            assert_eq!(account["client_id"], "spa");
        }
    }
}

#[tokio::test]
async fn layers_around_layers_give_one_account() {
    let (accounts, _guard) = Accounts::of_this_thread();
    let world = world(AuthgearBuilder::audit_decisions).await;
    let ours = &world.authgear;
    // Whatever a middleware makes of the answer.
    let page = async |response: Response| (response.status(), "a page").into_response();
    let inner = routes(ours)
        .layer(ours.layer())
        .layer(middleware::map_response(page));
    let app = inner
        .layer(ours.layer().optional())
        .layer(ours.layer().optional());
    for (path, token, outcome, kind) in [
        ("/principal", Some(world.token.as_str()), "user", None),
        ("/principal", None, "refused", Some("missing_credential")),
        (
            "/admin",
            Some(world.token.as_str()),
            "refused",
            Some("role_missing"),
        ),
        ("/principal", Some("bad"), "refused", Some("opaque_token")),
    ] {
        let request = match token {
            Some(token) => with_bearer(path, token),
            None => Request::get(path).body(Body::empty()).unwrap(),
        };
        send(&app, request).await;
        let account = accounts.one();
        assert_eq!(account["outcome"], outcome, "{account:?}");
        assert_eq!(account.get("kind").map(String::as_str), kind, "{account:?}");
    }
    // Two that know nothing of each other decide each for themselves.
    let other = ready(Authgear::builder(world.fake.endpoint()).audit_decisions()).await;
    let app = routes(ours).layer(ours.layer()).layer(other.layer());
    get_with(&app, "/principal", &world.token).await;
    assert_eq!(accounts.take().len(), 2);
    // What no layer decides has no account.
    let app = Router::new()
        .route("/", get(async || "").layer(ours.open()))
        .layer(ours.seal());
    send(&app, Request::get("/").body(Body::empty()).unwrap()).await;
    assert_eq!(accounts.take().len(), 0);
}

#[tokio::test]
async fn forward_auth_gives_one_too() {
    let (accounts, _guard) = Accounts::of_this_thread();
    let world = world(AuthgearBuilder::audit_user_ids).await;
    let app = Router::new().fallback_service(world.authgear.forward_auth());
    let machine = world
        .fake
        .client_token("worker", "https://api.example")
        .sign();
    get_with(&app, "/_auth", &world.token).await;
    let account = accounts.one();
    assert_eq!(
        (account["outcome"].as_str(), account["user_id"].as_str()),
        ("user", "alice-id")
    );
    get_with(&app, "/_auth", &machine).await;
    let account = accounts.one();
    assert_eq!(
        (account["outcome"].as_str(), account["kind"].as_str()),
        ("refused", "user_required")
    );
    assert_eq!(account["client_id"], "worker");
    get_with(&app, "/_auth", "bad").await;
    assert_eq!(accounts.one()["status"], "401");
    // Dropped before it was asked for the answer.
    drop(app.oneshot(with_bearer("/_auth", &world.token)));
    assert_eq!(accounts.count(), 0);
    let mut service = world.authgear.forward_auth();
    drop(tower::Service::call(
        &mut service,
        with_bearer("/_auth", &world.token),
    ));
    assert_eq!(accounts.one()["outcome"], "undecided");
}

#[tokio::test]
async fn a_cancelled_request_has_an_account() {
    let (accounts, _guard) = Accounts::of_this_thread();
    let world = world(AuthgearBuilder::audit_decisions).await;
    let app = routes(&world.authgear).layer(world.authgear.layer());
    let cancel = async |path: &str, token: &str| {
        let asked = app.clone().oneshot(with_bearer(path, token));
        let _ = tokio::time::timeout(Duration::from_millis(50), asked)
            .await
            .unwrap_err();
        let account = accounts.one();
        assert_eq!(account.get("status"), None);
        account["outcome"].clone()
    };
    // In the handler, and while the layer waits for a key.
    assert_eq!(cancel("/slow", &world.token).await, "user");
    world.fake.rotate();
    world.fake.fail(Endpoint::Jwks, Fault::Hang);
    let waits = world.fake.token(&world.alice).sign();
    assert_eq!(cancel("/principal", &waits).await, "undecided");
    // By a layer further out, and by a panic further in.
    let timed_out = app.clone().layer(
        ServiceBuilder::new()
            .layer(HandleErrorLayer::new(async |_: BoxError| {
                StatusCode::REQUEST_TIMEOUT
            }))
            .timeout(Duration::from_millis(50)),
    );
    assert_eq!(
        get_with(&timed_out, "/slow", &world.token).await.status,
        408
    );
    assert_eq!(accounts.one()["outcome"], "user");
    let panics = app.oneshot(with_bearer("/panics", &world.token));
    std::panic::AssertUnwindSafe(panics)
        .catch_unwind()
        .await
        .unwrap_err();
    assert_eq!(accounts.one().get("status"), None);
}

/// By the application's own code.
#[tokio::test]
async fn a_refusal_whose_response_panics_has_an_account() {
    let (accounts, _guard) = Accounts::of_this_thread();
    let world = world(AuthgearBuilder::audit_decisions).await;
    let panics = |_: &AuthRejection| -> Response { panic!("on purpose") };
    let app = routes(&world.authgear).layer(world.authgear.layer().respond_with(panics));
    let refused = app.oneshot(with_bearer("/feed", "a.b.c"));
    std::panic::AssertUnwindSafe(refused)
        .catch_unwind()
        .await
        .unwrap_err();
    accounts.assert_one(&[
        ("outcome", "refused"),
        ("kind", "malformed_token"),
        ("http_method", "GET"),
        ("route", "/feed"),
    ]);
}

/// Requests of all sorts at once, some of them given up at any moment.
#[tokio::test]
async fn accounts_are_as_many_as_requests_in_a_flood() {
    const REQUESTS: usize = 600;
    let (accounts, _guard) = Accounts::of_this_thread();
    let world = world(|builder| builder.audit_decisions().token_cache_capacity(16)).await;
    let app = routes(&world.authgear)
        .layer(world.authgear.layer())
        .layer(world.authgear.layer().optional())
        .layer(
            ServiceBuilder::new()
                .layer(HandleErrorLayer::new(async |_: BoxError| {
                    StatusCode::REQUEST_TIMEOUT
                }))
                .timeout(Duration::from_millis(30)),
        );
    let expired = world
        .fake
        .token(&world.alice)
        .expires_at(1_000_000_000)
        .sign();
    world.fake.rotate();
    let renewed = world.fake.token(&world.alice).sign();
    let paths = [
        "/users/1", "/admin", "/hidden", "/feed", "/slow", "/nowhere", "/both",
    ];
    let tokens = [world.token.as_str(), &expired, &renewed, "garbage"];
    let requests = (0..REQUESTS).map(|n| {
        let app = app.clone();
        let request = with_bearer(paths[n % paths.len()], tokens[n % tokens.len()]);
        async move {
            let asked = app.oneshot(request);
            match n % 5 {
                // Polled once, and given up.
                0 => drop(asked.now_or_never()),
                1 => drop(tokio::time::timeout(Duration::from_millis(n as u64 % 20), asked).await),
                _ => drop(asked.await),
            }
        }
    });
    join_all(requests).await;
    // The router's own 404 is judged as well: the layers cover the fallback.
    assert_eq!(accounts.count(), REQUESTS);
    assert!(
        accounts
            .take()
            .iter()
            .all(|account| account.contains_key("outcome"))
    );
}
