//! [`ProjectResources`]: the resources that projects share.

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

/// The inputs of a project, besides its own options.
pub(crate) struct ProjectResources<C> {
    pub(crate) runtime: Handle,
    pub(crate) clock: Clock,
    pub(crate) outbound: OutboundPool,
    /// `None`: there is only one project, whose fetches need no limit.
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
