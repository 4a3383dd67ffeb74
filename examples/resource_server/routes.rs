//! The routes, and what they answer.

use std::error::Error;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_authgear::authorize::{
    all_scopes, authenticated_within, has_role, not_anonymous, verified,
};
use axum_authgear::{AuthClient, AuthRejection, AuthUser, Authgear, Principal};
use serde_json::{Map, Value, json};
use support::config::Settings;
use support::{health, webhook};

pub(crate) fn router(authgear: &Authgear, settings: &Settings) -> Result<Router, Box<dyn Error>> {
    let may_read = authgear.require(all_scopes([READ_ORDERS])?);
    let may_write = authgear.require(all_scopes([WRITE_ORDERS])?);
    let is_admin = authgear.require(has_role("admin"));
    let is_known = authgear.require(verified().and(not_anonymous()));
    let signed_in = Router::new()
        .route("/me", get(me))
        .route("/principal", get(principal))
        .route("/admin", get(me).route_layer(is_admin))
        .route("/orders", get(orders).route_layer(may_read))
        .route("/orders", post(create_order).route_layer(may_write))
        .route("/verified", get(me).route_layer(is_known))
        .route("/sensitive", get(sensitive))
        .route_layer(authgear.layer());
    let anyone = Router::new()
        .route("/whoami", get(whoami))
        .route("/echo-headers", get(echo_headers).layer(authgear.open()))
        .route_layer(authgear.layer().optional());
    Ok(Router::new()
        .merge(signed_in)
        .merge(anyone)
        .merge(health::router(authgear))
        .merge(webhook::router(authgear, settings)?)
        .merge(authgear.resource_metadata_router())
        // A route that is forgotten above does not answer.
        .layer(authgear.seal()))
}

async fn me(user: AuthUser) -> Json<Value> {
    Json(user_json(&user))
}

async fn whoami(user: Option<AuthUser>) -> Json<Value> {
    Json(match user {
        Some(user) => user_json(&user),
        None => json!({ "anonymous_request": true }),
    })
}

async fn principal(principal: Principal) -> Json<Value> {
    Json(match principal {
        Principal::User(user) => user_json(&user),
        Principal::Client(client) => client_json(&client),
    })
}

async fn orders() -> Json<Value> {
    Json(json!({ "orders": [] }))
}

async fn create_order() -> (StatusCode, Json<Value>) {
    (StatusCode::CREATED, Json(json!({ "created": true })))
}

async fn sensitive(user: AuthUser) -> Result<Json<Value>, AuthRejection> {
    user.require(authenticated_within(FIVE_MINUTES))?;
    Ok(Json(user_json(&user)))
}

/// The scopes that the routes ask for.
pub(crate) const SCOPES: [&str; 2] = [READ_ORDERS, WRITE_ORDERS];

const READ_ORDERS: &str = "read:orders";
const WRITE_ORDERS: &str = "write:orders";

const FIVE_MINUTES: Duration = Duration::from_secs(300);

async fn echo_headers(headers: HeaderMap) -> Json<Value> {
    let headers: Map<String, Value> = headers
        .keys()
        .map(|name| {
            // RFC 9110 §5.3 and, for cookies, RFC 9113 §8.2.3.
            let separator = if *name == header::COOKIE { "; " } else { ", " };
            let values: Vec<_> = headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            (name.to_string(), values.join(separator).into())
        })
        .collect();
    Json(json!({ "headers": headers }))
}

fn user_json(user: &AuthUser) -> Value {
    json!({
        "user_id": user.id(),
        "is_anonymous": user.is_anonymous(),
        "is_verified": user.is_verified(),
        "can_reauthenticate": user.can_reauthenticate(),
        "roles": user.roles().collect::<Vec<_>>(),
        "scopes": user.scopes().collect::<Vec<_>>(),
        "amr": user.amr().collect::<Vec<_>>(),
        "auth_time": user.auth_time(),
        "client_id": user.client_id(),
        "expires_at": user.expires_at(),
        "issuer": user.issuer(),
        "verified_by": user.verified_by(),
    })
}

fn client_json(client: &AuthClient) -> Value {
    json!({
        "client_id": client.client_id(),
        "scopes": client.scopes().collect::<Vec<_>>(),
        "expires_at": client.expires_at(),
    })
}
