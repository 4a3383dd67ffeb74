//! [`RevocationLedger`]: the revocations of each project, whatever becomes of the project.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use super::{RevocationPlan, RevocationStore, Revocations};
use crate::clock::{Clock, Timestamp};

/// The revocations of each issuer. They outlive its project: one that is added again, or set up in
/// another way, finds them, and what became known meanwhile, for as long as they are remembered. The
/// issuers of one project have the same.
#[derive(Default)]
pub(crate) struct RevocationLedger(Mutex<HashMap<Box<str>, Known>>);

/// The revocations of one issuer.
struct Known {
    revocations: Arc<Revocations>,
    /// Whether a route feeds it, for as long as the process runs.
    is_fed: bool,
    /// Since when the project is out, if it is.
    out_since: Option<Timestamp>,
}

impl RevocationLedger {
    /// The revocations of this issuer from now on, with what is known of its users: also of those whom the
    /// project had under its former issuers, which lead here as well from now on.
    pub(crate) fn open<'i>(
        &self,
        issuer: &str,
        former: impl Iterator<Item = &'i str> + Clone,
        plan: RevocationPlan,
        clock: &Clock,
        runtime: &Handle,
    ) -> Arc<Revocations> {
        let mut ledger = self.lock();
        let known = ledger.get(issuer).map(|own| Arc::clone(&own.revocations));
        // A name that was a former one until now goes its own way, with what was known by then.
        let is_anothers = |known: &Arc<Revocations>| {
            let mut entries = ledger.iter();
            entries.any(|(name, entry)| {
                Arc::ptr_eq(&entry.revocations, known)
                    && **name != *issuer
                    && former.clone().all(|former| **name != *former)
            })
        };
        let revocations = match known {
            Some(known) if known.store.has_policy(&plan.policy) && !is_anothers(&known) => known,
            known => {
                let revocations = plan.start(clock.clone(), runtime);
                if let Some(known) = known {
                    revocations.store.take_over(&known.store);
                }
                Arc::new(revocations)
            }
        };
        for former in former {
            if let Some(entry) = ledger.get_mut(former) {
                if !Arc::ptr_eq(&entry.revocations, &revocations) {
                    revocations.store.take_over(&entry.revocations.store);
                }
                entry.revocations = Arc::clone(&revocations);
            }
        }
        let known = Known {
            revocations: Arc::clone(&revocations),
            is_fed: ledger.get(issuer).is_some_and(|known| known.is_fed),
            out_since: None,
        };
        ledger.insert(issuer.into(), known);
        revocations
    }

    /// Writes to the revocations of this issuer, of a project that was removed too. Returns whether there
    /// are any.
    ///
    /// Others may take them over at the same moment, before it is written or after: what is current in
    /// the end has it in any case. To write the same twice changes nothing.
    pub(crate) fn write(&self, issuer: &str, write: impl Fn(&RevocationStore)) -> bool {
        let mut written: Option<Arc<Revocations>> = None;
        while let Some(current) = self.find(issuer) {
            if written.is_some_and(|written| Arc::ptr_eq(&written, &current)) {
                return true;
            }
            write(current.store());
            written = Some(current);
        }
        false
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

    /// Forgets issuers whose project has been out for longer than revocations are remembered, and for
    /// whom nothing is. Those who are out the longest go earlier where there are too many of them.
    pub(crate) fn forget_unused(&self, now: Timestamp, is_used: impl Fn(&str) -> bool) {
        let mut ledger = self.lock();
        let mut idle = Vec::new();
        ledger.retain(|issuer, known| {
            if is_used(issuer) {
                known.out_since = None;
                return true;
            }
            let out_since = *known.out_since.get_or_insert(now);
            let store = &known.revocations.store;
            if known.is_fed || !store.is_empty() {
                return true;
            }
            let out_for = now.elapsed(out_since);
            idle.push((out_for, issuer.clone()));
            out_for < store.retention
        });
        idle.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        for (_, issuer) in idle.iter().skip(MAX_IDLE) {
            ledger.remove(issuer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many issuers are kept whose project is out, and of whose users nothing is known.
const MAX_IDLE: usize = 1_000;

impl fmt::Debug for RevocationLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationLedger")
            .field("issuers", &self.lock().len())
            .finish_non_exhaustive()
    }
}
