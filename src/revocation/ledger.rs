//! [`RevocationLedger`]: the revocations of each project, also of removed ones.

use std::collections::HashMap;
use std::fmt;
use std::iter;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::runtime::Handle;

use super::{RevocationPlan, RevocationPolicy, RevocationStore, Revocations};
use crate::clock::{Clock, Timestamp};
use crate::lock::lock;

/// The revocations of each issuer. They outlive the project. A project that is added again, or replaced,
/// gets its earlier revocations and those from the time between, for as long as they are remembered. All
/// issuers of one project share the same revocations.
#[derive(Default)]
pub(crate) struct RevocationLedger(Mutex<HashMap<Box<str>, Known>>);

/// The revocations of one issuer.
struct Known {
    revocations: Arc<Revocations>,
    /// Those that a project can still check, until its replacement has finished. They are few: each lives
    /// only as long as its project.
    replaced: Vec<Weak<Revocations>>,
    /// Whether a route feeds it, for the lifetime of the process.
    is_fed: bool,
    /// The time of the project's removal, if it was removed.
    out_since: Option<Timestamp>,
}

impl RevocationLedger {
    /// The revocations of this issuer from now on, with the existing records of its users. This includes the
    /// users under former issuers of the project, whose names also lead here from now on.
    ///
    /// Until [`finish`](Self::finish), writes also reach the earlier revocations of these names.
    pub(crate) fn open<'i>(
        &self,
        issuer: &'i str,
        former: impl Iterator<Item = &'i str> + Clone,
        plan: RevocationPlan,
        clock: &Clock,
        runtime: &Handle,
    ) -> Arc<Revocations> {
        let reusable = self.reusable(issuer, &former, &plan.policy);
        let revocations = reusable.unwrap_or_else(|| Arc::new(plan.start(clock.clone(), runtime)));
        let mut previous = Vec::new();
        {
            let mut ledger = self.lock();
            let own = ledger.entry(issuer.into()).or_insert_with(|| Known {
                revocations: Arc::clone(&revocations),
                replaced: Vec::new(),
                is_fed: false,
                out_since: None,
            });
            own.out_since = None;
            for name in iter::once(issuer).chain(former) {
                if let Some(known) = ledger.get_mut(name) {
                    previous.extend(known.lead_to(&revocations));
                }
            }
        }
        // A later write to the old store also checks the new one, see `write`.
        for previous in previous {
            revocations.store.take_over(&previous.store);
        }
        revocations
    }

    /// The project of this issuer checks its current revocations from now on, and no others.
    pub(crate) fn finish(&self, issuer: &str) {
        let mut ledger = self.lock();
        let Some(current) = ledger.get(issuer).map(|own| Arc::clone(&own.revocations)) else {
            return;
        };
        let names = ledger.values_mut();
        for known in names.filter(|known| Arc::ptr_eq(&known.revocations, &current)) {
            known.replaced.clear();
        }
    }

    /// The existing revocations of the issuer, if they can stay. They cannot if they were made for another
    /// policy, or also belong to a name that is no longer a former issuer. Such a name gets a separate store
    /// from now on, with the records of that time.
    fn reusable<'i>(
        &self,
        issuer: &str,
        former: &(impl Iterator<Item = &'i str> + Clone),
        policy: &RevocationPolicy,
    ) -> Option<Arc<Revocations>> {
        let ledger = self.lock();
        let own = &ledger.get(issuer)?.revocations;
        let is_anothers = ledger.iter().any(|(name, known)| {
            Arc::ptr_eq(&known.revocations, own)
                && **name != *issuer
                && former.clone().all(|former| **name != *former)
        });
        let stays = own.store.has_policy(policy) && !is_anothers;
        stays.then(|| Arc::clone(own))
    }

    /// Writes to the revocations of this issuer, also of a removed project. Returns whether there are any.
    ///
    /// During a replacement, these are the current ones and those that the project still checks. A
    /// concurrent replacement can copy the store before or after this write. In both cases the current
    /// store has the record in the end. A repeated write changes nothing.
    pub(crate) fn write(&self, issuer: &str, write: impl Fn(&RevocationStore)) -> bool {
        let mut written: Vec<Arc<Revocations>> = Vec::new();
        while let Some(mut checked) = self.checked(issuer) {
            checked.retain(|checked| !written.iter().any(|done| Arc::ptr_eq(done, checked)));
            if checked.is_empty() {
                return true;
            }
            for revocations in &checked {
                write(revocations.store());
            }
            written.append(&mut checked);
        }
        false
    }

    /// The revocations of this issuer that a project can check now.
    fn checked(&self, issuer: &str) -> Option<Vec<Arc<Revocations>>> {
        let ledger = self.lock();
        let known = ledger.get(issuer)?;
        let replaced = known.replaced.iter().filter_map(Weak::upgrade);
        let current = iter::once(Arc::clone(&known.revocations));
        Some(current.chain(replaced).collect())
    }

    /// The revocations of this issuer, also of a removed project.
    pub(crate) fn find(&self, issuer: &str) -> Option<Arc<Revocations>> {
        let ledger = self.lock();
        Some(Arc::clone(&ledger.get(issuer)?.revocations))
    }

    /// Turns revocation on for this issuer, and keeps the records of its route, also after a removal of the
    /// project.
    #[cfg(feature = "webhook")]
    pub(crate) fn feed(&self, issuer: &str) {
        if let Some(known) = self.lock().get_mut(issuer) {
            known.is_fed = true;
            known.revocations.store.turn_on();
        }
    }

    /// Removes issuers without records whose project was removed longer ago than revocations are remembered.
    /// If there are too many of them, the oldest are removed earlier.
    pub(crate) fn forget_unused(&self, now: Timestamp, is_used: impl Fn(&str) -> bool) {
        let mut ledger = self.lock();
        let mut idle = Vec::new();
        let over = ledger.extract_if(|issuer, known| {
            if is_used(issuer) {
                known.out_since = None;
                return false;
            }
            let out_since = *known.out_since.get_or_insert(now);
            let store = &known.revocations.store;
            if known.is_fed || !store.is_empty() {
                return false;
            }
            let out_for = now.elapsed(out_since);
            idle.push((out_for, issuer.clone()));
            out_for >= store.retention
        });
        let mut gone: Vec<_> = over.collect();
        idle.sort_unstable_by_key(|(out_for, _)| *out_for);
        let too_many = idle.iter().skip(MAX_IDLE);
        gone.extend(too_many.filter_map(|(_, issuer)| ledger.remove_entry(issuer)));
        // Their tasks end outside of the lock.
        drop(ledger);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Known>> {
        lock(&self.0)
    }
}

impl Known {
    /// Returns the earlier revocations, if these are others.
    fn lead_to(&mut self, revocations: &Arc<Revocations>) -> Option<Arc<Revocations>> {
        if Arc::ptr_eq(&self.revocations, revocations) {
            return None;
        }
        let earlier = mem::replace(&mut self.revocations, Arc::clone(revocations));
        self.replaced.retain(|replaced| replaced.strong_count() > 0);
        self.replaced.push(Arc::downgrade(&earlier));
        Some(earlier)
    }
}

/// The maximum number of issuers without a project and without records.
const MAX_IDLE: usize = 1_000;

impl fmt::Debug for RevocationLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationLedger")
            .field("issuers", &self.lock().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::iter;
    use std::time::Duration;

    use super::*;

    const ISSUER: &str = "https://auth.example";
    const HOUR: Duration = Duration::from_secs(3_600);

    struct Stage {
        ledger: RevocationLedger,
        clock: Clock,
    }

    impl Stage {
        fn new() -> Self {
            Self {
                ledger: RevocationLedger::default(),
                clock: Clock::starting_at(1_800_000_000),
            }
        }

        fn open(&self, issuer: &str, hours: u32) -> Arc<Revocations> {
            let plan = RevocationPlan {
                policy: RevocationPolicy {
                    retention: Some(hours * HOUR),
                    leeway: Duration::ZERO,
                },
                #[cfg(feature = "redis")]
                log: None,
            };
            let runtime = Handle::current();
            self.ledger
                .open(issuer, iter::empty(), plan, &self.clock, &runtime)
        }

        fn is_revoked(&self, user: &str) -> bool {
            let revocations = self.ledger.find(ISSUER).unwrap();
            let now = self.clock.now().unix().as_secs();
            revocations.store().table.user(user, now).is_some()
        }

        /// All projects are removed.
        fn forget(&self) {
            self.ledger.forget_unused(self.clock.now(), |_| false);
        }
    }

    #[tokio::test]
    async fn what_is_written_while_others_take_over_is_not_lost() {
        let stage = Stage::new();
        let before = stage.open(ISSUER, 1);
        let is_first = Cell::new(true);
        let is_written = stage.ledger.write(ISSUER, |store| {
            if is_first.take() {
                stage.open(ISSUER, 2);
            }
            store.revoke_user("alice");
        });
        assert!(is_written);
        assert!(!Arc::ptr_eq(&before, &stage.ledger.find(ISSUER).unwrap()));
        assert!(stage.is_revoked("alice") && !stage.is_revoked("bob"));
        assert!(
            !stage
                .ledger
                .write("https://other.example", |_| unreachable!())
        );
    }

    #[tokio::test]
    async fn a_project_that_still_serves_gets_what_is_written_during_its_replacement() {
        let stage = Stage::new();
        let serving = stage.open(ISSUER, 1);
        let is_revoked = |revocations: &Revocations, user: &str| {
            let now = stage.clock.now().unix().as_secs();
            revocations.store().table.user(user, now).is_some()
        };
        let revoke = |user: &str| {
            assert!(stage.ledger.write(ISSUER, |store| store.revoke_user(user)));
        };
        // The first two replacements are never finished.
        for (hours, user) in [(2, "alice"), (2, "bob"), (3, "carol")] {
            stage.open(ISSUER, hours);
            revoke(user);
            assert!(
                is_revoked(&serving, user) && stage.is_revoked(user),
                "{user}"
            );
        }
        assert!(!is_revoked(&serving, "dave"));
        // One of another issuer does not end those of this one.
        stage.open("https://other.example", 1);
        stage.ledger.finish("https://other.example");
        revoke("erin");
        assert!(is_revoked(&serving, "erin") && stage.is_revoked("erin"));

        stage.ledger.finish(ISSUER);
        revoke("dave");
        assert!(!is_revoked(&serving, "dave") && stage.is_revoked("dave"));
    }

    /// They have read the log, and need not read it again.
    #[tokio::test]
    async fn a_project_that_is_replaced_keeps_its_revocations_if_their_policy_stays() {
        let stage = Stage::new();
        let first = stage.open(ISSUER, 1);
        stage.ledger.finish(ISSUER);
        assert!(Arc::ptr_eq(&first, &stage.open(ISSUER, 1)));
        // After a removal, too.
        stage.forget();
        assert!(Arc::ptr_eq(&first, &stage.open(ISSUER, 1)));
        assert!(!Arc::ptr_eq(&first, &stage.open(ISSUER, 2)));
    }

    #[tokio::test]
    async fn an_issuer_is_known_for_the_retention_after_its_project_went() {
        let stage = Stage::new();
        stage.open(ISSUER, 2);
        stage.forget();
        stage.clock.shift_millis(2 * 3_600_000 - 1);
        stage.forget();
        assert!(stage.ledger.write(ISSUER, |_| {}));
        stage.clock.shift_millis(1);
        stage.forget();
        assert!(stage.ledger.find(ISSUER).is_none());

        // A project that was added meanwhile starts a new period.
        stage.open(ISSUER, 2);
        stage.forget();
        stage.clock.shift_millis(3_600_000);
        stage.open(ISSUER, 2);
        stage.forget();
        stage.clock.shift_millis(3_600_000);
        stage.forget();
        assert!(stage.ledger.find(ISSUER).is_some());
    }

    #[tokio::test]
    async fn of_many_that_went_those_with_revocations_and_the_last_ones_are_known() {
        let stage = Stage::new();
        stage.open(ISSUER, 1);
        stage
            .ledger
            .write(ISSUER, |store| store.revoke_user("alice"));
        let name = |number: usize| format!("https://{number}.example");
        for number in 0..MAX_IDLE + 10 {
            stage.open(&name(number), 1);
            stage.clock.shift_millis(1);
            stage.forget();
        }
        assert!(stage.is_revoked("alice"));
        let is_known = |number: usize| stage.ledger.find(&name(number)).is_some();
        assert!((0..10).all(|number| !is_known(number)));
        assert!((10..MAX_IDLE + 10).all(is_known));
    }
}
