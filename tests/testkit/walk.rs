//! The walk through a router's routes.

use axum::Router;
use axum::response::Redirect;
use axum::routing::{any, get, post};
use axum_authgear::testkit::{FakeAuthgear, RouteVerdict, RouteWalk};
use axum_authgear::{AuthRejection, AuthUser, Authgear};
use http::StatusCode;
use serde_json::json;

async fn authgear() -> (FakeAuthgear, Authgear) {
    let fake = FakeAuthgear::start().await;
    let authgear = Authgear::builder(fake.endpoint()).build().unwrap();
    (fake, authgear)
}

async fn me(user: AuthUser) -> String {
    user.id().to_owned()
}

fn app(authgear: &Authgear) -> Router {
    let to_login =
        |_: &AuthRejection| axum::response::IntoResponse::into_response(Redirect::to("/login"));
    Router::new()
        .route("/users/{id}", get(me).delete(me))
        .route(
            "/pages",
            get(me).layer(authgear.layer().respond_with(to_login)),
        )
        .route_layer(authgear.layer().optional())
        .route(
            "/feed",
            get(async |_: Option<AuthUser>| "feed").layer(authgear.layer().optional()),
        )
        .route(
            "/about",
            get(async || "about").layer(authgear.layer().optional()),
        )
        .route("/healthz", get(async || "ok").layer(authgear.open()))
        .route("/late/{id}", post(async || "late"))
        .route("/not-found", get(async || StatusCode::NOT_FOUND))
        .route("/fails", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .route("/foreign", get(async || StatusCode::UNAUTHORIZED))
        .route("/unwired", get(me))
}

#[tokio::test]
async fn it_says_what_comes_of_each_route() {
    let (_fake, authgear) = authgear().await;
    let expected = [
        ("GET /users/{id}", RouteVerdict::Refused),
        ("DELETE /users/{id}", RouteVerdict::Refused),
        // Whatever the refusal looks like.
        ("GET /pages", RouteVerdict::Refused),
        ("GET /feed", RouteVerdict::Optional),
        ("GET /about", RouteVerdict::Optional),
        ("GET /healthz", RouteVerdict::NamedOpen),
        ("POST /late/{id}", RouteVerdict::Open),
        // An answer is an answer, whatever its status.
        ("GET /not-found", RouteVerdict::Open),
        ("GET /fails", RouteVerdict::Open),
        // Somebody else's refusal, and that of a handler without a layer: nobody gets in.
        ("GET /foreign", RouteVerdict::Refused),
        ("GET /unwired", RouteVerdict::Refused),
        ("GET /nowhere", RouteVerdict::Missing),
        ("PUT /healthz", RouteVerdict::Missing),
        ("PUT /late/{id}", RouteVerdict::Missing),
    ];
    let routes = expected.map(|(route, _)| route.split_once(' ').unwrap());
    let report = RouteWalk::new(routes).ask(&app(&authgear)).await;
    assert_eq!(report.iter().collect::<Vec<_>>(), expected);
    assert_eq!(
        report.open(),
        [
            "GET /feed",
            "GET /about",
            "POST /late/{id}",
            "GET /not-found",
            "GET /fails"
        ]
    );
    assert_eq!(report.named_open(), ["GET /healthz"]);
    assert_eq!(
        report.missing(),
        ["GET /nowhere", "PUT /healthz", "PUT /late/{id}"]
    );
    let shown = report.to_string();
    assert!(
        shown.contains("POST /late/{id}: OPEN: nothing protects it\n"),
        "{shown}"
    );
    assert!(
        shown.contains("GET /feed: OPEN: behind an optional layer\n"),
        "{shown}"
    );
}

/// Where the layer refuses unknown paths as well, an old list still shows.
#[tokio::test]
async fn a_path_that_no_route_has_is_missing_also_behind_the_layer() {
    let (_fake, authgear) = authgear().await;
    let app = Router::new()
        .route("/me", get(me))
        .layer(authgear.layer())
        .layer(authgear.seal());
    let report = RouteWalk::new([("GET", "/me"), ("GET", "/mee")])
        .ask(&app)
        .await;
    assert_eq!(report.missing(), ["GET /mee"]);
    assert!(report.open().is_empty());
}

#[tokio::test]
async fn it_reads_the_operations_of_an_openapi_document() {
    let (_fake, authgear) = authgear().await;
    let document = json!({
        "openapi": "3.1.0",
        "info": { "title": "Users", "version": "1" },
        "paths": {
            "/users/{id}": {
                "summary": "A user",
                "parameters": [{ "name": "id", "in": "path", "required": true }],
                "get": { "responses": {} },
                "delete": { "responses": {} },
            },
            "/late/{id}": { "post": { "responses": {} } },
            "/old": { "get": { "responses": {} } },
        },
    });
    let report = RouteWalk::openapi(&document).ask(&app(&authgear)).await;
    assert_eq!(report.iter().count(), 4);
    assert_eq!(report.open(), ["POST /late/{id}"]);
    assert_eq!(report.missing(), ["GET /old"]);
    for odd in [
        json!(null),
        json!({}),
        json!({"paths": []}),
        json!({"paths": {"/": 5}}),
    ] {
        assert_eq!(
            RouteWalk::openapi(&odd)
                .ask(&Router::new())
                .await
                .iter()
                .count(),
            0
        );
    }
}

/// What a handler's stream or wait would make of a test.
#[tokio::test(start_paused = true)]
async fn a_route_that_does_not_answer_is_open() {
    let app = Router::new().route("/", any(std::future::pending::<()>));
    let report = RouteWalk::new([("GET", "/")]).ask(&app).await;
    assert_eq!(report.open(), ["GET /"]);
}
