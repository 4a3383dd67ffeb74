//! What an orchestrator asks. No credential is looked at.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use axum_authgear::{Authgear, Health};
use serde_json::{Value, json};

use crate::serve::with_causes;

/// `/healthz`, and `/readyz` with what is known of the keys.
pub fn router(authgear: &Authgear) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .layer(authgear.open())
        .with_state(authgear.clone())
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
    let last_error = status.last_error().map(|error| with_causes(error));
    let answer = json!({
        "status": status.health().as_str(),
        "key_age_secs": status.key_age().map(|age| age.as_secs()),
        "last_error": last_error,
    });
    (code, Json(answer)).into_response()
}
