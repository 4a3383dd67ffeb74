//! What an orchestrator asks. No credential is looked at.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use axum_authgear::{Authgear, Health, Status};
use serde_json::{Value, json};

use crate::serve::with_causes;

/// `/healthz`, and `/readyz` with what is known of the keys, of each project where there are several.
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
    let mut answer = status_json(&status);
    if let (Value::Object(members), [_, _, ..]) = (&mut answer, status.projects()) {
        let projects = status.projects().iter().map(|project| {
            let mut answer = status_json(project.status());
            if let Value::Object(members) = &mut answer {
                members.insert("issuer".to_owned(), project.issuer().into());
            }
            answer
        });
        members.insert("projects".to_owned(), projects.collect());
    }
    (code, Json(answer)).into_response()
}

fn status_json(status: &Status) -> Value {
    let last_error = status.last_error().map(|error| with_causes(error));
    json!({
        "status": status.health().as_str(),
        "key_age_secs": status.key_age().map(|age| age.as_secs()),
        "last_error": last_error,
    })
}
