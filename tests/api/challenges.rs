//! What challenges ask for: requirement by place by caller, byte for byte.

use std::convert::Infallible;
use std::future::Ready;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use axum_authgear::authorize::{
    HasScope, Requirement, ScopeName, all_scopes, any_scope, has_role, scopes,
};
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthErrorKind, AuthRejection, Authgear, Principal, ProtectedResource};
use http::{Method, Request, StatusCode};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

use crate::support::{Answer, ready, send, with_bearer, with_headers};

const METADATA: &str =
    "resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource/v1\"";

struct World {
    fake: FakeAuthgear,
    api: Authgear,
}

impl World {
    async fn new() -> Self {
        Self::with(|resource| resource).await
    }

    async fn with(change: impl FnOnce(ProtectedResource) -> ProtectedResource) -> Self {
        let fake = FakeAuthgear::start().await;
        let builder = Authgear::builder(fake.endpoint())
            .scope_includes("write:orders", ["read:orders"])
            .scope_includes("admin:orders", ["write:orders"]);
        let resource = ProtectedResource::new("https://api.example.com/v1");
        let resource = change(resource.audience(fake.endpoint()));
        let api = ready(builder).await.for_resource(resource).unwrap();
        Self { fake, api }
    }

    fn token(&self, scope: &str) -> String {
        let alice = self.fake.add_user(User::new("alice"));
        self.fake.token(&alice).scope(scope).sign()
    }

    fn expired(&self) -> String {
        let alice = self.fake.add_user(User::new("alice"));
        let token = self.fake.token(&alice).scope("read:orders");
        token.expires_at(1_000_000_000).sign()
    }

    fn required(&self, route: MethodRouter) -> Router {
        Router::new().route("/user", route).layer(self.api.layer())
    }

    fn optional(&self, route: MethodRouter) -> Router {
        let layer = self.api.layer().optional();
        Router::new().route("/user", route).layer(layer)
    }

    /// The challenges to each of these callers: nobody, one with an expired token, then tokens with
    /// these scopes. `pass` for whoever passes, `none` for a refusal without a challenge.
    async fn answers(&self, router: &Router, callers: &[&str]) -> Vec<String> {
        let mut answers = vec![
            send(router, with_headers(&[])).await,
            send(router, with_bearer("/user", &self.expired())).await,
        ];
        for scope in callers {
            let token = self.token(scope);
            answers.push(send(router, with_bearer("/user", &token)).await);
        }
        answers.iter().map(challenge).collect()
    }
}

fn challenge(answer: &Answer) -> String {
    match answer.status {
        StatusCode::OK => "pass".to_owned(),
        status => {
            let fields = answer.headers.get_all("www-authenticate").iter().count();
            assert!(fields <= 1, "{answer:?}");
            let challenge = answer.challenge().unwrap_or("none");
            let metadata = format!(", {METADATA}");
            let short = challenge.strip_suffix(&metadata).unwrap_or_else(|| {
                challenge
                    .strip_suffix(&format!(" {METADATA}"))
                    .unwrap_or(challenge)
            });
            assert!(short != challenge || short == "none", "{challenge}");
            format!("{} {short}", status.as_u16())
        }
    }
}

const EXPIRED: &str = "401 Bearer error=\"invalid_token\", \
                       error_description=\"the access token has expired\"";

fn missing(scope: &str) -> [String; 2] {
    if scope.is_empty() {
        return ["401 Bearer".to_owned(), EXPIRED.to_owned()];
    }
    // A bad token is refused for itself.
    [format!("401 Bearer scope=\"{scope}\""), EXPIRED.to_owned()]
}

fn lacking(scope: &str) -> String {
    format!("403 Bearer error=\"insufficient_scope\", scope=\"{scope}\"")
}

fn all(scopes: &[&str]) -> Requirement {
    all_scopes(scopes.iter().copied()).unwrap()
}

fn any_of(scopes: &[&str]) -> Requirement {
    any_scope(scopes.iter().copied()).unwrap()
}

async fn done() -> &'static str {
    "done"
}

const CALLERS: [&str; 4] = ["", "read:orders", "write:orders", "admin:orders"];

/// The requirement, what a client without a good token is asked for, and what one with each of the
/// callers' scopes is asked for: `+` passes.
#[rustfmt::skip]
fn rows() -> Vec<(Requirement, &'static str, [&'static str; 4])> {
    vec![
        (all(&["read:orders"]), "read:orders", ["read:orders", "+", "+", "+"]),
        (all(&["write:orders"]), "write:orders", ["write:orders", "write:orders", "+", "+"]),
        (all(&["admin:orders"]), "admin:orders", ["admin:orders", "admin:orders", "admin:orders", "+"]),
        // One includes the other: it is enough to ask for the one.
        (all(&["read:orders", "write:orders"]), "write:orders", ["write:orders", "write:orders", "+", "+"]),
        (all(&["write:orders", "x", "read:orders"]), "write:orders x", ["write:orders x", "write:orders x", "x", "x"]),
        // Twice is once, and a near miss includes nothing.
        (all(&["x", "x"]), "x", ["x", "x", "x", "x"]),
        (all(&["read:order"]), "read:order", ["read:order", "read:order", "read:order", "read:order"]),
        // One is enough: the first is asked for.
        (any_of(&["read:orders", "x"]), "read:orders", ["read:orders", "+", "+", "+"]),
        (any_of(&["x", "read:orders"]), "x", ["x", "+", "+", "+"]),
        (any_of(&["x", "y"]).and(all(&["write:orders"])), "x write:orders", ["x write:orders", "x write:orders", "x", "x"]),
        (any_of(&["x", "y"]).or(all(&["write:orders"])), "x", ["x", "x", "+", "+"]),
        (all(&["write:orders"]).or(has_role("admin")), "", ["write:orders", "write:orders", "+", "+"]),
        // A client's own to ask for.
        (all(&[scopes::OFFLINE_ACCESS, "x"]), "x", ["x", "x", "x", "x"]),
    ]
}

#[tokio::test]
async fn one_layer() {
    let world = World::new().await;
    for (requirement, initial, outcomes) in rows() {
        let route = || get(done).route_layer(world.api.require(requirement.clone()));
        let mut expected = missing(initial).to_vec();
        expected.extend(outcomes.map(told));
        let required = world.required(route());
        assert_eq!(
            world.answers(&required, &CALLERS).await,
            expected,
            "{requirement:?}"
        );
        let optional = world.optional(route());
        // The optional layer refuses the bad token, and the requirement the missing one.
        assert_eq!(
            world.answers(&optional, &CALLERS).await,
            expected,
            "{requirement:?}"
        );
    }
}

fn told(scope: &str) -> String {
    match scope {
        "+" => "pass".to_owned(),
        scope => lacking(scope),
    }
}

/// A call knows no route: a client without a token is told of no scope, and else it is the same.
#[tokio::test]
async fn a_call() {
    let world = World::new().await;
    for (requirement, _, outcomes) in rows() {
        let own = requirement.clone();
        let route = get(move |caller: Principal| async move {
            caller.require(&own)?;
            Ok::<_, AuthRejection>("done")
        });
        let mut expected = missing("").to_vec();
        expected.extend(outcomes.map(told));
        let router = world.required(route);
        assert_eq!(
            world.answers(&router, &CALLERS).await,
            expected,
            "{requirement:?}"
        );
    }
}

struct WriteOrders;

impl ScopeName for WriteOrders {
    const NAME: &str = "write:orders";
}

#[tokio::test]
async fn an_extractor() {
    let world = World::new().await;
    let route = || get(|_: HasScope<WriteOrders>| async { "done" });
    let with_token = [lacking("write:orders"), lacking("write:orders")];
    let pass = ["pass".to_owned(), "pass".to_owned()];
    let of_layer = missing("");
    let of_extractor = missing("write:orders");

    // A required layer refuses before any argument is looked at.
    let expected = [&of_layer[..], &with_token, &pass].concat();
    assert_eq!(
        world.answers(&world.required(route()), &CALLERS).await,
        expected
    );
    let expected = [&of_extractor[..1], &of_layer[1..], &with_token, &pass].concat();
    assert_eq!(
        world.answers(&world.optional(route()), &CALLERS).await,
        expected
    );
}

/// Whatever stands between the layers, and wherever they were added.
#[tokio::test]
async fn two_layers_make_one_challenge() {
    let world = World::new().await;
    let require = |requirement: &Requirement| world.api.require(requirement.clone());
    let (x, write) = (all(&["x"]), all(&["write:orders"]));
    let pass_on = || from_fn(async |request, next: Next| next.run(request).await);
    let callers = [
        "",
        "x",
        "write:orders",
        "read:orders",
        "x admin:orders",
        "x write:orders",
    ];
    let mut expected = missing("x write:orders").to_vec();
    expected.extend(
        [
            "x write:orders",
            "write:orders",
            "x",
            "x write:orders",
            "+",
            "+",
        ]
        .map(told),
    );
    let route = || {
        let on_handler = get(done).route_layer(require(&write));
        Router::new().route("/user", on_handler)
    };
    let layered = [
        (
            "on one route",
            Router::new().route(
                "/user",
                get(done)
                    .route_layer(require(&write))
                    .route_layer(require(&x)),
            ),
        ),
        ("on the router", route().route_layer(require(&x))),
        (
            "around another middleware",
            route().layer(pass_on()).layer(require(&x)),
        ),
        (
            "of a nested router",
            Router::new()
                .nest(
                    "/user",
                    Router::new().route("/", get(done).layer(require(&write))),
                )
                .layer(require(&x)),
        ),
        (
            "of a merged router",
            Router::new()
                .merge(route().layer(pass_on()))
                .layer(require(&x)),
        ),
        (
            "with a state",
            Router::new()
                .route("/user", get(done).route_layer(require(&write)))
                .with_state(())
                .layer(require(&x)),
        ),
    ];
    for (name, router) in layered {
        for layer in [world.api.layer(), world.api.layer().optional()] {
            let router = router.clone().layer(layer);
            assert_eq!(world.answers(&router, &callers).await, expected, "{name}");
        }
    }
    // Without a router.
    let service = ServiceBuilder::new()
        .layer(world.api.layer())
        .layer(require(&x))
        .layer(require(&write))
        .service(Router::<()>::new().route("/user", get(done)));
    let router = Router::new().fallback_service(service);
    assert_eq!(world.answers(&router, &callers).await, expected);
}

/// What the caller can do nothing about is told, although it stands further inside.
#[tokio::test]
async fn nobody_asks_for_a_scope_in_vain() {
    let world = World::new().await;
    let route = get(done)
        .route_layer(world.api.require(has_role("admin")))
        .route_layer(world.api.require(all(&["x"])));
    let answers = world.answers(&world.required(route), &["", "x"]).await;
    assert_eq!(answers[2..], ["403 none", "403 none"]);
}

#[tokio::test]
async fn what_is_not_on_the_way_is_not_asked_for() {
    let world = World::new().await;
    let other = ready(Authgear::builder(world.fake.endpoint())).await;
    let sibling = world.api.for_resource(
        ProtectedResource::new("https://api.example.com/v2").audience(world.fake.endpoint()),
    );
    let write = || all(&["write:orders"]);
    // Another method of the same path, another path, another `Authgear`, another resource.
    let methods = get(done)
        .route_layer(world.api.require(all(&["x"])))
        .merge(post(done).route_layer(world.api.require(write())));
    let router = world.required(methods);
    assert_eq!(world.answers(&router, &[]).await, missing("x"));
    let mut request = with_headers(&[]);
    *request.method_mut() = Method::POST;
    let answer = send(&router, request).await;
    assert_eq!(challenge(&answer), missing("write:orders")[0]);

    let router = Router::new()
        .route("/user", get(done))
        .route("/other", get(done).route_layer(world.api.require(write())))
        .layer(world.api.layer());
    assert_eq!(world.answers(&router, &[]).await, missing(""));
    for other in [&other, &sibling.unwrap()] {
        let router = world.required(get(done).route_layer(other.require(write())));
        assert_eq!(world.answers(&router, &[]).await, missing(""));
        let answer = send(&router, with_bearer("/user", &world.token("write:orders"))).await;
        assert_eq!(answer.kind, Some(AuthErrorKind::AuthgearMismatch));
    }
    // A whole router behind one service has many routes.
    let inner = Router::new().route("/user", get(done).route_layer(world.api.require(write())));
    let service = ServiceBuilder::new()
        .layer(world.api.layer())
        .service(inner);
    let router = Router::new().fallback_service(service);
    let answers = world.answers(&router, &["", "write:orders"]).await;
    assert_eq!(answers[..2], missing(""));
    assert_eq!(answers[2..], [lacking("write:orders"), "pass".to_owned()]);
}

/// Requirements are found where a service is wrapped. What panics there, or clones itself later, leaves
/// nothing behind.
#[tokio::test]
async fn a_search_that_panics_leaves_nothing_behind() {
    struct Panics;
    impl Clone for Panics {
        fn clone(&self) -> Self {
            panic!("a service that cannot be cloned")
        }
    }
    impl Service<Request<Body>> for Panics {
        type Response = Response;
        type Error = Infallible;
        type Future = Ready<Result<Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            unreachable!("the request is refused")
        }
    }
    let world = World::new().await;
    let layer = world.api.layer();
    let mut stack = layer.layer(world.api.require(all(&["x"])).layer(Panics));
    let refused = std::panic::AssertUnwindSafe(|| stack.call(with_headers(&[])));
    assert!(std::panic::catch_unwind(refused).is_err());

    let cloned = Router::<()>::new().route("/user", get(done));
    let cloned = world.api.require(all(&["y"])).layer(cloned);
    drop(cloned.clone());
    let service = layer.layer(Router::<()>::new().route("/user", get(done)));
    let answer = service.oneshot(with_headers(&[])).await.unwrap();
    assert_eq!(
        answer.headers()["www-authenticate"],
        format!("Bearer {METADATA}")
    );
}

#[tokio::test]
async fn the_scopes_to_ask_for_first() {
    let world = World::with(|resource| {
        resource
            .scopes(["read:orders", "write:orders"])
            .initial_scopes(["read:orders"])
    })
    .await;
    let plain = world.required(get(done));
    let answers = world.answers(&plain, &["", "x"]).await;
    assert_eq!(answers[..2], missing("read:orders"));
    // It is no requirement.
    assert_eq!(answers[2..], ["pass", "pass"]);
    // A route that says what it needs is more exact.
    let write = world.required(get(done).route_layer(world.api.require(all(&["write:orders"]))));
    let answers = world.answers(&write, &["x"]).await;
    assert_eq!(answers[..2], missing("write:orders"));
    assert_eq!(answers[2], lacking("write:orders"));
}

/// What a token includes counts wherever somebody asks.
#[tokio::test]
async fn inclusions_count_everywhere() {
    let world = World::new().await;
    let user = world
        .api
        .verify(&world.token("admin:orders"))
        .await
        .unwrap();
    assert_eq!(user.scopes().collect::<Vec<_>>(), ["admin:orders"]);
    for (scope, granted) in [
        ("admin:orders", true),
        ("write:orders", true),
        ("read:orders", true),
        ("read:order", false),
        ("x", false),
    ] {
        assert_eq!(user.has_scope(scope), granted, "{scope}");
        assert_eq!(user.require(all(&[scope])).is_ok(), granted, "{scope}");
    }
    // Seen before, and a machine's.
    let robot = world.fake.client_token("robot", world.fake.endpoint());
    let robot = robot.scope("write:orders").sign();
    for _ in 0..2 {
        let robot = world.api.verify_principal(&robot).await.unwrap();
        assert!(robot.has_scope("read:orders") && !robot.has_scope("admin:orders"));
        assert!(robot.client().unwrap().has_scope("read:orders"));
    }
    // It is this project's own declaration.
    let plain = ready(Authgear::builder(world.fake.endpoint())).await;
    let user = plain.verify(&world.token("admin:orders")).await.unwrap();
    assert!(!user.has_scope("read:orders"));
}
