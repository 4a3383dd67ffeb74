//! The settings, as a verifier of the project's credentials.

use std::error::Error;

use axum_authgear::{
    Authgear, AuthgearBuilder, ConfigError, GatewayProof, LiveSessions, ProtectedResource,
    SessionResolver,
};
use ipnet::IpNet;

use crate::config::{self, Mode, Settings};
use crate::variable::BadVariable;

/// What the settings ask for.
pub fn builder(settings: &Settings) -> AuthgearBuilder {
    let mut builder = Authgear::builder(&settings.endpoint);
    for audience in settings.audiences.iter().flatten() {
        builder = builder.audience(audience);
    }
    if let Some(ids) = &settings.client_ids {
        builder = builder.client_ids(ids);
    }
    // Behind a gateway no token is read.
    if let Some(name) = &settings.token_cookie
        && settings.mode != Mode::Gateway
    {
        builder = builder.token_cookie(name);
    }
    builder = builder.trusted_proxies(
        settings
            .resolver
            .trusted_proxies
            .iter()
            .map(IpNet::to_string),
    );
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
    if let Some(folder) = &settings.keys.folder {
        builder = builder.key_dir(folder);
    }
    for issuer in &settings.former_issuers {
        builder = builder.former_issuer(issuer);
    }
    if let Some(leeway) = settings.leeway {
        builder = builder.leeway(leeway);
    }
    if let Some(url) = &settings.redis_url {
        builder = builder.redis(url.as_str());
    }
    if settings.allow_http {
        builder = builder.dangerous().allow_http();
    }
    in_mode(builder, settings)
}

fn in_mode(builder: AuthgearBuilder, settings: &Settings) -> AuthgearBuilder {
    let resolver = &settings.resolver;
    let mut how = SessionResolver::new().cookie_prefix(&resolver.cookie_prefix);
    if let Some(url) = &resolver.url {
        how = how.url(url.as_str());
    }
    match settings.mode {
        Mode::Jwt => builder,
        Mode::Resolver => builder.session_resolver(how.cache_ttl(resolver.cache)),
        Mode::LiveSession => {
            let mut live = LiveSessions::within(resolver.recheck)
                .grace_period(resolver.grace)
                .session_resolver(how);
            if resolver.session_cookies {
                live = live.session_cookies();
            }
            builder.live_sessions(live)
        }
        Mode::Gateway => {
            // Without one, the settings are bad.
            let secret = settings.gateway_secret.as_deref().unwrap_or_default();
            builder.dangerous().gateway(GatewayProof::secret(secret))
        }
    }
}

/// Starts to verify. It does not wait for Authgear.
pub fn build(builder: AuthgearBuilder) -> Result<Authgear, Box<dyn Error>> {
    builder.build().map_err(|error| match bad_variable(&error) {
        Some(bad) => bad.into(),
        None => error.into(),
    })
}

/// This API, as clients know it, for the tokens that the settings ask for.
pub fn protect(
    authgear: &Authgear,
    resource: ProtectedResource,
) -> Result<Authgear, Box<dyn Error>> {
    authgear
        .for_resource(resource.project_audience())
        .map_err(|error| match bad_variable(&error) {
            Some(bad) => bad.into(),
            None => error.into(),
        })
}

/// The address of this API, where it must have one.
pub fn required_public_url(settings: &Settings) -> Result<&str, BadVariable> {
    let url = settings.public_url.as_deref();
    url.ok_or_else(|| config::PUBLIC_URL.bad("is required"))
}

/// The complaint of the builder, if one of its options is what is wrong.
fn bad_variable(error: &ConfigError) -> Option<BadVariable> {
    let variable = match error.option()? {
        "endpoint" => config::AUTHGEAR_ENDPOINT,
        "audience" => config::AUTHGEAR_AUDIENCE,
        "client_ids" => config::AUTHGEAR_CLIENT_IDS,
        "token_cookie" => config::AUTHGEAR_TOKEN_COOKIE,
        "internal_url" => config::AUTHGEAR_INTERNAL_URL,
        "jwks_cooldown" => config::AUTHGEAR_JWKS_COOLDOWN_SECS,
        "jwks_refresh_interval" => config::AUTHGEAR_JWKS_REFRESH_SECS,
        "jwks_max_stale" => config::AUTHGEAR_JWKS_MAX_STALE_SECS,
        "leeway" => config::AUTHGEAR_LEEWAY_SECS,
        "former_issuer" => config::AUTHGEAR_FORMER_ISSUERS,
        "key_dir" => config::AUTHGEAR_KEY_DIR,
        "grace_period" => config::AUTHGEAR_GRACE_SECS,
        "trusted_origins" => config::TRUSTED_ORIGINS,
        "protected_resource" => config::PUBLIC_URL,
        "url" => config::AUTHGEAR_RESOLVER_URL,
        "cookie_prefix" => config::AUTHGEAR_COOKIE_PREFIX,
        "cache_ttl" => config::AUTHGEAR_RESOLVER_CACHE_SECS,
        "live_sessions" => config::AUTHGEAR_RECHECK_SECS,
        "gateway" => config::AUTHGEAR_GATEWAY_SECRET,
        "trusted_proxies" => config::TRUSTED_PROXIES,
        "redis" => config::REDIS_URL,
        _ => return None,
    };
    Some(match error {
        // A value that is not shown, for it may be a secret.
        ConfigError::Invalid { value, reason, .. } if value.is_empty() => variable.bad(*reason),
        ConfigError::Invalid { value, reason, .. } => variable.bad(format!("{value:?} {reason}")),
        other => variable.bad(other.to_string()),
    })
}
