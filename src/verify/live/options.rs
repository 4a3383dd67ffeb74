//! [`LiveSessions`]: how sessions are confirmed.

use std::time::Duration;

use crate::error::ConfigError;
use crate::verify::resolver::{CachePolicy, MAX_COUNT, SessionResolver};

/// How sessions are confirmed, for
/// [`AuthgearBuilder::live_sessions`](crate::AuthgearBuilder::live_sessions).
///
/// ```
/// # use std::time::Duration;
/// # use axum_authgear::{Authgear, LiveSessions};
/// # async fn build() -> Result<(), axum_authgear::ConfigError> {
/// let authgear = Authgear::builder("https://my-project.authgear.cloud")
///     .client_ids(["spa", "mobile"])
///     .live_sessions(LiveSessions::within(Duration::from_secs(10)))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "this does nothing until it is given to a builder"]
pub struct LiveSessions {
    pub(crate) bound: Duration,
    pub(crate) grace_period: Duration,
    pub(crate) session_cookies: bool,
    pub(crate) cache_capacity: usize,
    pub(crate) resolver: SessionResolver,
}

impl LiveSessions {
    /// The maximum age of a session's confirmation, counted from the start of the resolver call. A disabled
    /// user is refused after this time at the latest. 10 seconds are a good choice.
    ///
    /// While its user is active, a session is confirmed again in the background after half of the bound. A
    /// request waits for the resolver only if its token is new here, or if the bound has passed.
    pub fn within(bound: Duration) -> Self {
        Self {
            bound,
            grace_period: Duration::ZERO,
            session_cookies: false,
            cache_capacity: 65_536,
            resolver: SessionResolver::new(),
        }
    }

    /// While the resolver is unreachable, the JWT is enough for this long, counted from the detection.
    /// Default: zero. Then the response is 503 as soon as the bound has passed.
    ///
    /// A probe with an invented credential detects this. The resolver is unreachable if the connection fails
    /// or is cut, if no response comes within the timeout, or if the status is 500 to 599. A probe is sent
    /// as soon as a resolver call fails, and the request waits for its result. If the probe is answered, the
    /// failed call is a 503 for its own request only. The same holds if the probe gets another status or a
    /// malformed response: then a server answers, so it is not unreachable.
    ///
    /// In that time, a disabled user can continue until the token expires, and
    /// [`verified_by`](crate::AuthUser::verified_by) is `jwt`. The last answer of the resolver about a
    /// session still counts: its roles, and its end.
    pub fn grace_period(mut self, grace_period: Duration) -> Self {
        self.grace_period = grace_period;
        self
    }

    /// Also accepts Authgear's own cookies, after all other sources. This is for an API that serves both
    /// mobile applications (with a JWT) and a website on the same parent domain. The cookies are [one
    /// credential](SessionResolver::cookie_prefix). The resolver verifies them, with the same bound and
    /// without a grace period.
    ///
    /// The client of such a session is unknown. So [`client_ids`](crate::AuthgearBuilder::client_ids) do not
    /// apply to it: the cookies are Authgear's own.
    pub fn session_cookies(mut self) -> Self {
        self.session_cookies = true;
        self
    }

    /// The maximum number of sessions in memory. Sessions in use are kept first. Default: 65,536. A session
    /// takes about 0.5 KiB plus the length of its token (usually 1 KiB), and at most 24 KiB. A session that
    /// was evicted is confirmed again.
    pub fn cache_capacity(mut self, sessions: usize) -> Self {
        self.cache_capacity = sessions;
        self
    }

    /// How the resolver is called. Its cache has no effect here, because the bound decides.
    pub fn session_resolver(mut self, resolver: SessionResolver) -> Self {
        self.resolver = resolver;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let invalid =
            |option, value, reason| Err(ConfigError::invalid_duration(option, value, reason));
        let bound = self.bound;
        if bound.is_zero() {
            return invalid("live_sessions", bound, "is zero: use the resolver alone");
        }
        if bound > MAX_BOUND {
            return invalid("live_sessions", bound, "is longer than an hour");
        }
        if self.grace_period > MAX_GRACE {
            return invalid("grace_period", self.grace_period, "is longer than a day");
        }
        if !(1..=MAX_COUNT).contains(&self.cache_capacity) {
            return Err(ConfigError::invalid(
                "cache_capacity",
                self.cache_capacity.to_string(),
                "is not between one and a million",
            ));
        }
        if !self.resolver.cache_ttl.is_zero() {
            return Err(ConfigError::Conflict {
                option: "cache_ttl",
                reason: "live sessions keep answers for as long as their bound says",
            });
        }
        self.resolver.check()
    }

    pub(crate) fn keep(&self) -> CachePolicy {
        CachePolicy {
            capacity: self.cache_capacity,
            valid_ttl: self.bound,
            invalid_ttl: MAX_INVALID_TTL.min(self.bound / 2),
        }
    }
}

const MAX_BOUND: Duration = Duration::from_secs(60 * 60);

const MAX_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// A fault at Authgear can make the resolver report no session for a valid one for a moment.
const MAX_INVALID_TTL: Duration = Duration::from_secs(2);
