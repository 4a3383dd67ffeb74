//! The settings, as a verifier of the project's credentials.

use std::error::Error;

use axum_authgear::{
    Authgear, AuthgearBuilder, ConfigError, GatewayProof, LiveSessions, Project, ProtectedResource,
    SessionResolver,
};
use ipnet::IpNet;
use url::Url;

use crate::config::{self, Mode, Settings};
use crate::variable::{BadVariable, Variable};

/// What the settings ask for: one project, or several.
pub fn builder(settings: &Settings) -> AuthgearBuilder {
    let mut first = of_project(settings, &settings.endpoint);
    if let Some(url) = &settings.internal_url {
        first = first.internal_url(url);
    }
    for issuer in &settings.former_issuers {
        first = first.former_issuer(issuer);
    }
    let first = in_mode(first, settings, settings.resolver.url.as_ref());
    if settings.projects.is_empty() {
        return of_all(first, settings);
    }
    let others = settings.projects.iter().map(|endpoint| {
        let project = of_project(settings, endpoint);
        in_mode(project, settings, None)
    });
    of_all(
        Authgear::any_of([first].into_iter().chain(others)),
        settings,
    )
}

/// The first of the projects, whose webhooks these are.
///
/// # Errors
/// When it is not there any more.
pub fn first(authgear: &Authgear, settings: &Settings) -> Result<Project, BadVariable> {
    let project = authgear.projects().get(&settings.endpoint);
    project.ok_or_else(|| config::AUTHGEAR_ENDPOINT.bad("is no project"))
}

/// What tokens of a project are like, and how its keys are kept.
fn of_project(settings: &Settings, endpoint: &str) -> AuthgearBuilder {
    let mut builder = Authgear::builder(endpoint);
    for audience in settings.audiences.iter().flatten() {
        builder = builder.audience(audience);
    }
    if let Some(ids) = &settings.client_ids {
        builder = builder.client_ids(ids);
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
    if let Some(leeway) = settings.leeway {
        builder = builder.leeway(leeway);
    }
    if settings.allow_http {
        builder = builder.dangerous().allow_http();
    }
    builder
}

/// What holds for every request, whosever token it has.
fn of_all(mut builder: AuthgearBuilder, settings: &Settings) -> AuthgearBuilder {
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
    if let Some(url) = &settings.redis_url {
        builder = builder.redis(url.as_str());
    }
    builder
}

fn in_mode(
    builder: AuthgearBuilder,
    settings: &Settings,
    resolver_url: Option<&Url>,
) -> AuthgearBuilder {
    let resolver = &settings.resolver;
    let mut how = SessionResolver::new().cookie_prefix(&resolver.cookie_prefix);
    if let Some(url) = resolver_url {
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
    let built = builder.build();
    built.map_err(|error| complaint(error, config::AUTHGEAR_ENDPOINT))
}

/// Starts to verify what the settings ask for, which may be several projects.
pub fn build_for(
    settings: &Settings,
    builder: AuthgearBuilder,
) -> Result<Authgear, Box<dyn Error>> {
    builder.build().map_err(|error| {
        let is_first = settings.projects.is_empty() || is_bad_endpoint(settings);
        let endpoint = if is_first {
            config::AUTHGEAR_ENDPOINT
        } else {
            config::AUTHGEAR_PROJECTS
        };
        complaint(error, endpoint)
    })
}

/// This API, as clients know it, for the tokens that the settings ask for.
pub fn protect(
    authgear: &Authgear,
    resource: ProtectedResource,
) -> Result<Authgear, Box<dyn Error>> {
    let protected = authgear.for_resource(resource.project_audience());
    protected.map_err(|error| complaint(error, config::AUTHGEAR_ENDPOINT))
}

/// The address of this API, where it must have one.
pub fn required_public_url(settings: &Settings) -> Result<&str, BadVariable> {
    let url = settings.public_url.as_deref();
    url.ok_or_else(|| config::PUBLIC_URL.bad("is required"))
}

/// What is wrong, by the name of the variable if there is one.
fn complaint(error: ConfigError, endpoint: Variable) -> Box<dyn Error> {
    match bad_variable(&error, endpoint) {
        Some(bad) => bad.into(),
        None => error.into(),
    }
}

/// The complaint of the builder, if one of its options is what is wrong.
fn bad_variable(error: &ConfigError, endpoint: Variable) -> Option<BadVariable> {
    let variable = match error.option()? {
        "endpoint" => endpoint,
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

/// Whether the endpoint cannot be used even where it is the only one.
fn is_bad_endpoint(settings: &Settings) -> bool {
    let alone = of_project(settings, &settings.endpoint).build();
    alone.is_err_and(|error| error.option() == Some("endpoint"))
}
