//! What goes out, although it may look like an open route; and what is nearly that, and does not.

use std::time::Duration;

use axum::body::Body;
use axum::error_handling::HandleErrorLayer;
use axum::extract::{Path, Request};
use axum::handler::Handler;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{BoxError, Router};
use axum_authgear::authorize::{HasRole, RoleKey, has_role};
use axum_authgear::testkit::{self, Endpoint, Fault, SignInLayer};
use axum_authgear::{
    AuthErrorKind, AuthRejection, AuthUser, Authgear, EmptyRejectionResponse, ProtectedResource,
};
use http::{Method, StatusCode, header};
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_http::compression::CompressionLayer;
use tower_http::cors::{Any, CorsLayer};

use super::{SECRET, World, anybody, is_caught};
use crate::support::{Log, get as get_with, ready, send, with_bearer};

async fn secret() -> &'static str {
    SECRET
}

async fn me(user: AuthUser) -> String {
    user.id().to_owned()
}

fn api() -> Router {
    Router::new().route("/me", get(me))
}

#[tokio::test]
async fn what_is_named_open_goes_out_and_its_neighbour_does_not() {
    let world = World::new().await;
    let ours = &world.authgear;
    let other = world.another().await;
    let app = api()
        .route_layer(ours.layer())
        .route("/open", get(secret).layer(ours.open()).post(secret))
        .merge(
            Router::new()
                .route("/a", get(secret))
                .route("/b/{id}", get(secret))
                .layer(ours.open()),
        )
        .route("/of-another", get(secret).layer(other.open()))
        .route("/listed/{id}", get(secret))
        .nest("/deep", Router::new().route("/listed", get(secret)))
        .route("/listed/7/more", get(secret))
        .fallback(secret.layer(ours.open()))
        .layer(
            ours.seal()
                .open_routes(["/listed/{id}", "/deep/listed", "/me"]),
        );
    for (method, path, goes_out) in [
        ("GET", "/open", true),
        ("HEAD", "/open", true),
        ("POST", "/open", false),
        ("GET", "/a", true),
        ("GET", "/b/7", true),
        ("GET", "/of-another", false),
        ("GET", "/listed/7", true),
        // The route counts, and not a path that looks like one.
        ("GET", "/listed/%7Bid%7D", true),
        ("GET", "/listed/7/more", false),
        ("GET", "/deep/listed", true),
        ("GET", "/nowhere", true),
    ] {
        let answer = anybody(&app, method, path).await;
        if goes_out {
            assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
        } else {
            assert!(is_caught(&answer), "{method} {path}: {answer:?}");
        }
    }
    // To be named open opens nothing that a layer refuses.
    let answer = anybody(&app, "GET", "/me").await;
    assert_eq!(answer.kind, Some(AuthErrorKind::MissingCredential));
    let guarded = api()
        .layer(ours.layer())
        .layer(ours.open())
        .layer(ours.seal());
    assert_eq!(anybody(&guarded, "GET", "/me").await.status, 401);
    assert_eq!(world.user(&guarded, "/me").await.status, 200);
}

#[tokio::test]
async fn the_routers_own_404_and_405_serve_nothing() {
    let world = World::new().await;
    let ours = &world.authgear;
    let app = Router::new()
        .route("/me", get(me).route_layer(ours.layer()))
        .route("/empty", get(|| async { StatusCode::NOT_FOUND }))
        .route(
            "/method",
            get(|| async { (StatusCode::METHOD_NOT_ALLOWED, SECRET) }),
        )
        .nest(
            "/pages",
            Router::new().fallback(async || (StatusCode::NOT_FOUND, SECRET)),
        )
        .layer(ours.seal());
    for (method, path, status) in [
        ("GET", "/nowhere", 404),
        ("HEAD", "/nowhere", 404),
        ("DELETE", "/me", 405),
    ] {
        let answer = anybody(&app, method, path).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_eq!(answer.body, "");
    }
    // A handler's are answers.
    for path in ["/empty", "/method", "/pages/x"] {
        let answer = anybody(&app, "GET", path).await;
        assert!(is_caught(&answer), "{path}: {answer:?}");
    }
    // Around the router as a service, where it has taken the body of an answer to HEAD.
    let fallback = api().fallback(async || (StatusCode::NOT_FOUND, SECRET));
    for app in [api(), fallback] {
        let served = anybody(&app, "GET", "/nowhere").await.body.len();
        let app = ServiceBuilder::new().layer(ours.seal()).service(app);
        let request = Request::head("/nowhere").body(Body::empty()).unwrap();
        let answer = app.oneshot(request).await.unwrap();
        let expected = if served == 0 { 404 } else { 500 };
        assert_eq!(answer.status(), expected);
    }
}

fn preflight(path: &str) -> Request {
    Request::options(path)
        .header(header::ORIGIN, "https://app.example")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET")
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn one_line_opens_preflights() {
    let world = World::new().await;
    let ours = &world.authgear;
    let cors = || {
        CorsLayer::new()
            .allow_origin(Any)
            .allow_methods([Method::GET])
    };
    let inside = || api().layer(ours.layer()).layer(cors());

    let caught = inside().layer(ours.seal());
    assert!(is_caught(&send(&caught, preflight("/me")).await));
    for app in [
        inside().layer(ours.seal().open_preflights()),
        api().layer(ours.layer()).layer(ours.seal()).layer(cors()),
    ] {
        let answer = send(&app, preflight("/me")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.headers.contains_key("access-control-allow-methods"));
        assert_eq!(world.user(&app, "/me").await.status, 200);
    }
    // The CORS layer also answers OPTIONS without these headers.
    let app = inside().layer(ours.seal().open_preflights());
    for missing in [header::ORIGIN, header::ACCESS_CONTROL_REQUEST_METHOD] {
        let mut request = preflight("/me");
        request.headers_mut().remove(&missing);
        assert!(is_caught(&send(&app, request).await), "{missing}");
    }
    // It opens no route that takes OPTIONS, nor one that takes anything.
    let app = api()
        .layer(ours.layer())
        .route("/any", any(secret))
        .layer(ours.seal().open_preflights());
    assert!(is_caught(&send(&app, preflight("/any")).await));
    assert!(is_caught(&anybody(&app, "OPTIONS", "/any").await));
}

/// Whatever is between the layer and the seal makes of a response that was judged.
#[tokio::test]
async fn a_response_that_is_made_further_out_is_judged_by_its_request() {
    let world = World::new().await;
    let ours = &world.authgear;
    let page = async |response: Response| match response.status() {
        StatusCode::OK => response,
        status => (status, "a page of our own").into_response(),
    };
    let app = api()
        .route(
            "/admin",
            get(secret).route_layer(ours.require(has_role("owner"))),
        )
        .layer(ours.layer())
        .layer(middleware::map_response(page))
        .layer(CompressionLayer::new())
        .layer(ours.seal());
    for (path, token, status) in [
        ("/me", "x", 401),
        ("/admin", world.token.as_str(), 403),
        ("/me", world.token.as_str(), 200),
        ("/nowhere", world.token.as_str(), 404),
    ] {
        let answer = get_with(&app, path, token).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }

    // A timeout, while the handler or the layer itself is at work.
    world.fake.rotate();
    world.fake.fail(Endpoint::Jwks, Fault::Hang);
    let waits = world
        .fake
        .token(&world.fake.add_user(testkit::User::new("bob")))
        .sign();
    let slow = Router::new()
        .route(
            "/slow",
            get(async || tokio::time::sleep(Duration::from_secs(3_600)).await),
        )
        .layer(ours.layer())
        .layer(
            ServiceBuilder::new()
                .layer(HandleErrorLayer::new(async |_: BoxError| {
                    StatusCode::REQUEST_TIMEOUT
                }))
                .timeout(Duration::from_millis(50)),
        )
        .layer(ours.seal());
    for token in [world.token.as_str(), &waits] {
        let answer = get_with(&slow, "/slow", token).await;
        assert_eq!(answer.status, 408, "{answer:?}");
    }
}

/// The layer may run on another task than the seal.
#[tokio::test]
async fn a_request_that_is_judged_elsewhere_is_judged() {
    let world = World::new().await;
    let ours = &world.authgear;
    let failed = HandleErrorLayer::new(async |_: BoxError| StatusCode::BAD_GATEWAY);
    let app = api()
        .route("/open", get(secret))
        .route_layer(ServiceBuilder::new().layer(ours.layer()))
        .layer(ServiceBuilder::new().layer(failed).buffer(8))
        .layer(ours.seal());
    assert_eq!(world.user(&app, "/me").await.status, 200);
    assert_eq!(anybody(&app, "GET", "/me").await.status, 401);
}

/// A request of a handler's own is another request.
#[tokio::test]
async fn what_a_handler_asks_elsewhere_says_nothing_of_its_own_request() {
    let world = World::new().await;
    let ours = &world.authgear;
    let inner = api().layer(ours.layer());
    let token = world.token.clone();
    let batch = get(async move || {
        let answer = inner.oneshot(with_bearer("/me", &token)).await.unwrap();
        assert_eq!(answer.status(), 200);
        SECRET
    });
    let app = api()
        .layer(ours.layer())
        .route("/batch", batch)
        .layer(ours.seal());
    assert!(is_caught(&anybody(&app, "GET", "/batch").await));
    // Its own request, passed on, is judged.
    let inner = api().layer(ours.layer());
    let app = Router::new().route(
        "/me",
        any(async |request: Request| inner.oneshot(request).await),
    );
    let app = app.layer(ours.seal());
    assert_eq!(anybody(&app, "GET", "/me").await.status, 401);
    assert_eq!(world.user(&app, "/me").await.status, 200);
}

struct Admin;

impl RoleKey for Admin {
    const KEY: &str = "admin";
}

#[tokio::test]
async fn behind_an_optional_layer_somebody_must_ask() {
    let world = World::new().await;
    let ours = &world.authgear;
    let login_page = |_: &AuthRejection| Response::new(Body::from("sign in here"));
    let app = Router::new()
        .route("/feed", get(async |_: Option<AuthUser>| "feed"))
        .route(
            "/feed/{page}",
            get(async |_: Path<u32>, _: Option<AuthUser>| "feed"),
        )
        .route("/role", get(async |_: HasRole<Admin>| "role"))
        .route(
            "/require",
            get(secret).route_layer(ours.require(has_role("admin"))),
        )
        .route("/required", get(secret).route_layer(ours.layer()))
        .route(
            "/service",
            get(
                async |request: Request| match AuthUser::from_extensions(request.extensions()) {
                    Ok(user) => {
                        let user: AuthUser = user;
                        user.id().to_owned()
                    }
                    Err(_) => "nobody".to_owned(),
                },
            ),
        )
        .route("/forgotten", get(secret))
        .route("/named", get(secret).layer(ours.open()))
        .layer(ours.layer().optional().respond_with(login_page))
        .layer(ours.seal());
    for (path, nobody, user) in [
        ("/feed", 200, 200),
        ("/feed/1", 200, 200),
        // An extractor failed before anybody could ask.
        ("/feed/one", 400, 400),
        ("/role", 200, 200),
        ("/require", 200, 200),
        ("/required", 401, 200),
        ("/service", 200, 200),
        ("/named", 200, 200),
        ("/nowhere", 404, 404),
    ] {
        assert_eq!(anybody(&app, "GET", path).await.status, nobody, "{path}");
        assert_eq!(world.user(&app, path).await.status, user, "{path}");
        // A bad credential is refused, here with a page.
        assert_eq!(
            get_with(&app, path, "bad").await.body,
            "sign in here",
            "{path}"
        );
    }
    assert!(is_caught(&anybody(&app, "GET", "/forgotten").await));
    assert!(is_caught(&world.user(&app, "/forgotten").await));
}

#[tokio::test]
async fn this_crates_own_routes_are_open_by_themselves() {
    let world = World::new().await;
    let endpoint = world.fake.endpoint();
    let resource = ProtectedResource::new("https://api.example");
    let ours = ready(Authgear::builder(endpoint)).await;
    // The seal is one for an `Authgear` and its resources.
    let whole = ours.clone();
    let ours = ours.for_resource(resource.project_audience()).unwrap();
    let secret_of_webhooks = "a secret of sixteen";
    let app = api()
        .layer(ours.layer())
        .route("/hook", ours.webhooks([secret_of_webhooks]).unwrap())
        .merge(ours.resource_metadata_router())
        .nest_service("/_auth", ours.forward_auth())
        .layer(whole.seal());
    let metadata = "/.well-known/oauth-protected-resource";
    assert_eq!(anybody(&app, "GET", metadata).await.status, 200);
    assert_eq!(send(&app, preflight(metadata)).await.status, 204);
    assert_eq!(anybody(&app, "POST", metadata).await.status, 405);
    assert_eq!(anybody(&app, "POST", "/hook").await.status, 401);
    assert_eq!(anybody(&app, "GET", "/hook").await.status, 405);
    assert_eq!(anybody(&app, "GET", "/_auth/x").await.status, 401);
    assert_eq!(world.user(&app, "/_auth/x").await.status, 200);
    // Those of another one are not.
    let other = ready(Authgear::builder(endpoint)).await;
    let resource = ProtectedResource::new("https://b.example").project_audience();
    let other = other.for_resource(resource).unwrap();
    let app = Router::new()
        .merge(other.resource_metadata_router())
        .nest_service("/_auth", other.forward_auth())
        .layer(ours.seal());
    for path in [metadata, "/_auth/x"] {
        assert!(is_caught(&world.user(&app, path).await), "{path}");
    }
}

#[tokio::test]
async fn seals_of_two_authgears_ask_each_for_their_own() {
    let world = World::new().await;
    let (ours, other) = (&world.authgear, world.another().await);
    let both = api().layer(ours.layer()).layer(other.layer());
    for app in [
        both.clone().layer(ours.seal()).layer(other.seal()),
        both.clone()
            .layer(other.seal())
            .layer(ours.seal())
            .layer(ours.seal()),
    ] {
        assert_eq!(world.user(&app, "/me").await.status, 200);
    }
    let only_ours = api().layer(ours.layer());
    let app = only_ours.clone().layer(ours.seal()).layer(other.seal());
    assert!(is_caught(&world.user(&app, "/me").await));
    let app = only_ours
        .layer(other.open())
        .layer(ours.seal())
        .layer(other.seal());
    assert_eq!(world.user(&app, "/me").await.status, 200);
    // A seal inside of the layer sees what the layer has said before.
    let app = api()
        .route("/x", get(secret))
        .layer(ours.seal())
        .layer(ours.layer());
    assert_eq!(world.user(&app, "/x").await.status, 200);
    let app = api()
        .route("/x", get(secret))
        .layer(ours.seal())
        .layer(ours.layer().optional());
    assert!(is_caught(&anybody(&app, "GET", "/x").await));
    // By hand, in a test of handlers.
    let signed_in = SignInLayer::user(testkit::auth_user("alice").build());
    let app = api().layer(signed_in).layer(ours.seal());
    assert_eq!(anybody(&app, "GET", "/me").await.body, "alice");
}

#[tokio::test]
async fn a_route_is_logged_once_whatever_clients_send() {
    let world = World::new().await;
    let ours = &world.authgear;
    let (log, _guard) = Log::of_this_thread(tracing::Level::ERROR);
    let app = api()
        .layer(ours.layer())
        .route("/users/{id}", any(secret))
        .route("/items/{id}", any(secret))
        .fallback(secret)
        .layer(ours.seal());
    let invented = "X".repeat(200);
    for n in 0..50 {
        for method in ["GET", "POST", &invented] {
            for path in ["users", "items", "else"] {
                let path = format!("/{path}/a-token-of-{n}");
                assert!(is_caught(&anybody(&app, method, &path).await));
            }
        }
    }
    let text = log.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0].contains("/users/{id}") && lines[0].contains("GET"),
        "{text}"
    );
    assert!(lines[1].contains("/items/{id}"), "{text}");
    assert!(lines[2].contains("fallback"), "{text}");
    assert!(
        !text.contains("a-token-of") && !text.contains("XXX"),
        "{text}"
    );
}

#[tokio::test]
async fn the_500_can_have_another_form_and_an_error_stays_one() {
    let world = World::new().await;
    let ours = &world.authgear;
    let app = api().layer(ours.seal().respond_with(EmptyRejectionResponse));
    let answer = anybody(&app, "GET", "/me").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (500, ""));
    assert_eq!(answer.kind, Some(AuthErrorKind::UnprotectedRoute));

    let failing = tower::service_fn(async |_: Request| Err::<Response, _>("broken"));
    let sealed = ours.seal().layer(failing);
    let request = Request::get("/").body(Body::empty()).unwrap();
    assert_eq!(sealed.oneshot(request).await.unwrap_err(), "broken");
}

/// The applications of the pages of the documentation, with the lines that name open what is open.
#[tokio::test]
async fn the_recipes_pass_the_seal() {
    let world = World::new().await;
    let ours = &world.authgear;
    let healthz = || get(async || "ok").layer(ours.open());
    let cors = CorsLayer::new().allow_origin(Any);
    let layer_order = api()
        .route_layer(ours.layer())
        .route("/healthz", healthz())
        .layer(cors)
        .layer(ours.seal().open_preflights());
    let one_route = Router::new()
        .route("/me", get(me).route_layer(ours.layer()))
        .route("/healthz", healthz())
        .layer(ours.seal());
    let roles = Router::new()
        .route(
            "/me",
            get(secret).route_layer(ours.require(has_role("admin"))),
        )
        .route(
            "/admin",
            get(async |admin: HasRole<Admin>| admin.id().to_owned()),
        )
        .layer(ours.layer())
        .route("/healthz", healthz())
        .layer(ours.seal());
    let account = api().route_layer(ours.layer().respond_with(EmptyRejectionResponse));
    let optional_outside = Router::new()
        .route("/", get(async |_: Option<AuthUser>| "hello"))
        .merge(account)
        .route_layer(ours.layer().optional())
        .route("/healthz", healthz())
        .layer(ours.seal());
    let log_out = ours.clone();
    let ends_users = api()
        .route(
            "/log-out",
            post(async move |user: AuthUser| log_out.revoke_token(&user)),
        )
        .layer(ours.layer())
        .route("/hook", ours.webhooks(["a secret of sixteen"]).unwrap())
        .route("/healthz", healthz())
        .layer(ours.seal());
    let (log, _guard) = Log::of_this_thread(tracing::Level::ERROR);
    for app in [layer_order, one_route, roles, optional_outside, ends_users] {
        assert_eq!(world.user(&app, "/me").await.status, 200);
        assert_eq!(anybody(&app, "GET", "/me").await.status, 401);
        assert_eq!(anybody(&app, "GET", "/healthz").await.status, 200);
        let unknown = anybody(&app, "GET", "/nowhere").await.status;
        assert!(unknown == 404 || unknown == 401, "{unknown}");
        assert_ne!(send(&app, preflight("/me")).await.status, 500);
        assert_ne!(anybody(&app, "POST", "/me").await.status, 500);
    }
    assert_eq!(log.text(), "");
}
