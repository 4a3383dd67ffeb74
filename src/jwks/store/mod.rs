//! The current keys, and the state of their renewal. [`waiting`] contains the waits of requests.

mod waiting;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use jsonwebtoken::Algorithm;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use self::waiting::{MIN_RETRY_AFTER, unavailable};
use super::fetch::KeyFetchError;
use super::key_set::{KeySet, VerificationKey};
use super::policy::KeyPolicy;
use super::snapshot::{KeySnapshot, SnapshotError};
use crate::clock::{Clock, Timestamp};
use crate::error::{AuthError, AuthErrorKind};
use crate::runtime::RuntimeEnded;

/// The keys, shared by the requests that read them and the refresher that renews them.
pub(crate) struct KeyStore {
    state: ArcSwap<KeyState>,
    policy: KeyPolicy,
    clock: Clock,
    /// The number of the attempt that requests wait for. While it is larger than the number of the last
    /// attempt, the refresher must begin one.
    wanted: AtomicU64,
    wake: Notify,
    changes: watch::Sender<()>,
    waiters: Semaphore,
    early_waiters: Semaphore,
}

/// The state at one time; replaced as a whole.
#[derive(Clone, Debug)]
pub(crate) struct KeyState {
    /// The last valid set, and the start of its fetch.
    pub(crate) good: Option<(Arc<KeySet>, Timestamp)>,
    /// The number of the last attempt that began, from 1.
    pub(crate) attempt: u64,
    /// Whether this attempt is still running.
    pub(crate) in_flight: bool,
    /// The start of the last attempt on demand of a request.
    pub(crate) last_demand: Option<Timestamp>,
    /// The start of the next attempt without demand, while there are usable keys.
    pub(crate) next_attempt: Instant,
    /// The latest start while there are none: a service that is not ready gets no requests, so there is no
    /// demand.
    pub(crate) next_without_keys: Instant,
    /// Why the last attempt failed.
    pub(crate) error: Option<Arc<KeyFetchError>>,
    /// Whether the refresher has stopped: no attempt will follow.
    pub(crate) ended: bool,
}

impl KeyStore {
    /// An empty store. The first attempt counts as begun: the refresher makes it at once.
    pub(crate) fn new(policy: KeyPolicy, clock: Clock) -> Self {
        Self {
            state: ArcSwap::from_pointee(KeyState {
                good: None,
                attempt: 1,
                in_flight: true,
                last_demand: None,
                next_attempt: Instant::now(),
                next_without_keys: Instant::now(),
                error: None,
                ended: false,
            }),
            policy,
            clock,
            wanted: AtomicU64::new(0),
            wake: Notify::new(),
            changes: watch::Sender::new(()),
            waiters: Semaphore::new(waiting::MAX_WAITERS),
            early_waiters: Semaphore::new(waiting::MAX_EARLY_WAITERS),
        }
    }

    /// A store with the keys of an earlier store of the same project.
    pub(crate) fn with_keys_of(policy: KeyPolicy, clock: Clock, other: &Self) -> Self {
        let good = other.state.load().good.clone();
        let store = Self::new(policy, clock);
        let state = KeyState::clone(&store.state());
        store.publish(KeyState { good, ..state });
        store
    }

    /// The current set, unless it is too old.
    pub(crate) fn current(&self, now: Timestamp) -> Option<CurrentKeys> {
        let state = self.state.load();
        self.fresh(&state, now)?;
        Some(CurrentKeys(state))
    }

    /// Whether this key is in use: its name alone would not say so.
    ///
    /// # Errors
    /// `UnknownKey` if it is no longer in use, `KeysUnavailable` if the set is too old.
    pub(crate) fn check_current(
        &self,
        key: &Arc<dyn Any + Send + Sync>,
        now: Timestamp,
    ) -> Result<(), AuthError> {
        let state = self.state.load();
        let set = self
            .fresh(&state, now)
            .ok_or_else(|| unavailable(&state, MIN_RETRY_AFTER))?;
        let key = key.downcast_ref::<VerificationKey>();
        if key.is_some_and(|key| set.contains(key)) {
            Ok(())
        } else {
            Err(AuthErrorKind::UnknownKey.into())
        }
    }

    fn ask_for(&self, attempt: u64) {
        self.wanted.fetch_max(attempt, Ordering::AcqRel);
        // Also after an earlier demand: the wall clock may have jumped since, and with it the end of the
        // cooldown.
        self.wake.notify_one();
    }

    /// The last valid set, unless it is too old.
    fn fresh<'s>(&self, state: &'s KeyState, now: Timestamp) -> Option<&'s KeySet> {
        let (set, asked_at) = state.good.as_ref()?;
        (now.elapsed(*asked_at) < self.policy.max_stale).then_some(set)
    }

    /// The remaining time without attempts on demand.
    fn cooldown_left(&self, state: &KeyState, now: Timestamp) -> Duration {
        state.last_demand.map_or(Duration::ZERO, |began| {
            self.policy.cooldown.saturating_sub(now.elapsed(began))
        })
    }

    /// How the keys are doing.
    pub(crate) fn status(&self) -> KeyStatus {
        let state = self.state.load();
        let now = self.clock.now();
        KeyStatus {
            usable: self.fresh(&state, now).is_some(),
            age: state
                .good
                .as_ref()
                .map(|(_, asked_at)| now.elapsed(*asked_at)),
            error: state.error.clone(),
        }
    }

    /// Returns when the first attempt has ended, successful or not.
    pub(crate) async fn attempted(&self) {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let state = self.state.load_full();
            if state.good.is_some() || state.error.is_some() {
                return;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Returns when there are fresh keys.
    pub(crate) async fn ready(&self) {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let state = self.state.load_full();
            if self.fresh(&state, self.clock.now()).is_some() {
                return;
            }
            if !state.in_flight {
                self.ask_for(state.attempt + 1);
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// The refresher's methods.
impl KeyStore {
    pub(super) fn policy(&self) -> &KeyPolicy {
        &self.policy
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn state(&self) -> Arc<KeyState> {
        self.state.load_full()
    }

    /// Uses keys of another process or of an earlier start, unless the store has younger ones. Their age
    /// counts from the start of that fetch, by the wall clock. A clock that is set back from now on does
    /// not extend their use.
    ///
    /// # Errors
    /// The keys are not usable with these algorithms, older than the staleness bound, or from the future.
    pub(crate) fn restore(
        &self,
        snapshot: &KeySnapshot,
        algorithms: &[Algorithm],
    ) -> Result<Restored, SnapshotError> {
        let now = self.clock.now();
        let age = now
            .unix()
            .checked_sub(snapshot.fetched_at)
            .ok_or(SnapshotError::InFuture)?;
        let asked_at = now
            .before(age)
            .filter(|_| age < self.policy.max_stale)
            .ok_or(SnapshotError::Stale)?;
        let state = KeyState::clone(&self.state());
        let previous = state.good.as_ref();
        if previous.is_some_and(|(_, other)| other.unix() >= asked_at.unix()) {
            return Ok(Restored::Superseded);
        }
        let set = KeySet::parse(&snapshot.text, algorithms, previous.map(|(set, _)| &**set))?;
        let (keys, skipped) = (set.len(), set.skipped());
        self.publish(KeyState {
            good: Some((Arc::new(set), asked_at)),
            ..state
        });
        Ok(Restored::Serves { age, keys, skipped })
    }

    /// Publishes a new state, also to waiting requests.
    pub(super) fn publish(&self, state: KeyState) {
        self.state.store(Arc::new(state));
        self.changes.send_replace(());
    }

    /// The time until the next attempt without demand.
    pub(super) fn due_in(&self, state: &KeyState) -> Duration {
        let due = match self.fresh(state, self.clock.now()) {
            Some(_) => state.next_attempt,
            None => state.next_attempt.min(state.next_without_keys),
        };
        due.saturating_duration_since(Instant::now())
    }

    /// The time until an attempt on demand may begin, if a request waits for one.
    pub(super) fn demand_due_in(&self, state: &KeyState) -> Option<Duration> {
        (self.wanted.load(Ordering::Acquire) > state.attempt)
            .then(|| self.cooldown_left(state, self.clock.now()))
    }

    /// Whether a request waits for this attempt.
    pub(super) fn is_wanted(&self, attempt: u64) -> bool {
        self.wanted.load(Ordering::Acquire) >= attempt
    }

    /// Publishes that keys are no longer fetched.
    pub(super) fn end(&self) {
        self.publish(KeyState {
            in_flight: false,
            error: Some(Arc::new(RuntimeEnded.into())),
            ended: true,
            ..KeyState::clone(&self.state())
        });
    }

    /// Returns when a request demands an attempt.
    pub(super) async fn demand(&self) {
        self.wake.notified().await;
    }
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyStore")
            .field("state", &self.state.load())
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// The set that one verification uses: current and fresh at one time.
pub(crate) struct CurrentKeys(Guard<Arc<KeyState>>);

impl CurrentKeys {
    fn set(&self) -> Option<&KeySet> {
        self.0.good.as_ref().map(|(set, _)| &**set)
    }

    /// The key with this name.
    pub(crate) fn find(&self, kid: &str) -> Option<&Arc<VerificationKey>> {
        self.set()?.find(kid)
    }

    /// The key of the tokens that have this header, see [`KeySet::find_by_header`].
    pub(crate) fn find_by_header(
        &self,
        header: &[u8],
    ) -> Option<(&Arc<VerificationKey>, Algorithm)> {
        self.set()?.find_by_header(header)
    }

    /// Whether exactly this key is in the set, not only its name.
    pub(crate) fn contains(&self, key: &Arc<VerificationKey>) -> bool {
        self.set().is_some_and(|set| set.contains(key))
    }
}

/// The result of restoring kept keys.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Restored {
    Serves {
        age: Duration,
        keys: usize,
        skipped: usize,
    },
    /// The store had younger keys.
    Superseded,
}

/// How the keys are doing.
pub(crate) struct KeyStatus {
    /// Whether tokens can be verified.
    pub(crate) usable: bool,
    /// The time since the fetch of the current keys began.
    pub(crate) age: Option<Duration>,
    /// Why the last attempt failed, if it did.
    pub(crate) error: Option<Arc<KeyFetchError>>,
}

#[cfg(test)]
#[allow(clippy::unchecked_time_subtraction, reason = "a test may panic")]
mod tests;
