//! [`RevocationLedger`]: the revocations of each project, whatever becomes of the project.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use super::{RevocationPlan, Revocations};
use crate::clock::Clock;

/// The revocations of each issuer. They outlive its project: one that is added again, or set up in
/// another way, finds them, for as long as they are remembered.
#[derive(Default)]
pub(crate) struct RevocationLedger(Mutex<HashMap<Box<str>, Known>>);

/// The revocations of one issuer.
struct Known {
    revocations: Arc<Revocations>,
    /// Whether a route feeds it, for as long as the process runs.
    is_fed: bool,
}

impl RevocationLedger {
    /// The revocations of this issuer from now on, with what is known of its users.
    pub(crate) fn open(
        &self,
        issuer: &str,
        plan: RevocationPlan,
        clock: &Clock,
        runtime: &Handle,
    ) -> Arc<Revocations> {
        let mut ledger = self.lock();
        let known = ledger.get(issuer);
        if let Some(known) = known
            && known.revocations.store.has_policy(&plan.policy)
        {
            return Arc::clone(&known.revocations);
        }
        let revocations = plan.start(clock.clone(), runtime);
        if let Some(known) = known {
            revocations.store.take_over(&known.revocations.store);
        }
        let revocations = Arc::new(revocations);
        let known = Known {
            revocations: Arc::clone(&revocations),
            is_fed: known.is_some_and(|known| known.is_fed),
        };
        ledger.insert(issuer.into(), known);
        revocations
    }

    /// The revocations of this issuer, of a project that was removed too.
    pub(crate) fn find(&self, issuer: &str) -> Option<Arc<Revocations>> {
        let ledger = self.lock();
        Some(Arc::clone(&ledger.get(issuer)?.revocations))
    }

    /// Turns revocation on for this issuer, and keeps what it is fed by a route, whatever becomes of the
    /// project.
    #[cfg(feature = "webhook")]
    pub(crate) fn feed(&self, issuer: &str) {
        if let Some(known) = self.lock().get_mut(issuer) {
            known.is_fed = true;
            known.revocations.store.turn_on();
        }
    }

    /// Forgets the issuers for whom nothing is remembered, but for these.
    pub(crate) fn forget_unused(&self, is_used: impl Fn(&str) -> bool) {
        self.lock().retain(|issuer, known| {
            is_used(issuer) || known.is_fed || !known.revocations.store.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RevocationLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationLedger")
            .field("issuers", &self.lock().len())
            .finish_non_exhaustive()
    }
}
