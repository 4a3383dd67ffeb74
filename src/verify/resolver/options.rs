//! [`SessionResolver`]: how the resolver is called.

use std::time::Duration;

use crate::error::ConfigError;

/// How Authgear's session resolver is called, for
/// [`AuthgearBuilder::session_resolver`](crate::AuthgearBuilder::session_resolver) and
/// [`LiveSessions::session_resolver`](crate::LiveSessions::session_resolver).
///
/// ```
/// # use std::time::Duration;
/// # use axum_authgear::{Authgear, SessionResolver};
/// # fn build() -> Result<(), axum_authgear::ConfigError> {
/// let authgear = Authgear::builder("https://my-project.authgear.cloud")
///     .session_resolver(
///         SessionResolver::new()
///             .url("http://authgear-resolver.internal/_resolver/resolve")
///             .cache_ttl(Duration::from_secs(5)),
///     )
///     .dangerous().allow_http()
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "this does nothing until it is given to a builder"]
pub struct SessionResolver {
    pub(crate) url: Option<String>,
    pub(crate) cookie_prefix: String,
    pub(crate) cache_ttl: Duration,
    pub(crate) capacity: usize,
    pub(crate) timeout: Duration,
    pub(crate) in_flight: usize,
    pub(crate) queued: usize,
    pub(crate) forward_user_agent: bool,
    pub(crate) forward_client_address: bool,
    pub(crate) forward_set_cookie: bool,
}

impl SessionResolver {
    /// The resolver of the project, at `{endpoint}/_resolver/resolve`, with all defaults.
    pub fn new() -> Self {
        Self {
            url: None,
            cookie_prefix: String::new(),
            cache_ttl: Duration::ZERO,
            capacity: 10_000,
            timeout: Duration::from_secs(5),
            in_flight: 64,
            queued: 1_024,
            forward_user_agent: true,
            forward_client_address: true,
            forward_set_cookie: false,
        }
    }

    /// Calls the resolver at this URL, for example inside a cluster. If its origin is not the endpoint's,
    /// the call has the endpoint's `Host`, `X-Forwarded-Host` and `X-Forwarded-Proto`. Without the right
    /// ones, Authgear finds no session for any JWT.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The prefix of Authgear's own cookies, as the project configures it. Default: none.
    ///
    /// The cookies `{prefix}app_session`, `{prefix}app_access_token` and `{prefix}session` are one
    /// credential. All of them that a request has are sent to the resolver together. The resolver uses the
    /// first valid one in this order. Their values have at most 8 KiB together.
    pub fn cookie_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.cookie_prefix = prefix.into();
        self
    }

    /// Caches a valid answer for this long, counted from the start of the call, but not beyond the expiry of
    /// a JWT. Default: zero, off. At most an hour.
    ///
    /// A JWT in the cookie `app_access_token` also limits this time, even if another cookie decided the
    /// answer. A JWT that expired at least a minute before the call does not limit it.
    ///
    /// A disabled user can pass for this long. An answer without a session is cached for a second at most,
    /// and a failure never.
    pub fn cache_ttl(mut self, ttl: Duration) -> Self {
        self.cache_ttl = ttl;
        self
    }

    /// The maximum number of cached answers. Default: 10,000. An answer takes about 0.5 KiB plus the length
    /// of the credential, and at most 24 KiB.
    pub fn cache_capacity(mut self, answers: usize) -> Self {
        self.capacity = answers;
        self
    }

    /// The time limit for an answer, and also for the wait in the queue before the call. Default: 5 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The maximum number of concurrent calls. Default: 64; at least 4. A quarter is reserved for
    /// credentials that were confirmed in the last 5 minutes, so that a flood of invented credentials cannot
    /// keep signed-in users out.
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.in_flight = calls;
        self
    }

    /// The maximum number of queued calls. A quarter as many more can be queued for credentials that were
    /// confirmed in the last 5 minutes. Default: 1,024. Further requests are answered with 503 at once.
    /// Requests with the same credential share one call.
    pub fn max_queued(mut self, calls: usize) -> Self {
        self.queued = calls;
        self
    }

    /// Whether the client's `User-Agent` is forwarded, which Authgear shows in its list of sessions.
    /// Default: true. A value longer than 512 bytes is not forwarded.
    pub fn forward_user_agent(mut self, forward: bool) -> Self {
        self.forward_user_agent = forward;
        self
    }

    /// Whether the client's address is forwarded, in `X-Forwarded-For`. Default: true.
    ///
    /// This is the address of the connection (axum's
    /// [`ConnectInfo`](axum::extract::ConnectInfo)`<SocketAddr>`; without it, no address is sent). Behind
    /// [`AuthgearBuilder::trusted_proxies`](crate::AuthgearBuilder::trusted_proxies), it is the client
    /// address that these proxies name.
    pub fn forward_client_address(mut self, forward: bool) -> Self {
        self.forward_client_address = forward;
        self
    }

    /// Forwards the `Set-Cookie` of the resolver's answer to the client: it clears an invalid cookie. Every
    /// request with this answer gets it, also when the answer is cached. Default: false, because the cookie
    /// is Authgear's.
    pub fn forward_set_cookie(mut self, forward: bool) -> Self {
        self.forward_set_cookie = forward;
        self
    }

    pub(crate) fn keep(&self) -> CachePolicy {
        CachePolicy {
            capacity: self.capacity,
            valid_ttl: self.cache_ttl,
            invalid_ttl: MAX_INVALID_TTL.min(self.cache_ttl),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let invalid =
            |option, value, reason| Err(ConfigError::invalid_duration(option, value, reason));
        if self.cache_ttl > MAX_CACHE {
            return invalid("cache_ttl", self.cache_ttl, "is longer than an hour");
        }
        if self.timeout.is_zero() {
            return invalid("timeout", self.timeout, "is zero");
        }
        if self.timeout > MAX_TIMEOUT {
            return invalid("timeout", self.timeout, "is longer than a minute");
        }
        for (option, value, least) in [
            ("max_in_flight", self.in_flight, 4),
            ("max_queued", self.queued, 4),
            ("cache_capacity", self.capacity, 1),
        ] {
            let reason = match value {
                _ if value < least => "is too small",
                _ if value > MAX_COUNT => "is more than a million",
                _ => continue,
            };
            return Err(ConfigError::invalid(option, value.to_string(), reason));
        }
        Ok(())
    }
}

impl Default for SessionResolver {
    fn default() -> Self {
        Self::new()
    }
}

/// A fault at Authgear can make the resolver report no session for a valid one for a moment.
const MAX_INVALID_TTL: Duration = Duration::from_secs(1);
const MAX_CACHE: Duration = Duration::from_secs(60 * 60);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
pub(crate) const MAX_COUNT: usize = 1_000_000;

/// How long answers are used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CachePolicy {
    pub(crate) capacity: usize,
    pub(crate) valid_ttl: Duration,
    pub(crate) invalid_ttl: Duration,
}
