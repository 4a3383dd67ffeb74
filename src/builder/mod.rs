//! [`AuthgearBuilder`]: the options, their defaults, and what `build()` refuses.

mod assembly;
mod danger;
mod mode;
mod options;
mod placement;
mod project_plan;
mod projects;
mod setup;
mod urls;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::Algorithm;
use serde::de::DeserializeOwned;

pub use self::danger::Dangerous;
use self::options::{Options, SourceOption};
pub use self::projects::Projects;
use crate::authenticate::Audit;
use crate::authgear::Authgear;
use crate::credential::TokenSource;
use crate::jwks::KeySnapshot;
#[cfg(feature = "redis")]
use crate::revocation::RedisConfig;
use crate::user::NoClaims;
use crate::verify::{LiveSessions, ReadClaims, SessionResolver};

/// Configures an [`Authgear`], from [`Authgear::builder`].
///
/// Only the endpoint is required; every other option has a safe default.
///
/// ```
/// # async fn example() -> Result<(), axum_authgear::ConfigError> {
/// use std::time::Duration;
///
/// use axum_authgear::Authgear;
///
/// let authgear = Authgear::builder("https://my-project.authgear.cloud")
///     .client_ids(["my-web-app", "my-mobile-app", "worker"])
///     // Users' tokens are for the endpoint, machines' for a resource.
///     .audience("https://my-project.authgear.cloud")
///     .audience("https://api.example.com")
///     .token_cookie("__Host-access_token")
///     .trusted_origins(["https://app.example.com"])
///     .leeway(Duration::from_secs(10))
///     // Within the cluster, under the public name.
///     .internal_url("https://authgear.internal:3000")
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `build()` is called"]
pub struct AuthgearBuilder<C = NoClaims> {
    options: Options,
    read_claims: ReadClaims<C>,
    /// Whether these are custom claims, which only a token has.
    reads_claims: bool,
    /// The projects, where there may be several: the options are then those of all of them together.
    projects: Option<Vec<AuthgearBuilder>>,
}

impl Authgear {
    /// Starts to configure the project with this endpoint, such as
    /// `https://my-project.authgear.cloud`: scheme and host as `iss` of its tokens has them. One
    /// trailing slash is dropped.
    pub fn builder(endpoint: impl Into<String>) -> AuthgearBuilder {
        AuthgearBuilder::new(endpoint.into())
    }

    /// Starts to configure an API that takes the tokens of several projects: tenants with a project
    /// each, or staging beside production. Each is a builder of its own; there may be none yet.
    ///
    /// A user, a role, a scope, a client is one *of an issuer*: read [the
    /// page](crate::docs::projects) before you use it.
    ///
    /// ```
    /// # async fn example() -> Result<(), axum_authgear::ConfigError> {
    /// use axum_authgear::Authgear;
    ///
    /// let authgear = Authgear::any_of([
    ///     // What a project's tokens are like.
    ///     Authgear::builder("https://acme.authgear.cloud").client_ids(["acme-web"]),
    ///     Authgear::builder("https://auth.globex.example").audience("https://api.example.com"),
    /// ])
    /// // What holds for all requests.
    /// .token_cookie("access_token")
    /// .trusted_origins(["https://app.example.com"])
    /// .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Options of a project are those about its tokens, keys, sessions and revocations, and an HTTP
    /// client of its own where it needs one. All others are set on what this gives: where credentials
    /// come from, what refused clients are told, custom claims, the cache, Redis. `build()` refuses an
    /// option in the wrong place, and two projects with one issuer.
    ///
    /// A token names its project by its issuer. Authgear's own cookies name none: the mode with the
    /// session resolver alone, and cookies in live sessions, are for one project.
    pub fn any_of(projects: impl IntoIterator<Item = AuthgearBuilder>) -> AuthgearBuilder {
        AuthgearBuilder {
            projects: Some(projects.into_iter().collect()),
            ..AuthgearBuilder::new(String::new())
        }
    }
}

impl AuthgearBuilder {
    fn new(endpoint: String) -> Self {
        Self {
            options: Options::new(endpoint),
            read_claims: |_| Ok(NoClaims),
            reads_claims: false,
            projects: None,
        }
    }
}

/// # Whose tokens are good
impl<C> AuthgearBuilder<C> {
    /// Takes tokens of these OAuth clients alone. Default: any client of the project.
    ///
    /// All clients of a project share the audience, and a *third-party* client's token carries the
    /// user's full roles: an API for its own applications should name them.
    pub fn client_ids<I: IntoIterator<Item: Into<String>>>(mut self, ids: I) -> Self {
        self.options.client_ids = Some(ids.into_iter().map(Into::into).collect());
        self
    }

    /// Takes tokens for this audience. May be called several times: any of them will do. Default:
    /// the endpoint, and only as long as no audience is named.
    ///
    /// User tokens are for the endpoint, machine tokens for a resource: name both to take both.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.options.audiences.push(audience.into());
        self
    }

    /// Also takes tokens of this issuer: the endpoint that the project had before it moved to a custom
    /// domain. May be called several times. Default: none.
    ///
    /// A project that has moved is one project: these tokens are verified with the *same* keys, and
    /// their users, webhooks and revocations are the same ones. [`AuthUser::issuer`](crate::AuthUser::issuer)
    /// is the endpoint for all of them, so that a user stays one user. Authgear answers at the former
    /// address with a redirect, so the endpoint of this builder must be the new one.
    ///
    /// Without [`audience`](Self::audience) a token must be for the origin that its own issuer names.
    /// With it, the audiences that are named there count for all: name the former origin, too.
    ///
    /// It is for tokens that are verified here alone: not with a resolver, live sessions or a gateway.
    pub fn former_issuer(mut self, origin: impl Into<String>) -> Self {
        self.options.former_issuers.push(origin.into());
        self
    }

    /// Declares that a scope includes others: whoever was granted `write:orders` has `read:orders` as
    /// well, wherever scopes are asked for: in requirements, extractors and `has_scope`. May be called
    /// several times; what an included scope includes counts too. Default: a scope is itself alone.
    ///
    /// Challenges ask for the scope that is missing, and for none that another of them includes.
    ///
    /// ```
    /// # use axum_authgear::{Authgear, ConfigError};
    /// # async fn build() -> Result<(), ConfigError> {
    /// let authgear = Authgear::builder("https://my-project.authgear.cloud")
    ///     .scope_includes("write:orders", ["read:orders"])
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn scope_includes<I>(mut self, scope: impl Into<String>, others: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let others = others.into_iter().map(Into::into).collect();
        self.options.scope_inclusions.push((scope.into(), others));
        self
    }

    /// Takes these signature algorithms alone. Default: RS256, which is all that Authgear uses.
    ///
    /// Asymmetric ones only: with a symmetric one, whoever can verify can also sign. `EdDSA` means
    /// the curve Ed25519; the name `Ed25519` (RFC 9864) is the same algorithm, in tokens and in keys.
    pub fn algorithms<I: IntoIterator<Item = Algorithm>>(mut self, algorithms: I) -> Self {
        self.options.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Allows for this much difference between the issuer's clock and ours, wherever the times of
    /// a token are checked. Default: 60 seconds. At most 10 minutes.
    ///
    /// It does not lengthen [`authenticated_within`](crate::authorize::authenticated_within).
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.options.keys.leeway = leeway;
        self
    }

    /// Remembers this many verified tokens, so that the signature of each is checked once. Default:
    /// 10,000; 0 turns it off.
    ///
    /// An entry takes about 768 bytes beside the text of its claims; in all it is at most 2 KiB for
    /// each of the tokens. No token is kept, only a keyed digest of it. Expiry, key, and the age of
    /// the keys are checked on every request all the same.
    pub fn token_cache_capacity(mut self, tokens: usize) -> Self {
        self.options.token_cache_capacity = tokens;
        self
    }

    /// Reads custom claims, added by a hook of the project, into a type of your own:
    /// [`AuthUser<T>`](crate::AuthUser). A user's token without them is refused (401), so make
    /// optional what may be missing.
    ///
    /// ```
    /// # use axum_authgear::{Authgear, AuthUser};
    /// #[derive(serde::Deserialize)]
    /// struct Shop {
    ///     #[serde(rename = "https://shop.example/tenant")]
    ///     tenant: String,
    /// }
    ///
    /// async fn tenant(user: AuthUser<Shop>) -> String {
    ///     user.claims().tenant.clone()
    /// }
    ///
    /// # fn build() -> Result<(), axum_authgear::ConfigError> {
    /// let authgear = Authgear::builder("https://my-project.authgear.cloud")
    ///     .claims::<Shop>()
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn claims<T: DeserializeOwned + Send + Sync + 'static>(self) -> AuthgearBuilder<T> {
        AuthgearBuilder {
            options: self.options,
            reads_claims: true,
            read_claims: |claims| serde_json::from_str(claims),
            projects: self.projects,
        }
    }
}

/// # How a credential is verified
///
/// Without any of these, the JWT is verified here and that is all.
impl<C> AuthgearBuilder<C> {
    /// Asks Authgear's session resolver about every request, and takes its word alone: opaque tokens
    /// and Authgear's own cookies are credentials then, and a disabled user is out at once.
    ///
    /// The resolver names neither client nor scopes, and takes a token of any client of the project,
    /// third-party ones too, with the user's full roles. An API that must tell them apart needs
    /// [`live_sessions`](Self::live_sessions) with [`client_ids`](Self::client_ids).
    pub fn session_resolver(mut self, resolver: SessionResolver) -> Self {
        self.options.resolver = Some(resolver);
        self
    }

    /// Verifies the JWT here, and has its session confirmed by the resolver within a bound.
    pub fn live_sessions(mut self, live: LiveSessions) -> Self {
        self.options.live_sessions = Some(live);
        self
    }

    /// Believes what connections from these networks (`10.0.0.0/8`, or a single address) say in
    /// `X-Forwarded-For`: the client is the last address there that is not of these networks.
    /// Default: none. It matters for what the resolver is told, and for nothing else.
    ///
    /// IPv4 that is written as IPv6 (`::ffff:10.0.0.0/104`) counts as IPv4, in networks and in
    /// addresses. `::/0` holds no address of IPv4.
    pub fn trusted_proxies<I: IntoIterator<Item: Into<String>>>(mut self, networks: I) -> Self {
        self.options.trusted_proxies = networks.into_iter().map(Into::into).collect();
        self
    }
}

/// # Where the token is
impl<C> AuthgearBuilder<C> {
    /// Also takes the token from this cookie, after the `Authorization` header. May be called
    /// several times; the order is that of the calls.
    ///
    /// The name is compared byte by byte, and quotes are a part of the value. A cookie that is empty
    /// (also `""`) is no credential; two of the name with different values are refused.
    ///
    /// Requests that use it are checked against cross-site request forgery, see
    /// [`trusted_origins`](Self::trusted_origins).
    pub fn token_cookie(mut self, name: impl Into<String>) -> Self {
        self.options.sources.push(SourceOption::Cookie(name.into()));
        self
    }

    /// Also takes the token from where this function finds it, after the `Authorization` header
    /// and the sources named before.
    pub fn token_source(mut self, source: TokenSource) -> Self {
        self.options.sources.push(SourceOption::Custom(source));
        self
    }

    /// Lets these origins use a cookie credential for unsafe methods and `WebSocket`s. Default: the
    /// API's own origin alone.
    ///
    /// An origin is written as browsers send it: `https://app.example.com`, in lower case and without
    /// the port that the scheme implies. The view of a native shell and the page of a browser extension
    /// have origins with schemes of their own: `capacitor://localhost`, `tauri://localhost`,
    /// `chrome-extension://<id>`. They are compared with `Origin` byte by byte. `null` and `file:`
    /// stand for many pages and are refused, and so is a wildcard.
    pub fn trusted_origins<I: IntoIterator<Item: Into<String>>>(mut self, origins: I) -> Self {
        self.options.trusted_origins = origins.into_iter().map(Into::into).collect();
        self
    }
}

/// # What handlers may have of it
impl<C> AuthgearBuilder<C> {
    /// Keeps the verified token of each request for its handler, which extracts it as an
    /// [`AccessToken`](crate::AccessToken). Default: off, no token outlives its verification.
    ///
    /// It costs one copy of the token for each request, which is overwritten when the request is done.
    /// See [`AccessToken`](crate::AccessToken) for what speaks against passing a token on. Behind a
    /// gateway no token is read here: it is a `ConfigError` there.
    pub fn keep_access_tokens(mut self) -> Self {
        self.options.keep_access_tokens = true;
        self
    }
}

/// # What a refused client is told
impl<C> AuthgearBuilder<C> {
    /// Names the protection space in challenges (RFC 9110 §11.5). Default: none.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.options.realm = Some(realm.into());
        self
    }

    /// Names the address of the protected resource's metadata in challenges (RFC 9728 §5.1).
    /// Default: none. For an API whose metadata somebody else serves; see
    /// [`for_resource`](Authgear::for_resource) else.
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.options.resource_metadata = Some(url.into());
        self
    }
}

/// # What is told of requests
impl<C> AuthgearBuilder<C> {
    /// Puts the user's id into the span `authenticate`. Default: it stays out of spans and logs,
    /// for it is personal data in many places.
    pub fn trace_user_ids(mut self) -> Self {
        self.options.trace_user_ids = true;
        self
    }

    /// Adds the label `issuer` to the metrics of keys, and counts the verified and refused tokens of each
    /// [project](crate::docs::projects). Default: off, because many tenants are many time series, and their
    /// names may not be for everyone who reads metrics.
    ///
    /// The label is the endpoint of a project that is configured here. What a token says cannot make another
    /// value.
    #[cfg(feature = "metrics")]
    #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
    pub fn label_metrics_by_issuer(mut self) -> Self {
        self.options.label_metrics_by_issuer = true;
        self
    }

    /// Gives an account of every decision: one event at INFO, on the target `axum_authgear::audit`, for
    /// each request that a layer or [`forward_auth`](Authgear::forward_auth) decides about. Default: off.
    ///
    /// Exactly one, whether the request passes, is refused here or further inside, or is cancelled. It says
    /// what was decided and why, the client, the route and the requirement, and nothing else of the token.
    /// The fields, and how to keep them as an audit trail, are in
    /// [operations](crate::docs::operations#accounts-of-decisions).
    pub fn audit_decisions(mut self) -> Self {
        if self.options.audit == Audit::Off {
            self.options.audit = Audit::WithoutUsers;
        }
        self
    }

    /// Names the user in these accounts, and turns them on
    /// ([`audit_decisions`](Self::audit_decisions)). Default: they name none, for the id is personal data
    /// in many places.
    pub fn audit_user_ids(mut self) -> Self {
        self.options.audit = Audit::WithUsers;
        self
    }
}

/// # How keys are fetched and kept
impl<C> AuthgearBuilder<C> {
    /// Fetches the keys anew after this time, at 80 % of it and a little before. Default: 5
    /// minutes. Less than [`max_stale`](Self::jwks_max_stale).
    ///
    /// A `Cache-Control: max-age` of the server counts instead, between one minute and half of the
    /// staleness bound. Authgear sends none.
    pub fn jwks_refresh_interval(mut self, interval: Duration) -> Self {
        self.options.keys.refresh_interval = interval;
        self
    }

    /// Fetches keys on demand of a request (for a token with an unknown key) at most once in this
    /// time. Default: 10 seconds. This is what a flood of invented tokens costs.
    ///
    /// While there are no usable keys, a failed fetch is repeated after this time at the latest, also
    /// without a request: a service that is not ready gets none. (Otherwise the pauses grow to a
    /// minute.) A fetch that takes as long as the cooldown is followed by a pause of a second.
    pub fn jwks_cooldown(mut self, cooldown: Duration) -> Self {
        self.options.keys.cooldown = cooldown;
        self
    }

    /// Trusts known keys for this long without a successful refresh; after that requests are
    /// answered with 503 until one succeeds. Default: 1 hour.
    pub fn jwks_max_stale(mut self, bound: Duration) -> Self {
        self.options.keys.max_stale = bound;
        self
    }

    /// Fetches the keys from this address, without discovery. It may be of another origin than the
    /// endpoint: whoever controls it can sign tokens.
    pub fn jwks_uri(mut self, url: impl Into<String>) -> Self {
        self.options.jwks_uri = Some(url.into());
        self
    }

    /// Keeps the last good keys in this folder, so that they serve at the next start while Authgear
    /// cannot be reached. Default: none, and a process that starts then answers 503 until it can.
    ///
    /// They serve until [`jwks_max_stale`](Self::jwks_max_stale) has passed since the *start* of the
    /// fetch that brought them, by the wall clock; nothing else lengthens that. `build()` does not read
    /// the folder: requests that come first wait for it, as for a fetch.
    ///
    /// The folder need not exist. Several projects and several replicas may share it: each project
    /// has a file of its own, in a sub-folder `axum-authgear` that only this user may enter, and younger
    /// keys are never replaced by older ones. One that cannot be made, read or written costs a line
    /// in the log, and no request.
    ///
    /// **Who may write there chooses the keys, and can sign in as anybody.** A file or sub-folder of
    /// another user, or that everybody may write to, a link and a pipe are refused.
    ///
    /// It is for systems where files have an owner and a mode (Unix); elsewhere `build()` refuses it.
    /// Modes that need no keys do not use it.
    pub fn key_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.key_dir = Some(path.into());
        self
    }

    /// Serves these keys until others have been fetched: the text of a key set (RFC 7517 §5), and when
    /// somebody began to fetch it. Default: none. For a process that must start without the network,
    /// and has no disk to keep keys on.
    ///
    /// It serves until [`jwks_max_stale`](Self::jwks_max_stale) has passed since then, by the wall
    /// clock. Give the time of the fetch, and not that of a file, which a copy makes younger. One that is older, or from the future, is not used, which a line in the log says. A text
    /// that is longer than 256 KiB, or has no key for the [`algorithms`](Self::algorithms), is a
    /// [`ConfigError`](crate::ConfigError).
    ///
    /// ```
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// use axum_authgear::Authgear;
    ///
    /// // Written by whoever deploys this:
    /// // date +%s >fetched_at; curl -fsS https://my-project.authgear.cloud/oauth2/jwks >jwks.json
    /// let fetched_at: u64 = std::fs::read_to_string("fetched_at")?.trim().parse()?;
    /// let authgear = Authgear::builder("https://my-project.authgear.cloud")
    ///     .jwks_seed(
    ///         std::fs::read_to_string("jwks.json")?,
    ///         UNIX_EPOCH + Duration::from_secs(fetched_at),
    ///     )
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn jwks_seed(mut self, key_set: impl Into<String>, fetched_at: SystemTime) -> Self {
        self.options.jwks_seed = Some(KeySnapshot {
            text: key_set.into().into(),
            // Before 1970 is too old in any case.
            fetched_at: fetched_at.duration_since(UNIX_EPOCH).unwrap_or_default(),
        });
        self
    }

    /// Reaches Authgear's main server (discovery and keys) at this origin, inside of a cluster for
    /// example. It is asked with the public `Host`, `X-Forwarded-Host` and `X-Forwarded-Proto`.
    pub fn internal_url(mut self, url: impl Into<String>) -> Self {
        self.options.internal_url = Some(url.into());
        self
    }
}

/// # Users and tokens that were ended
impl<C> AuthgearBuilder<C> {
    /// Remembers ended users for this long. Default: 24 hours. Between 1 minute and 30 days, and at
    /// least the longest lifetime of an access token in the project's applications.
    ///
    /// Once a webhook, a shared log, or this option turns revocation on, a *user's* token that was
    /// issued longer ago, or does not say when, is refused, for what ended it may have been
    /// forgotten. Machines' tokens are not.
    pub fn revocation_retention(mut self, retention: Duration) -> Self {
        self.options.revocation_retention = Some(retention);
        self
    }
}

/// # Webhooks
#[cfg(feature = "webhook")]
impl<C> AuthgearBuilder<C> {
    /// The secrets that this project's webhooks may be signed with, for
    /// [`webhook_service`](Authgear::webhook_service), which is for projects that come and go. Where there is
    /// a route for the project, [`Authgear::webhooks`] takes them instead. Default: none.
    ///
    /// Turns revocation on, see [`revocation_retention`](Self::revocation_retention).
    pub fn webhook_secrets<I: IntoIterator<Item: Into<String>>>(mut self, secrets: I) -> Self {
        self.options.webhook_secrets = Some(secrets.into_iter().map(Into::into).collect());
        self
    }
}

/// # What replicas share
#[cfg(feature = "redis")]
impl<C> AuthgearBuilder<C> {
    /// Shares ended users and tokens with all replicas of this API through a Redis or Valkey
    /// server: a [`RedisConfig`], or its URL. Default: none.
    ///
    /// Requests do not wait for it, but for one exception: until what it holds has been read once,
    /// they wait, for 2 seconds after `build()` at most. Turns revocation on, see
    /// [`revocation_retention`](Self::revocation_retention).
    pub fn redis(mut self, redis: impl Into<RedisConfig>) -> Self {
        self.options.redis = Some(redis.into());
        self
    }
}

/// # The outbound HTTP client
impl<C> AuthgearBuilder<C> {
    /// Trusts this root certificate instead of the system's. May be called several times.
    pub fn root_certificate(mut self, certificate: reqwest::Certificate) -> Self {
        self.options.http.root_certificates.push(certificate);
        self
    }

    /// Sends requests through this proxy. Default: none, whatever the environment says.
    pub fn proxy(mut self, proxy: reqwest::Proxy) -> Self {
        self.options.http.proxy = Some(proxy);
        self
    }

    /// Connects to this address for this host name, which stays the one in certificates. May be
    /// called several times.
    pub fn resolve(mut self, host: impl Into<String>, address: SocketAddr) -> Self {
        self.options.http.resolve.push((host.into(), address));
        self
    }

    /// Waits this long for a connection. Default: 2 seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.options.http.timeouts.connect = timeout;
        self
    }

    /// Waits this long for a whole answer. Default: 5 seconds.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.options.http.timeouts.total = timeout;
        self
    }

    /// Uses this client instead of one of our own. Certificates, proxy, resolution and the connect
    /// timeout are then its own. Default: a client with everything pinned that a feature of reqwest
    /// could change, whichever crate of the program turns it on.
    ///
    /// Nothing is pinned in a client of yours. It must follow no redirects
    /// (`redirect(Policy::none())`) and keep no cookies: an answer from another address is refused,
    /// but the redirect was followed before. Where an address is internal
    /// ([`internal_url`](Self::internal_url), a resolver of another origin) it must speak HTTP/1.1
    /// (`http1_only()`): in HTTP/2 the internal host is `:authority` and the public one a second
    /// field, `Host`, and nginx answers 400. Set `no_proxy()`, `tls_backend_rustls()`,
    /// `no_hickory_dns()` and `retry(never())` too, unless you mean otherwise.
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.options.http.client = Some(client);
        self
    }
}

/// Shows no option: nothing has been checked yet, and a URL may have a password in it.
impl<C> fmt::Debug for AuthgearBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthgearBuilder").finish_non_exhaustive()
    }
}
