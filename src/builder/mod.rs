//! [`AuthgearBuilder`]: the options, their defaults, and the checks of `build()`.

mod assembly;
mod danger;
mod mode;
mod options;
mod placement;
mod project_plan;
mod projects;
mod setup;
mod urls;

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
use crate::macros::redacted_debug;
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
///     // Inside of the cluster, with the public host name.
///     .internal_url("https://authgear.internal:3000")
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `build()` is called"]
pub struct AuthgearBuilder<C = NoClaims> {
    options: Options,
    read_claims: ReadClaims<C>,
    /// Whether these are custom claims. Only a token has them.
    reads_claims: bool,
    /// The projects, if there can be several. The options are then common to all of them.
    projects: Option<Vec<AuthgearBuilder>>,
}

impl Authgear {
    /// Starts the configuration of the project with this endpoint, such as
    /// `https://my-project.authgear.cloud`: scheme and host as in the `iss` of its tokens. One trailing
    /// slash is dropped.
    pub fn builder(endpoint: impl Into<String>) -> AuthgearBuilder {
        AuthgearBuilder::new(endpoint.into())
    }

    /// Starts the configuration of an API that accepts the tokens of several projects: a project per
    /// tenant, or staging beside production. Each project has its own builder. The list may be empty at
    /// first.
    ///
    /// A user, a role, a scope or a client belongs to *an issuer*: read [several
    /// projects](crate::docs::projects) before you use this.
    ///
    /// ```
    /// # async fn example() -> Result<(), axum_authgear::ConfigError> {
    /// use axum_authgear::Authgear;
    ///
    /// let authgear = Authgear::any_of([
    ///     // Options of a project.
    ///     Authgear::builder("https://acme.authgear.cloud").client_ids(["acme-web"]),
    ///     Authgear::builder("https://auth.globex.example").audience("https://api.example.com"),
    /// ])
    /// // Options of all projects.
    /// .token_cookie("access_token")
    /// .trusted_origins(["https://app.example.com"])
    /// .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Set the options about tokens, keys, sessions and revocations on the builder of a project, and also
    /// its HTTP client if it needs its own. Set all other options on the returned builder: credential
    /// sources, refusals, custom claims, the cache, Redis. `build()` refuses an option in the wrong place,
    /// and two projects with one issuer.
    ///
    /// A token names its project by its issuer. Authgear's own cookies name no project, so the mode
    /// *resolver*, and cookies in live sessions, support one project only.
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

/// # Whose tokens are accepted
impl<C> AuthgearBuilder<C> {
    /// Accepts only tokens of these OAuth clients. Default: every client of the project.
    ///
    /// All clients of a project share the audience, and a *third-party* client's token carries the user's
    /// full roles. So an API should name its own applications.
    pub fn client_ids<I: IntoIterator<Item: Into<String>>>(mut self, ids: I) -> Self {
        self.options.client_ids = Some(ids.into_iter().map(Into::into).collect());
        self
    }

    /// Accepts tokens for this audience. Call it several times to accept several audiences; a token needs
    /// one of them. Default: the endpoint, which no longer counts once an audience is named.
    ///
    /// Users' tokens are for the endpoint, machines' tokens for a resource. Name both to accept both.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.options.audiences.push(audience.into());
        self
    }

    /// Also accepts tokens of this issuer: the endpoint of the project before it moved to a custom domain.
    /// May be called several times. Default: none.
    ///
    /// Both issuers are one project, with the *same* keys, users, webhooks and revocations.
    /// [`AuthUser::issuer`](crate::AuthUser::issuer) is the endpoint for all tokens, so a user stays one
    /// user. Authgear answers at the former address with a redirect, so the endpoint of this builder must
    /// be the new one.
    ///
    /// Without [`audience`](Self::audience) the audience of a token must be its own issuer. With it, the
    /// named audiences count for the tokens of all issuers: name the former origin, too.
    ///
    /// It works only in the mode *JWT*, not with the resolver, live sessions or a gateway.
    pub fn former_issuer(mut self, origin: impl Into<String>) -> Self {
        self.options.former_issuers.push(origin.into());
        self
    }

    /// Declares that a scope includes others. A token with `write:orders` then also has `read:orders`, in
    /// requirements, extractors and `has_scope`. May be called several times. Inclusion is transitive.
    /// Default: no scope includes another.
    ///
    /// A challenge names the missing scopes, without those that another one of them includes.
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

    /// Accepts only these signature algorithms. Default: RS256, the only one that Authgear uses.
    ///
    /// They must be asymmetric, because a verifier with a symmetric key can also sign. `EdDSA` means the
    /// curve Ed25519; the name `Ed25519` (RFC 9864) is the same algorithm, in tokens and in keys.
    pub fn algorithms<I: IntoIterator<Item = Algorithm>>(mut self, algorithms: I) -> Self {
        self.options.algorithms = algorithms.into_iter().collect();
        self
    }

    /// The allowed difference between the issuer's clock and this machine's, for all times of a token.
    /// Default: 60 seconds. Maximum: 10 minutes.
    ///
    /// It does not lengthen [`authenticated_within`](crate::authorize::authenticated_within).
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.options.keys.leeway = leeway;
        self
    }

    /// The number of verified tokens to remember, so that the signature of each is checked once. Default:
    /// 10,000. 0 turns the cache off.
    ///
    /// If many tokens are used only once, a full cache usually stores a token only at its second
    /// verification. So tokens that are used once evict none that are in use. A token that does not begin
    /// with `eyJ`, because its header begins with whitespace, is verified each time.
    ///
    /// An entry takes about 768 bytes plus the text of its claims; the whole cache takes at most 2 KiB per
    /// token, and two bytes per token to recognize a second verification. It holds a keyed digest of a token,
    /// never the token. Expiry, key, and the age of the keys are still checked on every request.
    pub fn token_cache_capacity(mut self, tokens: usize) -> Self {
        self.options.token_cache_capacity = tokens;
        self
    }

    /// Reads custom claims, which a hook of the project adds, into your type:
    /// [`AuthUser<T>`](crate::AuthUser). A user's token without them is refused (401), so use `Option` for
    /// claims that can be absent.
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
/// Without any of these options, the layer only verifies the JWT.
impl<C> AuthgearBuilder<C> {
    /// Asks Authgear's session resolver about every request, and verifies nothing here. Opaque tokens and
    /// Authgear's own cookies are then credentials, too, and a disabled user is refused at once.
    ///
    /// The resolver names neither client nor scopes. It accepts a token of every client of the project,
    /// including third-party clients, with the user's full roles. If an API must distinguish clients, use
    /// [`live_sessions`](Self::live_sessions) with [`client_ids`](Self::client_ids).
    pub fn session_resolver(mut self, resolver: SessionResolver) -> Self {
        self.options.resolver = Some(resolver);
        self
    }

    /// Verifies the JWT here, and lets the resolver confirm its session within a bound.
    pub fn live_sessions(mut self, live: LiveSessions) -> Self {
        self.options.live_sessions = Some(live);
        self
    }

    /// Trusts `X-Forwarded-For` of connections from these networks (`10.0.0.0/8`, or a single address). The
    /// client is the last address in it outside of these networks. Default: none. Only the call of the
    /// resolver uses it.
    ///
    /// IPv4 in IPv6 notation (`::ffff:10.0.0.0/104`) counts as IPv4, in networks and in addresses. `::/0`
    /// contains no IPv4 address.
    pub fn trusted_proxies<I: IntoIterator<Item: Into<String>>>(mut self, networks: I) -> Self {
        self.options.trusted_proxies = networks.into_iter().map(Into::into).collect();
        self
    }
}

/// # Where the token is
impl<C> AuthgearBuilder<C> {
    /// Also reads the token from this cookie, after the `Authorization` header. May be called several
    /// times; the order of the calls counts.
    ///
    /// The name is compared byte by byte, and quotes are a part of the value. An empty cookie (also `""`)
    /// is no credential. Two cookies of this name with different values are refused.
    ///
    /// Requests that use it are checked for cross-site request forgery: see
    /// [`trusted_origins`](Self::trusted_origins).
    pub fn token_cookie(mut self, name: impl Into<String>) -> Self {
        self.options.sources.push(SourceOption::Cookie(name.into()));
        self
    }

    /// Also reads the token with this function, after the `Authorization` header and the sources of earlier
    /// calls.
    pub fn token_source(mut self, source: TokenSource) -> Self {
        self.options.sources.push(SourceOption::Custom(source));
        self
    }

    /// Allows these origins to use a cookie credential for unsafe methods and `WebSocket`s. Default: only
    /// the API's own origin.
    ///
    /// Write an origin as browsers send it: `https://app.example.com`, in lower case and without the
    /// default port. Native shells and browser extensions have origins with other schemes:
    /// `capacitor://localhost`, `tauri://localhost`, `chrome-extension://<id>`. They are compared with
    /// `Origin` byte by byte. `build()` refuses wildcards, and also `null` and `file:`, which stand for
    /// many pages.
    pub fn trusted_origins<I: IntoIterator<Item: Into<String>>>(mut self, origins: I) -> Self {
        self.options.trusted_origins = origins.into_iter().map(Into::into).collect();
        self
    }
}

/// # What handlers can extract
impl<C> AuthgearBuilder<C> {
    /// Keeps the verified token of each request, so that its handler can extract it as an
    /// [`AccessToken`](crate::AccessToken). Default: off, no token outlives its verification.
    ///
    /// It copies the token once for each request, and overwrites the copy after the request.
    /// [`AccessToken`](crate::AccessToken) lists the risks of forwarding a token. In the mode *gateway*,
    /// which reads no token, it is a `ConfigError`.
    pub fn keep_access_tokens(mut self) -> Self {
        self.options.keep_access_tokens = true;
        self
    }
}

/// # Refusals
impl<C> AuthgearBuilder<C> {
    /// Sets the protection space in challenges (RFC 9110 §11.5). Default: none.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.options.realm = Some(realm.into());
        self
    }

    /// Names the address of the protected resource's metadata in challenges (RFC 9728 §5.1). Default: none.
    /// Use it if another server serves the metadata; otherwise use
    /// [`for_resource`](Authgear::for_resource).
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.options.resource_metadata = Some(url.into());
        self
    }
}

/// # Logs
impl<C> AuthgearBuilder<C> {
    /// Adds the user's id to the span `authenticate`. Default: off, because the id is personal data in many
    /// countries.
    pub fn trace_user_ids(mut self) -> Self {
        self.options.trace_user_ids = true;
        self
    }

    /// Adds the label `issuer` to the metrics of keys, and counts the verified and refused tokens of each
    /// [project](crate::docs::projects). Default: off: each project adds time series, and readers of
    /// the metrics see the names of the projects.
    ///
    /// The values are the endpoints of the configured projects. A token cannot add a value.
    #[cfg(feature = "metrics")]
    #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
    pub fn label_metrics_by_issuer(mut self) -> Self {
        self.options.label_metrics_by_issuer = true;
        self
    }

    /// Logs an account of every decision: one event at INFO, with the target `axum_authgear::audit`, for
    /// each request that a layer or [`forward_auth`](Authgear::forward_auth) decides about. Default: off.
    ///
    /// There is exactly one event, whether the request passes, is refused here or further inside, or is
    /// cancelled. It has the decision, its reason, the client, the route and the requirement, and nothing
    /// else of the token. [Operations](crate::docs::operations#accounts-of-decisions) explains the fields,
    /// and how to keep an audit trail.
    pub fn audit_decisions(mut self) -> Self {
        if self.options.audit == Audit::Off {
            self.options.audit = Audit::WithoutUsers;
        }
        self
    }

    /// Turns these accounts on ([`audit_decisions`](Self::audit_decisions)), with the user's id. Default:
    /// off, because the id is personal data in many countries.
    pub fn audit_user_ids(mut self) -> Self {
        self.options.audit = Audit::WithUsers;
        self
    }
}

/// # How keys are fetched and kept
impl<C> AuthgearBuilder<C> {
    /// The interval of key fetches. The crate fetches at 80 % of it or a little earlier. Default: 5
    /// minutes. It must be less than [`jwks_max_stale`](Self::jwks_max_stale).
    ///
    /// A `Cache-Control: max-age` of the server replaces it, bounded to between one minute and half of the
    /// staleness bound. Authgear sends none.
    pub fn jwks_refresh_interval(mut self, interval: Duration) -> Self {
        self.options.keys.refresh_interval = interval;
        self
    }

    /// The minimum time between two fetches that requests cause (by a token with an unknown key). Default:
    /// 10 seconds. It bounds the cost of a flood of invented tokens.
    ///
    /// While there are no usable keys, the crate repeats a failed fetch after this time at the latest. It
    /// needs no request for that, because a service that is not ready gets none. With usable keys, the
    /// pauses grow to a minute. If a fetch took as long as the cooldown, the next one begins a second
    /// later.
    pub fn jwks_cooldown(mut self, cooldown: Duration) -> Self {
        self.options.keys.cooldown = cooldown;
        self
    }

    /// The maximum age of keys: how long known keys are used without a successful fetch. After that,
    /// requests with a token get 503 until a fetch succeeds. Default: 1 hour.
    pub fn jwks_max_stale(mut self, bound: Duration) -> Self {
        self.options.keys.max_stale = bound;
        self
    }

    /// Fetches the keys from this address, without discovery. It can have another origin than the endpoint.
    /// The operator of this address can sign tokens.
    pub fn jwks_uri(mut self, url: impl Into<String>) -> Self {
        self.options.jwks_uri = Some(url.into());
        self
    }

    /// Keeps the last good keys in this folder, for a start while Authgear is unreachable. Default: none;
    /// such a start answers 503 until Authgear is reachable.
    ///
    /// Kept keys are used until [`jwks_max_stale`](Self::jwks_max_stale) has passed since the *start* of
    /// their fetch, by the wall clock. `build()` does not read the folder: the first requests wait for it,
    /// as for a fetch.
    ///
    /// The folder need not exist. Several projects and several replicas can share it: each project has its
    /// own file, in a sub-folder `axum-authgear` that only this user may enter, and older keys never
    /// replace younger ones. If the folder cannot be made, read or written, the crate logs a line, and
    /// requests are not affected.
    ///
    /// **A process that can write there chooses the keys, and can sign in as any user.** Links, pipes, and
    /// files or sub-folders that are world-writable or belong to another user are refused.
    ///
    /// It needs files with an owner and a mode (Unix); elsewhere `build()` refuses it. Modes without keys
    /// do not use it.
    pub fn key_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.key_dir = Some(path.into());
        self
    }

    /// Uses these keys until the first successful fetch. The arguments are the text of a key set (RFC 7517
    /// §5) and the time at which its fetch began. Default: none. It is for a process that must start
    /// without the network and without a disk.
    ///
    /// The seed is used until [`jwks_max_stale`](Self::jwks_max_stale) has passed since then, by the wall
    /// clock. Give the time of the fetch, not of the file, because a copied file looks younger. A seed that
    /// is older, or from the future, is logged and not used. A text of more than 256 KiB, or without a key
    /// for the [`algorithms`](Self::algorithms), is a [`ConfigError`](crate::ConfigError).
    ///
    /// ```
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// use axum_authgear::Authgear;
    ///
    /// // The deployment writes these files:
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
            // A time before 1970 is too old in any case.
            fetched_at: fetched_at.duration_since(UNIX_EPOCH).unwrap_or_default(),
        });
        self
    }

    /// Reaches Authgear's main server (discovery and keys) at this origin, for example inside of a cluster.
    /// Requests carry the public `Host`, `X-Forwarded-Host` and `X-Forwarded-Proto`.
    pub fn internal_url(mut self, url: impl Into<String>) -> Self {
        self.options.internal_url = Some(url.into());
        self
    }
}

/// # Revocation
impl<C> AuthgearBuilder<C> {
    /// How long revocations are remembered. Default: 24 hours. Between 1 minute and 30 days. Set it to at
    /// least the longest access token lifetime of the project.
    ///
    /// A webhook, Redis, or this option turns revocation on. Then a *user's* token is refused if it was
    /// issued longer ago, or has no `iat`, because its revocation may have been forgotten. This does not
    /// apply to machines' tokens.
    pub fn revocation_retention(mut self, retention: Duration) -> Self {
        self.options.revocation_retention = Some(retention);
        self
    }
}

/// # Webhooks
#[cfg(feature = "webhook")]
impl<C> AuthgearBuilder<C> {
    /// The secrets that may sign this project's webhooks, for
    /// [`webhook_service`](Authgear::webhook_service), which is for projects that are added and removed. If
    /// the project has its own route, pass them to [`Authgear::webhooks`] instead. Default: none.
    ///
    /// It turns revocation on: see [`revocation_retention`](Self::revocation_retention).
    pub fn webhook_secrets<I: IntoIterator<Item: Into<String>>>(mut self, secrets: I) -> Self {
        self.options.webhook_secrets = Some(secrets.into_iter().map(Into::into).collect());
        self
    }
}

/// # What replicas share
#[cfg(feature = "redis")]
impl<C> AuthgearBuilder<C> {
    /// Shares revocations with all replicas of this API through a Redis or Valkey server: a
    /// [`RedisConfig`], or its URL. Default: none.
    ///
    /// After `build()`, requests wait at most 2 seconds until the stream has been read once. After that, no
    /// request waits for Redis. It turns revocation on: see
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

    /// Sends requests through this proxy. Default: none. Environment variables are not read.
    pub fn proxy(mut self, proxy: reqwest::Proxy) -> Self {
        self.options.http.proxy = Some(proxy);
        self
    }

    /// Connects to this address for this host name. The certificate must still be for the host name. May be
    /// called several times.
    pub fn resolve(mut self, host: impl Into<String>, address: SocketAddr) -> Self {
        self.options.http.resolve.push((host.into(), address));
        self
    }

    /// The time limit to connect. Default: 2 seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.options.http.timeouts.connect = timeout;
        self
    }

    /// The time limit for the whole response. Default: 5 seconds.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.options.http.timeouts.total = timeout;
        self
    }

    /// Uses this client instead of the crate's own, with its certificates, proxy, resolution and connect
    /// timeout. Default: a client that sets explicitly all that features of reqwest can change.
    ///
    /// The crate changes nothing in your client. It must follow no redirects (`redirect(Policy::none())`)
    /// and keep no cookies: the crate refuses a response from another address, but only after the client
    /// has followed the redirect. With an internal address ([`internal_url`](Self::internal_url), a
    /// resolver of another origin) it must use HTTP/1.1 (`http1_only()`): in HTTP/2 the internal host is
    /// `:authority` and the public one a second field, `Host`, and nginx answers 400. Unless you want
    /// otherwise, also set `no_proxy()`, `tls_backend_rustls()`, `no_hickory_dns()` and `retry(never())`.
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.options.http.client = Some(client);
        self
    }
}

// Shows no option: the options are not checked yet, and a URL can contain a password.
redacted_debug!(<C> AuthgearBuilder<C>);
