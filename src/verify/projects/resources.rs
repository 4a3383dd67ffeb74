//! [`ProjectResources`]: what projects have in common.

use std::fmt;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::jwks::FetchSpread;
use crate::outbound::OutboundPool;
#[cfg(feature = "redis")]
use crate::revocation::RedisServer;
use crate::revocation::RevocationLedger;
use crate::telemetry::MetricScope;
use crate::user::ScopeInclusions;
use crate::verify::jwt::ReadClaims;

/// What a project is made with, besides options of its own.
pub(crate) struct ProjectResources<C> {
    pub(crate) runtime: Handle,
    pub(crate) clock: Clock,
    pub(crate) outbound: OutboundPool,
    /// `None`: there is one project alone, which waits for nobody.
    pub(crate) spread: Option<FetchSpread>,
    pub(crate) ledger: Arc<RevocationLedger>,
    pub(crate) metrics: MetricScope,
    #[cfg(feature = "redis")]
    pub(crate) redis: Option<Arc<RedisServer>>,
    pub(crate) read_claims: ReadClaims<C>,
    pub(crate) scope_inclusions: Option<Arc<ScopeInclusions>>,
}

impl<C> fmt::Debug for ProjectResources<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectResources").finish_non_exhaustive()
    }
}
