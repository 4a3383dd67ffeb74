//! [`KeyPolicy`]: the options of the keys.

use std::time::Duration;

use crate::error::ConfigError;

/// How keys are kept and renewed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyPolicy {
    /// The age at which keys are renewed, unless the server sends a `max-age`.
    pub(crate) refresh_interval: Duration,
    /// The minimum time between two fetches on demand, counted from the start of the first.
    pub(crate) cooldown: Duration,
    /// How long known keys are used without a successful fetch.
    pub(crate) max_stale: Duration,
    /// The allowed clock skew of the issuer; the same as for the claims.
    pub(crate) leeway: Duration,
}

impl Default for KeyPolicy {
    fn default() -> Self {
        Self {
            refresh_interval: Duration::from_secs(5 * 60),
            cooldown: Duration::from_secs(10),
            max_stale: Duration::from_secs(60 * 60),
            leeway: Duration::from_secs(60),
        }
    }
}

impl KeyPolicy {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.leeway > MAX_LEEWAY {
            return Err(ConfigError::invalid_duration(
                "leeway",
                self.leeway,
                "is longer than 10 minutes",
            ));
        }
        for (option, value) in [
            ("jwks_refresh_interval", self.refresh_interval),
            ("jwks_cooldown", self.cooldown),
            ("jwks_max_stale", self.max_stale),
        ] {
            ConfigError::check_duration(option, value)?;
        }
        if self.refresh_interval >= self.max_stale {
            return Err(ConfigError::invalid_duration(
                "jwks_refresh_interval",
                self.refresh_interval,
                "must be less than jwks_max_stale",
            ));
        }
        Ok(())
    }
}

const MAX_LEEWAY: Duration = Duration::from_secs(10 * 60);
