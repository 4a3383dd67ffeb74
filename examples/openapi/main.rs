//! An API with an `OpenAPI` document that says who may call what: `cargo run --example openapi`.
//!
//! A scope has one name in the code, which both the handler's signature and the document use. The
//! test of this example calls each operation without a credential, with a good one and with one that
//! may too little, and compares the answers with the document.

use std::env;
use std::error::Error;

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use axum_authgear::authorize::{HasScope, ScopeName};
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthUser, Authgear};
use serde::Serialize;
use tokio::net::TcpListener;
use utoipa::openapi::security::{OpenIdConnect, SecurityScheme};
use utoipa::openapi::{Info, OpenApi};
use utoipa::{IntoResponses, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

struct ReadOrders;

impl ScopeName for ReadOrders {
    const NAME: &str = "read:orders";
}

struct WriteOrders;

impl ScopeName for WriteOrders {
    const NAME: &str = "write:orders";
}

#[derive(Serialize, ToSchema)]
struct Order {
    id: u64,
}

/// The body of each refusal.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the layer makes it: this is its schema")]
struct Refusal {
    /// A code, such as `invalid_token`.
    error: String,
    error_description: String,
}

/// How the layer refuses.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the layer makes these: they are for the document")]
enum Refused {
    /// The `Authorization` field is malformed, or there are several.
    #[response(status = BAD_REQUEST, headers(("www-authenticate" = String)))]
    Malformed(#[to_schema] Refusal),
    /// No token, or a bad one.
    #[response(status = UNAUTHORIZED, headers(("www-authenticate" = String)))]
    Unauthorized(#[to_schema] Refusal),
    /// The token lacks a scope, or is not of a user where one is needed.
    #[response(status = FORBIDDEN)]
    Forbidden(#[to_schema] Refusal),
    /// Tokens cannot be verified at the moment.
    #[response(status = SERVICE_UNAVAILABLE, headers(("retry-after" = u64)))]
    Unavailable(#[to_schema] Refusal),
}

/// Whether the service runs.
#[utoipa::path(get, path = "/healthz", responses((status = OK, body = String)))]
async fn healthz() -> &'static str {
    "ok"
}

/// The signed-in user's id.
#[utoipa::path(get, path = "/me", security(("authgear" = [])),
    responses((status = OK, body = String), Refused))]
async fn me(user: AuthUser) -> String {
    user.id().to_owned()
}

/// All orders.
#[utoipa::path(get, path = "/orders", security(("authgear" = [ReadOrders::NAME])),
    responses((status = OK, body = [Order]), Refused))]
async fn orders(_caller: HasScope<ReadOrders>) -> Json<Vec<Order>> {
    Json(vec![Order { id: 1 }])
}

/// A new order.
#[utoipa::path(post, path = "/orders", security(("authgear" = [WriteOrders::NAME])),
    responses((status = CREATED, body = Order), Refused))]
async fn create_order(_caller: HasScope<WriteOrders>) -> (StatusCode, Json<Order>) {
    (StatusCode::CREATED, Json(Order { id: 2 }))
}

/// The API, and its document at `/openapi.json`.
fn api(authgear: &Authgear, endpoint: &str) -> Router {
    let document = OpenApi::new(Info::new("Orders", "1.0.0"), utoipa::openapi::Paths::new());
    let (routes, mut document) = OpenApiRouter::with_openapi(document)
        .routes(routes!(me))
        .routes(routes!(orders, create_order))
        .layer(authgear.layer())
        .routes(routes!(healthz)) // added after the layer: open
        .split_for_parts();
    let discovery = format!("{endpoint}/.well-known/openid-configuration");
    document
        .components
        .get_or_insert_default()
        .add_security_scheme(
            "authgear",
            SecurityScheme::OpenIdConnect(OpenIdConnect::new(discovery)),
        );
    routes.route("/openapi.json", get(|| async { Json(document) }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("curl {url}/openapi.json");

    // Without a project of your own, one that runs as long as this process does.
    let fake = FakeAuthgear::start().await;
    let endpoint = env::var("AUTHGEAR_ENDPOINT").unwrap_or_else(|_| {
        let alice = fake.add_user(User::new("alice"));
        let token = fake.token(&alice).scope("read:orders").sign();
        println!("curl -i {url}/orders -H 'authorization: Bearer {token}'");
        fake.endpoint().to_owned()
    });
    let authgear = Authgear::builder(&endpoint)
        .audience(&endpoint)
        .audience("https://orders.example.com")
        .build()?;
    Ok(axum::serve(listener, api(&authgear, &endpoint)).await?)
}
