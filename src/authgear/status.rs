//! [`Status`] and [`Health`], for a readiness probe.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How an [`Authgear`](crate::Authgear) is doing.
#[derive(Clone, Debug)]
pub struct Status {
    pub(super) health: Health,
    pub(super) key_age: Option<Duration>,
    pub(super) last_error: Option<Arc<dyn Error + Send + Sync>>,
}

impl Status {
    /// The summary.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health
    }

    /// How long ago the current keys were asked for. `None` before the first success, and where no
    /// keys are used.
    #[must_use]
    pub fn key_age(&self) -> Option<Duration> {
        self.key_age
    }

    /// Why the last attempt to fetch keys, or the last probe of the resolver, failed, if it did, or
    /// why what other replicas know of ended users is out of reach, if it is; that the runtime of
    /// `build()` has ended, if it has. It names no address and no secret.
    #[must_use]
    pub fn last_error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.last_error.as_deref()
    }
}

/// The summary of a [`Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Health {
    /// Credentials can be verified, and nothing has failed lately.
    Healthy,
    /// Some or all credentials can be verified, but the last refresh of the keys, or the last probe
    /// of the resolver, failed, or what other replicas know of ended users is out of reach.
    ///
    /// With live sessions, and the resolver away for longer than their bound and grace, users are
    /// answered with 503, while machines and open routes go on.
    Degraded,
    /// Credentials cannot be verified: requests with one are answered with 503.
    Down,
}

impl Health {
    /// The stable name: `healthy`, `degraded` or `down`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
