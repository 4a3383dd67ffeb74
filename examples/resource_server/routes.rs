//! The routes, and what they answer.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use axum_authgear::{AuthClient, AuthUser, Authgear, Health, Principal};
use serde_json::{Map, Value, json};

use crate::config::{AUTHGEAR_WEBHOOK_SECRET, BadVariable, Settings};

pub(crate) fn router(authgear: &Authgear, settings: &Settings) -> Result<Router, BadVariable> {
    let signed_in = Router::new()
        .route("/me", get(me))
        .route("/principal", get(principal))
        .route_layer(authgear.layer());
    let anyone = Router::new()
        .route("/whoami", get(whoami))
        .route("/echo-headers", get(echo_headers))
        .route_layer(authgear.layer().optional());
    let without_credential = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(authgear.clone());
    Ok(Router::new()
        .merge(signed_in)
        .merge(anyone)
        .merge(without_credential)
        .merge(webhook(authgear, settings)?)
        .merge(metadata(settings)))
}

/// Outside of every layer: what comes here has a signature, and no credential of ours.
fn webhook(authgear: &Authgear, settings: &Settings) -> Result<Router, BadVariable> {
    let Some(secret) = &settings.webhook_secret else {
        return Ok(Router::new());
    };
    let route = authgear
        .webhooks([secret])
        .map_err(|error| AUTHGEAR_WEBHOOK_SECRET.bad(error.to_string()))?;
    Ok(Router::new().route("/authgear/webhook", route))
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

async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

async fn readyz(State(authgear): State<Authgear>) -> Response {
    let status = authgear.status();
    let code = match status.health() {
        Health::Healthy | Health::Degraded => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let last_error = status.last_error().map(|error| match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    });
    let answer = json!({
        "status": status.health().as_str(),
        "key_age_secs": status.key_age().map(|age| age.as_secs()),
        "last_error": last_error,
    });
    (code, Json(answer)).into_response()
}

/// RFC 9728 §3: what a client must know of this resource before it can ask for a token.
fn metadata(settings: &Settings) -> Router {
    let Some(public) = &settings.public_url else {
        return Router::new();
    };
    let path = public.metadata_path();
    let document = json!({
        "resource": public.text,
        "authorization_servers": [settings.issuer()],
        "bearer_methods_supported": ["header"],
    });
    let answer = move |uri: Uri| async move {
        // The path is configuration, and not a pattern.
        if uri.path() == path {
            Json(document).into_response()
        } else {
            StatusCode::NOT_FOUND.into_response()
        }
    };
    Router::new()
        .route("/.well-known/oauth-protected-resource", get(answer.clone()))
        .route("/.well-known/oauth-protected-resource/{*path}", get(answer))
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
