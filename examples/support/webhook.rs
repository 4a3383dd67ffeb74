//! What Authgear sends.

use axum::Router;
use axum_authgear::Authgear;

use crate::config::{AUTHGEAR_WEBHOOK_SECRET, Settings};
use crate::project;
use crate::variable::BadVariable;

/// `POST /authgear/webhook`, where there is a secret. It belongs outside of every layer: what comes here
/// has a signature, and no credential of ours. Of several projects it is the first one's.
pub fn router(authgear: &Authgear, settings: &Settings) -> Result<Router, BadVariable> {
    let Some(secret) = &settings.webhook_secret else {
        return Ok(Router::new());
    };
    let route = project::first(authgear, settings)?
        .webhooks([secret])
        .map_err(|error| AUTHGEAR_WEBHOOK_SECRET.bad(error.to_string()))?;
    Ok(Router::new().route("/authgear/webhook", route))
}
