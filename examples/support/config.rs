//! The environment, as typed settings.
//!
//! A variable that is set must have a good value, those that the chosen mode does not use included.
//! `AUTHGEAR_COOKIE_PREFIX` alone may be empty, which is its default.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use url::{Host, Url};

use crate::variable::{BadVariable, Variable};

/// The project's endpoint; one trailing slash is dropped. Required.
pub(crate) const AUTHGEAR_ENDPOINT: Variable = Variable("AUTHGEAR_ENDPOINT");
/// Endpoints of further projects whose tokens count as well. Default: none.
pub(crate) const AUTHGEAR_PROJECTS: Variable = Variable("AUTHGEAR_PROJECTS");
/// Where to listen; port 0 takes a free one. Default: `127.0.0.1:3000`.
pub(crate) const LISTEN: Variable = Variable("LISTEN");
/// `jwt`, `resolver`, `jwt+resolver` or `gateway`. Default: `jwt`.
pub const AUTHGEAR_VERIFY: Variable = Variable("AUTHGEAR_VERIFY");
/// Audiences, any of which will do. Default: the endpoint.
pub(crate) const AUTHGEAR_AUDIENCE: Variable = Variable("AUTHGEAR_AUDIENCE");
/// Clients whose tokens are taken. Default: any.
pub(crate) const AUTHGEAR_CLIENT_IDS: Variable = Variable("AUTHGEAR_CLIENT_IDS");
/// A cookie that the token may be in, too. Default: none.
pub(crate) const AUTHGEAR_TOKEN_COOKIE: Variable = Variable("AUTHGEAR_TOKEN_COOKIE");
/// The prefix of Authgear's own cookies. Default: empty.
pub(crate) const AUTHGEAR_COOKIE_PREFIX: Variable = Variable("AUTHGEAR_COOKIE_PREFIX");
/// An internal origin of Authgear, for discovery and keys. Default: none.
pub(crate) const AUTHGEAR_INTERNAL_URL: Variable = Variable("AUTHGEAR_INTERNAL_URL");
/// The session resolver. Default: `/_resolver/resolve` at the endpoint.
pub(crate) const AUTHGEAR_RESOLVER_URL: Variable = Variable("AUTHGEAR_RESOLVER_URL");
/// How long a resolver's answer is kept. Default: 0, not at all.
pub(crate) const AUTHGEAR_RESOLVER_CACHE_SECS: Variable = Variable("AUTHGEAR_RESOLVER_CACHE_SECS");
/// `jwt+resolver`: how old a session's check may be. Default: 10.
pub const AUTHGEAR_RECHECK_SECS: Variable = Variable("AUTHGEAR_RECHECK_SECS");
/// `jwt+resolver`: how long the token counts alone while the resolver is away. Default: 0.
pub(crate) const AUTHGEAR_GRACE_SECS: Variable = Variable("AUTHGEAR_GRACE_SECS");
/// `jwt+resolver`: `1` takes Authgear's own cookies too. Default: `0`.
pub(crate) const AUTHGEAR_SESSION_COOKIES: Variable = Variable("AUTHGEAR_SESSION_COOKIES");
/// `jwt`: former origins of the project, whose tokens count as well. Default: none.
pub(crate) const AUTHGEAR_FORMER_ISSUERS: Variable = Variable("AUTHGEAR_FORMER_ISSUERS");
/// A folder that keeps the last good keys for the next start. Default: none.
pub(crate) const AUTHGEAR_KEY_DIR: Variable = Variable("AUTHGEAR_KEY_DIR");
/// `gateway`: the proof that a request came through it. Required there.
pub(crate) const AUTHGEAR_GATEWAY_SECRET: Variable = Variable("AUTHGEAR_GATEWAY_SECRET");
/// At most one fetch of keys on demand in this time. Default: 10.
pub(crate) const AUTHGEAR_JWKS_COOLDOWN_SECS: Variable = Variable("AUTHGEAR_JWKS_COOLDOWN_SECS");
/// The age at which keys are renewed. Default: 300.
pub(crate) const AUTHGEAR_JWKS_REFRESH_SECS: Variable = Variable("AUTHGEAR_JWKS_REFRESH_SECS");
/// How long keys serve without a successful renewal. Default: 3600.
pub(crate) const AUTHGEAR_JWKS_MAX_STALE_SECS: Variable = Variable("AUTHGEAR_JWKS_MAX_STALE_SECS");
/// How far clocks may differ. Default: 60.
pub(crate) const AUTHGEAR_LEEWAY_SECS: Variable = Variable("AUTHGEAR_LEEWAY_SECS");
/// `1` allows plain http to Authgear beyond loopback. Default: `0`.
pub(crate) const AUTHGEAR_ALLOW_HTTP: Variable = Variable("AUTHGEAR_ALLOW_HTTP");
/// Networks (or addresses) whose `X-Forwarded-For` is believed. Default: none.
pub(crate) const TRUSTED_PROXIES: Variable = Variable("TRUSTED_PROXIES");
/// Origins that may use a cookie for unsafe requests. Default: none.
pub const TRUSTED_ORIGINS: Variable = Variable("TRUSTED_ORIGINS");
/// This API's own URL: publishes its metadata (RFC 9728). Default: none.
pub(crate) const PUBLIC_URL: Variable = Variable("PUBLIC_URL");
/// Takes Authgear's webhooks, which this secret signs. Default: none.
pub const AUTHGEAR_WEBHOOK_SECRET: Variable = Variable("AUTHGEAR_WEBHOOK_SECRET");
/// Shares ended users and sessions among replicas. Default: none.
pub(crate) const REDIS_URL: Variable = Variable("REDIS_URL");

/// Everything that the environment says. What is `None` has the crate's default.
#[expect(missing_debug_implementations, reason = "it holds secrets")]
pub struct Settings {
    pub(crate) listen: SocketAddr,
    /// How credentials are verified.
    pub mode: Mode,
    pub(crate) endpoint: String,
    pub(crate) projects: Vec<String>,
    pub(crate) audiences: Option<Vec<String>>,
    pub(crate) client_ids: Option<Vec<String>>,
    pub(crate) former_issuers: Vec<String>,
    pub(crate) token_cookie: Option<String>,
    pub(crate) internal_url: Option<String>,
    pub(crate) keys: KeySettings,
    pub(crate) leeway: Option<Duration>,
    pub(crate) allow_http: bool,
    pub(crate) trusted_origins: Option<Vec<String>>,
    /// This API's own URL.
    pub public_url: Option<String>,
    pub(crate) resolver: ResolverSettings,
    pub(crate) gateway_secret: Option<String>,
    /// What signs Authgear's webhooks.
    pub webhook_secret: Option<String>,
    pub(crate) redis_url: Option<String>,
}

/// How credentials are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// By the token alone.
    Jwt,
    /// Authgear's resolver is asked.
    Resolver,
    /// By the token, while the resolver says that its session is alive.
    LiveSession,
    /// A gateway in front has done it.
    Gateway,
}

impl Mode {
    /// Whether audience and client of a credential are known.
    fn sees_the_token(self) -> bool {
        matches!(self, Self::Jwt | Self::LiveSession)
    }
}

/// How keys are kept.
pub(crate) struct KeySettings {
    pub(crate) cooldown: Option<Duration>,
    pub(crate) refresh_interval: Option<Duration>,
    pub(crate) max_stale: Option<Duration>,
    pub(crate) folder: Option<PathBuf>,
}

/// How the session resolver is asked.
pub(crate) struct ResolverSettings {
    pub(crate) url: Option<Url>,
    pub(crate) cookie_prefix: String,
    pub(crate) cache: Duration,
    pub(crate) recheck: Duration,
    pub(crate) grace: Duration,
    pub(crate) session_cookies: bool,
    pub(crate) trusted_proxies: Vec<IpNet>,
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, BadVariable> {
        Self::at(endpoint()?.ok_or_else(|| AUTHGEAR_ENDPOINT.bad("is required"))?)
    }

    /// The settings for the project at this endpoint, whatever the environment says of that.
    pub fn at(endpoint: String) -> Result<Self, BadVariable> {
        let mode = mode()?;
        let allow_http = AUTHGEAR_ALLOW_HTTP.flag()?;
        Ok(Self {
            listen: listen()?,
            mode,
            projects: projects(&endpoint, mode)?,
            endpoint,
            audiences: token_list(AUTHGEAR_AUDIENCE, mode)?,
            client_ids: token_list(AUTHGEAR_CLIENT_IDS, mode)?,
            former_issuers: former_issuers(mode)?,
            token_cookie: AUTHGEAR_TOKEN_COOKIE.text()?,
            internal_url: AUTHGEAR_INTERNAL_URL.text()?,
            keys: KeySettings::from_env()?,
            leeway: AUTHGEAR_LEEWAY_SECS.seconds()?,
            allow_http,
            trusted_origins: TRUSTED_ORIGINS.list()?,
            public_url: PUBLIC_URL.text()?,
            resolver: ResolverSettings::from_env(allow_http)?,
            gateway_secret: gateway_secret(mode)?,
            webhook_secret: AUTHGEAR_WEBHOOK_SECRET.text()?,
            redis_url: REDIS_URL.text()?,
        })
    }
}

/// The project's endpoint, if one is named.
pub fn endpoint() -> Result<Option<String>, BadVariable> {
    AUTHGEAR_ENDPOINT.text()
}

impl KeySettings {
    fn from_env() -> Result<Self, BadVariable> {
        let keys = Self {
            cooldown: AUTHGEAR_JWKS_COOLDOWN_SECS.seconds()?,
            refresh_interval: AUTHGEAR_JWKS_REFRESH_SECS.seconds()?,
            max_stale: AUTHGEAR_JWKS_MAX_STALE_SECS.seconds()?,
            folder: AUTHGEAR_KEY_DIR.path()?,
        };
        // The builder refuses it too, but would name a variable that may not be set.
        if let (None, Some(bound)) = (keys.refresh_interval, keys.max_stale)
            && bound <= DEFAULT_REFRESH_INTERVAL
        {
            return Err(AUTHGEAR_JWKS_MAX_STALE_SECS.bad(format!(
                "{} is not more than the default of {AUTHGEAR_JWKS_REFRESH_SECS}: set that, too",
                bound.as_secs()
            )));
        }
        Ok(keys)
    }
}

const DEFAULT_REFRESH_INTERVAL: Duration = Duration::from_secs(5 * 60);

impl ResolverSettings {
    fn from_env(allow_http: bool) -> Result<Self, BadVariable> {
        Ok(Self {
            url: resolver_url(allow_http)?,
            cookie_prefix: cookie_prefix()?,
            cache: AUTHGEAR_RESOLVER_CACHE_SECS.seconds()?.unwrap_or_default(),
            recheck: AUTHGEAR_RECHECK_SECS
                .seconds()?
                .unwrap_or(Duration::from_secs(10)),
            grace: AUTHGEAR_GRACE_SECS.seconds()?.unwrap_or_default(),
            session_cookies: AUTHGEAR_SESSION_COOKIES.flag()?,
            trusted_proxies: trusted_proxies()?,
        })
    }
}

fn listen() -> Result<SocketAddr, BadVariable> {
    match LISTEN.text()? {
        None => Ok(SocketAddr::from(([127, 0, 0, 1], 3000))),
        Some(text) => text
            .parse()
            .map_err(|_| LISTEN.bad(format!("{text:?} is not an IP address with a port"))),
    }
}

fn mode() -> Result<Mode, BadVariable> {
    Ok(match AUTHGEAR_VERIFY.text()?.as_deref() {
        None | Some("jwt") => Mode::Jwt,
        Some("resolver") => Mode::Resolver,
        Some("jwt+resolver") => Mode::LiveSession,
        Some("gateway") => Mode::Gateway,
        Some(other) => {
            return Err(AUTHGEAR_VERIFY.bad(format!(
                "{other:?} is not jwt, resolver, jwt+resolver or gateway"
            )));
        }
    })
}

/// A list that only a mode which sees the token can compare with something.
fn token_list(variable: Variable, mode: Mode) -> Result<Option<Vec<String>>, BadVariable> {
    let list = variable.list()?;
    if list.is_some() && !mode.sees_the_token() {
        return Err(variable.bad(format!("cannot be checked with this {AUTHGEAR_VERIFY}")));
    }
    Ok(list)
}

/// Further projects: each is named once.
fn projects(endpoint: &str, mode: Mode) -> Result<Vec<String>, BadVariable> {
    let variable = AUTHGEAR_PROJECTS;
    let Some(projects) = variable.list()? else {
        return Ok(Vec::new());
    };
    if !mode.sees_the_token() {
        return Err(variable.bad(format!("cannot be told apart with this {AUTHGEAR_VERIFY}")));
    }
    if AUTHGEAR_SESSION_COOKIES.flag()? {
        return Err(AUTHGEAR_SESSION_COOKIES.bad(format!(
            "cannot be 1 with {AUTHGEAR_PROJECTS}: a cookie names no project"
        )));
    }
    let bare = |endpoint: &str| endpoint.strip_suffix('/').unwrap_or(endpoint).to_owned();
    let mut named = vec![bare(endpoint)];
    for project in &projects {
        let project = bare(project);
        if named.contains(&project) {
            return Err(variable.bad("names a project that is named before"));
        }
        named.push(project);
    }
    Ok(projects)
}

/// The resolver compares the audience of a token with its own host.
fn former_issuers(mode: Mode) -> Result<Vec<String>, BadVariable> {
    let list = AUTHGEAR_FORMER_ISSUERS.list()?;
    if list.is_some() && mode != Mode::Jwt {
        return Err(AUTHGEAR_FORMER_ISSUERS.bad("is for the mode jwt alone"));
    }
    Ok(list.unwrap_or_default())
}

fn cookie_prefix() -> Result<String, BadVariable> {
    let variable = AUTHGEAR_COOKIE_PREFIX;
    let prefix = variable.value()?.unwrap_or_default();
    // A cookie's name is made of the same characters as a header's.
    if HeaderName::from_bytes(format!("{prefix}session").as_bytes()).is_err() {
        return Err(variable.bad(format!("{prefix:?} cannot begin the name of a cookie")));
    }
    Ok(prefix)
}

fn resolver_url(allow_http: bool) -> Result<Option<Url>, BadVariable> {
    let variable = AUTHGEAR_RESOLVER_URL;
    let Some(url) = variable.url()? else {
        return Ok(None);
    };
    if !(allow_http || url.scheme() == "https" || is_loopback(&url)) {
        return Err(variable.bad(format!("must be https, unless {AUTHGEAR_ALLOW_HTTP} is 1")));
    }
    Ok(Some(url))
}

fn trusted_proxies() -> Result<Vec<IpNet>, BadVariable> {
    let networks = TRUSTED_PROXIES.list()?.unwrap_or_default();
    networks
        .iter()
        .map(|text| {
            // `IpNet` alone takes leading zeros, which other programs read as octal numbers.
            let address = text.split('/').next().and_then(|start| start.parse().ok());
            address
                .and_then(|address: IpAddr| {
                    let is_alone = !text.contains('/');
                    is_alone
                        .then(|| address.into())
                        .or_else(|| text.parse().ok())
                })
                .ok_or_else(|| {
                    TRUSTED_PROXIES.bad(format!("{text:?} is not a network such as 10.0.0.0/8"))
                })
        })
        .collect()
}

fn gateway_secret(mode: Mode) -> Result<Option<String>, BadVariable> {
    let variable = AUTHGEAR_GATEWAY_SECRET;
    let secret = variable.text()?;
    match &secret {
        None if mode == Mode::Gateway => Err(variable.bad("is required by the mode gateway")),
        Some(text) if text.chars().count() < 32 => {
            Err(variable.bad("is shorter than 32 characters"))
        }
        Some(text) if HeaderValue::from_str(text).is_err() => {
            Err(variable.bad("has characters that no header can carry"))
        }
        _ => Ok(secret),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
