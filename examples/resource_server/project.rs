//! The settings, as a verifier of the project's credentials.

use std::error::Error;

use axum_authgear::authorize::ScopeName;
use axum_authgear::{Authgear, ProtectedResource};

use crate::config::{self, BadVariable, Mode, Settings};
use crate::routes::{ReadOrders, WriteOrders};

/// Starts to verify. It does not wait for Authgear.
pub(crate) fn authgear(settings: &Settings) -> Result<Authgear, Box<dyn Error>> {
    refuse_what_is_not_built(settings)?;
    let mut builder = Authgear::builder(&settings.endpoint);
    for audience in settings.audiences.iter().flatten() {
        builder = builder.audience(audience);
    }
    if let Some(ids) = &settings.client_ids {
        builder = builder.client_ids(ids);
    }
    if let Some(name) = &settings.token_cookie {
        builder = builder.token_cookie(name);
    }
    if let Some(origins) = &settings.trusted_origins {
        builder = builder.trusted_origins(origins);
    }
    if let Some(url) = &settings.internal_url {
        builder = builder.internal_url(url);
    }
    if let Some(cooldown) = settings.keys.cooldown {
        builder = builder.jwks_cooldown(cooldown);
    }
    if let Some(interval) = settings.keys.refresh_interval {
        builder = builder.jwks_refresh_interval(interval);
    }
    if let Some(bound) = settings.keys.max_stale {
        builder = builder.jwks_max_stale(bound);
    }
    if let Some(leeway) = settings.leeway {
        builder = builder.leeway(leeway);
    }
    if let Some(url) = &settings.public_url {
        let resource = ProtectedResource::new(url).scopes([ReadOrders::NAME, WriteOrders::NAME]);
        builder = builder.protected_resource(resource);
    }
    if settings.allow_http {
        builder = builder.dangerous().allow_http();
    }
    builder
        .build()
        .map_err(|error| match BadVariable::from_config(&error) {
            Some(bad) => bad.into(),
            None => error.into(),
        })
}

/// A promise that cannot be kept is worse than none.
fn refuse_what_is_not_built(settings: &Settings) -> Result<(), BadVariable> {
    if settings.mode != Mode::Jwt {
        return Err(config::AUTHGEAR_VERIFY.bad("only jwt is built yet"));
    }
    if settings.webhook_secret.is_some() {
        return Err(config::AUTHGEAR_WEBHOOK_SECRET.bad("webhooks are not built yet"));
    }
    if settings.redis_url.is_some() {
        return Err(config::REDIS_URL.bad("sharing among replicas is not built yet"));
    }
    Ok(())
}
