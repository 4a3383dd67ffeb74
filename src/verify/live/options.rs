//! [`LiveSessions`]: how sessions are kept confirmed.

use std::time::Duration;

use crate::error::ConfigError;
use crate::verify::resolver::{CachePolicy, MAX_COUNT, SessionResolver};

/// How sessions are kept confirmed, for
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
    /// A session must have been confirmed within this time, counted from when the question was sent:
    /// a disabled user is out no later. 10 seconds are a good choice.
    ///
    /// While its user is active, a session is confirmed anew in the background once half of the
    /// bound is over; a request waits for the resolver only with a token that is new here, or when
    /// the bound has passed.
    pub fn within(bound: Duration) -> Self {
        Self {
            bound,
            grace_period: Duration::ZERO,
            session_cookies: false,
            cache_capacity: 65_536,
            resolver: SessionResolver::new(),
        }
    }

    /// While the resolver is away, lets the JWT count alone for this long, counted from when that was
    /// found out. Default: zero: 503 as soon as the bound has passed.
    ///
    /// A probe finds it out, whose credential is an invented one: a connection that cannot be made or
    /// is cut, no answer within the timeout, or a status of 500 to 599. One is sent as soon as a
    /// question fails, and the request waits for its word; one question that fails while probes are
    /// answered is that request's 503. So is every failed question where the probe meets another
    /// status or an answer that makes no sense: then something answers, and nothing is away.
    ///
    /// In that time a user who was disabled stays in until the token expires, and
    /// [`verified_by`](crate::AuthUser::verified_by) is `jwt`. What the resolver said last of a
    /// session still counts: its roles, and that it has ended.
    pub fn grace_period(mut self, grace_period: Duration) -> Self {
        self.grace_period = grace_period;
        self
    }

    /// Also takes Authgear's own cookies, after all other sources: for an API that serves both
    /// mobile applications (with a JWT) and a website on the same parent domain. They are
    /// [one credential](SessionResolver::cookie_prefix). The resolver says whose it is, with the same bound;
    /// there is no grace for it.
    ///
    /// The client of such a session is not known, so that
    /// [`client_ids`](crate::AuthgearBuilder::client_ids) are not asked of it: the cookies are
    /// Authgear's own.
    pub fn session_cookies(mut self) -> Self {
        self.session_cookies = true;
        self
    }

    /// Remembers at most so many sessions, those in use first. Default: 65,536. One takes some
    /// 0.5 KiB, and as much again as its token is long (1 KiB as a rule); 24 KiB at the very most. A
    /// session that is forgotten is asked for again.
    pub fn cache_capacity(mut self, sessions: usize) -> Self {
        self.cache_capacity = sessions;
        self
    }

    /// How the resolver is asked. Its cache plays no part here: the bound does.
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

/// A fault at Authgear can make a good session nobody's for a moment.
const MAX_INVALID_TTL: Duration = Duration::from_secs(2);
