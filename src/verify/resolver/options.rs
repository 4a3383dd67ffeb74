//! [`SessionResolver`]: how the resolver is asked.

use std::time::Duration;

use crate::error::ConfigError;

/// How Authgear's session resolver is asked, for
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

    /// Asks at this URL, inside of a cluster for example. Where its origin is not the endpoint's, it
    /// is asked with the endpoint's `Host`, `X-Forwarded-Host` and `X-Forwarded-Proto`: without the
    /// right ones every JWT is nobody's.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The prefix of Authgear's own cookies, as the project is configured. Default: none.
    ///
    /// The cookies `{prefix}app_session`, `{prefix}app_access_token` and `{prefix}session` are one
    /// credential: those that a request has are sent to the resolver together, and the resolver takes
    /// the first good one in this order. Their values have 8 KiB at most, all together.
    pub fn cookie_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.cookie_prefix = prefix.into();
        self
    }

    /// Keeps a good answer for this long, counted from when the question was sent, but not beyond
    /// the expiry of a JWT. Default: zero, off. At most an hour.
    ///
    /// A JWT in the cookie `app_access_token` bounds the answer too, whichever of the cookies it is
    /// about; one that had expired a minute before the question does not.
    ///
    /// This is for how long a disabled user may still be let in. "Nobody" is kept for a second at
    /// most, failures never.
    pub fn cache_ttl(mut self, ttl: Duration) -> Self {
        self.cache_ttl = ttl;
        self
    }

    /// Keeps at most so many answers. Default: 10,000. An answer takes some 0.5 KiB, and about as
    /// much again as the credential is long; 24 KiB at the very most.
    pub fn cache_capacity(mut self, answers: usize) -> Self {
        self.capacity = answers;
        self
    }

    /// Waits this long for an answer, and as long before that for its turn. Default: 5 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Asks at most so many questions at once. Default: 64; at least 4. A quarter of them is for
    /// credentials alone that were confirmed in the last 5 minutes, so that a flood of invented ones
    /// cannot keep signed-in users out.
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.in_flight = calls;
        self
    }

    /// Lets at most so many questions wait for their turn, and a quarter as many more about
    /// credentials that were confirmed in the last 5 minutes. Default: 1,024. What comes on top is
    /// answered with 503 at once. Requests with the same credential are one question.
    pub fn max_queued(mut self, calls: usize) -> Self {
        self.queued = calls;
        self
    }

    /// Whether the client's `User-Agent` is forwarded, which Authgear shows in its list of sessions.
    /// Default: true. One that is longer than 512 bytes is not.
    pub fn forward_user_agent(mut self, forward: bool) -> Self {
        self.forward_user_agent = forward;
        self
    }

    /// Whether the client's address is forwarded, in `X-Forwarded-For`. Default: true.
    ///
    /// It is that of the connection (axum's
    /// [`ConnectInfo`](axum::extract::ConnectInfo)`<SocketAddr>`; without it none is sent), or of
    /// whom the proxies name that
    /// [`AuthgearBuilder::trusted_proxies`](crate::AuthgearBuilder::trusted_proxies) trusts.
    pub fn forward_client_address(mut self, forward: bool) -> Self {
        self.forward_client_address = forward;
        self
    }

    /// Passes the `Set-Cookie` of the resolver's answer on to the client: it clears a cookie that is
    /// no good any more. Each request that the answer is for gets it, also where the answer was kept.
    /// Default: false, because the cookie is Authgear's.
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

/// A fault at Authgear can make a good session nobody's for a moment.
const MAX_INVALID_TTL: Duration = Duration::from_secs(1);
const MAX_CACHE: Duration = Duration::from_secs(60 * 60);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
pub(crate) const MAX_COUNT: usize = 1_000_000;

/// How long answers count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CachePolicy {
    pub(crate) capacity: usize,
    pub(crate) valid_ttl: Duration,
    pub(crate) invalid_ttl: Duration,
}
