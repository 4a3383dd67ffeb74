//! [`KeyPolicy`]: how keys are kept and renewed.

use std::time::Duration;

/// How keys are kept and renewed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyPolicy {
    /// How old keys may get before they are renewed, unless their server says otherwise.
    pub(crate) refresh_interval: Duration,
    /// At most one fetch on demand in this time, counted from its start.
    pub(crate) cooldown: Duration,
    /// How long known keys serve without a successful refresh.
    pub(crate) max_stale: Duration,
    /// Clock skew between the issuer and us; the same as for the claims.
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
