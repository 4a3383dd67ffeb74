//! The parts are there, and put together wrongly.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use axum_authgear::authorize::has_role;
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthErrorKind, AuthUser, Authgear};
use http::header;
use serde::Deserialize;
use tower_http::cors::CorsLayer;

use super::process::alone;
use super::{Seen, assert_brief, assert_calm, assert_names, lines, listen, look, plain};
use crate::support::{ready, send, with_bearer};

async fn me(user: AuthUser) -> String {
    user.id().to_owned()
}

async fn greet(user: AuthUser, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let name = user.id().parse().unwrap();
    response.headers_mut().insert("x-user", name);
    response
}

/// Both causes of a layer that did not run: it is missing, or in the wrong order.
#[track_caller]
fn assert_layer_cure(seen: &Seen) {
    let cure = [
        "add `.layer(authgear.layer())` after the route",
        "after any `require` or `from_fn`",
        "added last first",
    ];
    assert_eq!(seen.answer.status, 500);
    assert_names(&[&seen.answer.body], &cure);
    assert_names(&seen.default_log, &cure);
    assert_names(
        &seen.default_log,
        &[" ERROR ", "layer_missing", "docs/troubleshooting"],
    );
    assert_brief(&seen.default_log);
}

async fn world() -> (FakeAuthgear, Authgear, String) {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice").roles(["admin"]));
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let token = fake.token(&alice).sign();
    (fake, authgear, token)
}

#[tokio::test]
async fn no_layer() {
    if !alone("mistakes::wiring::no_layer") {
        return;
    }
    let (log, _listening) = listen();
    let app = Router::new().route("/me", get(me));
    let seen = look(&log, &app, with_bearer("/me", "x")).await;
    assert_layer_cure(&seen);
    // However often it is called, the log has one line of it.
    for _ in 0..5 {
        send(&app, plain("/me")).await;
    }
    assert_eq!(lines(&log).0, seen.default_log);
}

#[tokio::test]
async fn the_route_is_added_after_the_layer() {
    if !alone("mistakes::wiring::the_route_is_added_after_the_layer") {
        return;
    }
    let (log, _listening) = listen();
    let (_fake, authgear, token) = world().await;
    let app = Router::new()
        .route("/other", get(me))
        .layer(authgear.layer())
        .route("/me", get(me));
    assert_layer_cure(&look(&log, &app, with_bearer("/me", &token)).await);
    assert_eq!(send(&app, with_bearer("/other", &token)).await.status, 200);
}

#[tokio::test]
async fn a_requirement_outside_of_the_layer() {
    if !alone("mistakes::wiring::a_requirement_outside_of_the_layer") {
        return;
    }
    let (log, _listening) = listen();
    let (_fake, authgear, token) = world().await;
    let admin = || authgear.require(has_role("admin"));
    let wrong = Router::new()
        .route("/me", get(me))
        .layer(authgear.layer())
        .layer(admin());
    assert_layer_cure(&look(&log, &wrong, with_bearer("/me", &token)).await);
    let right = Router::new()
        .route("/me", get(me))
        .layer(admin())
        .layer(authgear.layer());
    assert_eq!(send(&right, with_bearer("/me", &token)).await.status, 200);
}

#[tokio::test]
async fn a_middleware_outside_of_the_layer() {
    if !alone("mistakes::wiring::a_middleware_outside_of_the_layer") {
        return;
    }
    let (log, _listening) = listen();
    let (_fake, authgear, token) = world().await;
    let wrong = Router::new()
        .route("/me", get(me))
        .layer(authgear.layer())
        .layer(from_fn(greet));
    assert_layer_cure(&look(&log, &wrong, with_bearer("/me", &token)).await);
    let right = Router::new()
        .route("/me", get(me))
        .layer(from_fn(greet))
        .layer(authgear.layer());
    assert_eq!(send(&right, with_bearer("/me", &token)).await.status, 200);
}

/// `get(a).route_layer(…).post(b)`: the second method is outside.
#[tokio::test]
async fn a_method_that_is_added_after_the_layer() {
    if !alone("mistakes::wiring::a_method_that_is_added_after_the_layer") {
        return;
    }
    let (log, _listening) = listen();
    let (_fake, authgear, token) = world().await;
    let app = Router::new().route("/me", get(me).layer(authgear.layer()).post(me));
    let mut request = with_bearer("/me", &token);
    *request.method_mut() = http::Method::POST;
    assert_layer_cure(&look(&log, &app, request).await);
}

#[tokio::test]
async fn the_layer_of_another_authgear_and_of_other_claims() {
    #[derive(Deserialize)]
    struct Shop {}

    if !alone("mistakes::wiring::the_layer_of_another_authgear_and_of_other_claims") {
        return;
    }
    let (log, _listening) = listen();
    let (fake, authgear, token) = world().await;
    let twin = ready(Authgear::builder(fake.endpoint())).await;
    let app = Router::new()
        .route("/me", get(me))
        .layer(twin.require(has_role("admin")))
        .layer(authgear.layer());
    let cure = ["make the layer and the requirement with the same one"];
    let seen = look(&log, &app, with_bearer("/me", &token)).await;
    assert_eq!(seen.answer.status, 500);
    assert_names(&[&seen.answer.body], &cure);
    assert_names(&seen.default_log, &[" ERROR ", cure[0]]);

    let typed = ready(Authgear::builder(fake.endpoint()).claims::<Shop>()).await;
    let app = Router::new().route("/me", get(me)).layer(typed.layer());
    let seen = look(&log, &app, plain("/me")).await;
    assert_eq!(seen.answer.status, 401);
    let app = Router::new()
        .route("/me", get(me))
        .layer(typed.layer().optional());
    let seen = look(&log, &app, plain("/me")).await;
    let cure = ["extract the type that the builder's `claims` names"];
    assert_names(&[&seen.answer.body], &cure);
    assert_names(&seen.default_log, &[" ERROR ", cure[0]]);
    assert_brief(&seen.default_log);
}

fn preflight(path: &str) -> http::Request<Body> {
    http::Request::options(path)
        .header(header::ORIGIN, "https://app.example")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization")
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn cors_inside_of_the_layer() {
    if !alone("mistakes::wiring::cors_inside_of_the_layer") {
        return;
    }
    let (log, _listening) = listen();
    let (_fake, authgear, _) = world().await;
    let routes = || Router::new().route("/me", get(me));
    let right = routes()
        .layer(authgear.layer())
        .layer(CorsLayer::very_permissive());
    let seen = look(&log, &right, preflight("/me")).await;
    assert_eq!(seen.answer.status, 200);
    // An OPTIONS request that is no preflight is a request like any other.
    let wrong = routes()
        .layer(CorsLayer::very_permissive())
        .layer(authgear.layer());
    let mut no_preflight = preflight("/me");
    no_preflight
        .headers_mut()
        .remove(header::ACCESS_CONTROL_REQUEST_METHOD);
    let seen = look(&log, &wrong, no_preflight).await;
    assert_eq!(seen.answer.status, 401);
    assert_calm(&seen.default_log);

    let cure = [
        " WARN ",
        "add the CorsLayer after `.layer(authgear.layer())`",
    ];
    let seen = look(&log, &wrong, preflight("/me")).await;
    assert_eq!(
        (seen.answer.status.as_u16(), seen.answer.kind),
        (401, Some(AuthErrorKind::MissingCredential))
    );
    assert_names(&seen.default_log, &cure);
    for _ in 0..5 {
        send(&wrong, preflight("/me")).await;
    }
    assert_eq!(lines(&log).0, seen.default_log);
}

/// The same behind an optional layer with a requirement.
#[tokio::test]
async fn cors_inside_of_a_requirement() {
    if !alone("mistakes::wiring::cors_inside_of_a_requirement") {
        return;
    }
    let (log, _listening) = listen();
    let (_fake, authgear, _) = world().await;
    let app = Router::new()
        .route("/me", get(me))
        .layer(CorsLayer::very_permissive())
        .layer(authgear.require(has_role("admin")))
        .layer(authgear.layer().optional());
    let seen = look(&log, &app, preflight("/me")).await;
    assert_eq!(seen.answer.status, 401);
    assert_names(&seen.default_log, &["add the CorsLayer after"]);
}

#[tokio::test]
async fn a_webhook_inside_of_the_layer() {
    if !alone("mistakes::wiring::a_webhook_inside_of_the_layer") {
        return;
    }
    let (log, _listening) = listen();
    let (_fake, authgear, _) = world().await;
    let delivery = || {
        http::Request::post("/hook")
            .header("x-authgear-body-signature", "00".repeat(32))
            .body(Body::from("{}"))
            .unwrap()
    };
    let hook = || Router::new().route("/hook", authgear.webhooks(["secret"]).unwrap());
    let right = Router::new().layer(authgear.layer()).merge(hook());
    let seen = look(&log, &right, delivery()).await;
    assert_eq!(seen.answer.status, 401);
    assert_calm(&seen.default_log);
    for layer in [authgear.layer(), authgear.layer().optional()] {
        let seen = look(&log, &hook().layer(layer), delivery()).await;
        assert_eq!(seen.answer.status, 401);
        assert_names(
            &seen.default_log,
            &["add the webhook's route after `.layer(authgear.layer())`"],
        );
        assert_brief(&seen.default_log);
    }
}
