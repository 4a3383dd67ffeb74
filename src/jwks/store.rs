//! The current keys, what is being done to renew them, and how a request waits for that.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::fetch::KeyFetchError;
use super::key_set::{KeySet, VerificationKey};
use crate::clock::{Clock, Moment};
use crate::error::{AuthError, AuthErrorKind};
use crate::user::NumericDate;

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

/// How long a request waits for a fetch that is under way, or that it asked for.
const PATIENCE: Duration = Duration::from_secs(5);
/// A fetch that is further away than this is not waited for.
const NEAR: Duration = Duration::from_secs(2);
/// How many requests may wait for a fetch that has not begun because of the cooldown.
const MAX_EARLY_WAITERS: usize = 256;
/// How many requests may wait for a fetch that is under way.
const MAX_WAITERS: usize = 4096;

/// The keys, shared by the requests that read them and the refresher that renews them.
pub(crate) struct KeyStore {
    state: ArcSwap<KeyState>,
    policy: KeyPolicy,
    clock: Clock,
    /// The number of the attempt that requests wait for; the refresher owes it while it is larger
    /// than the number of the last one that began.
    wanted: AtomicU64,
    wake: Notify,
    changes: watch::Sender<()>,
    waiters: Semaphore,
    early_waiters: Semaphore,
}

/// What is known at one moment; replaced as a whole.
#[derive(Clone, Debug)]
pub(crate) struct KeyState {
    /// The last good set, and when the question was sent that it answers.
    pub(crate) good: Option<(Arc<KeySet>, Moment)>,
    /// The number of the last attempt that began, from 1.
    pub(crate) attempt: u64,
    /// Whether that attempt is still under way.
    pub(crate) in_flight: bool,
    /// When the last attempt began that a request had asked for.
    pub(crate) last_demand: Option<Moment>,
    /// When the next attempt begins if nobody asks for one.
    pub(crate) next_attempt: Instant,
    /// Why the last attempt failed.
    pub(crate) error: Option<Arc<KeyFetchError>>,
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
                error: None,
            }),
            policy,
            clock,
            wanted: AtomicU64::new(0),
            wake: Notify::new(),
            changes: watch::Sender::new(()),
            waiters: Semaphore::new(MAX_WAITERS),
            early_waiters: Semaphore::new(MAX_EARLY_WAITERS),
        }
    }

    /// The current set, if it is fresh enough to be trusted.
    pub(crate) fn current(&self, now: Moment) -> Option<CurrentKeys> {
        let state = self.state.load();
        self.fresh(&state, now)?;
        Some(CurrentKeys(state))
    }

    /// Whether this very key is in use: its name alone would not say so.
    ///
    /// # Errors
    /// `UnknownKey` when it is not any more, `KeysUnavailable` when the set is too old to say so.
    pub(crate) fn check_current(
        &self,
        key: &Arc<dyn Any + Send + Sync>,
        now: Moment,
    ) -> Result<(), AuthError> {
        let state = self.state.load();
        let set = self
            .fresh(&state, now)
            .ok_or_else(|| unavailable(&state, MIN_RETRY_AFTER))?;
        if set.contains(key) {
            Ok(())
        } else {
            Err(AuthErrorKind::UnknownKey.into())
        }
    }

    /// Waits, for a bounded time, until the key of this name is known.
    ///
    /// `issued_at` is what the token says of itself. A token that was issued before the last good
    /// set was asked for cannot be signed by a key that we have not seen; a younger one can.
    ///
    /// # Errors
    /// `UnknownKey` when the key does not exist, `KeysUnavailable` when that cannot be said.
    pub(crate) async fn wait_for(
        &self,
        kid: &str,
        issued_at: Option<NumericDate>,
    ) -> Result<Arc<VerificationKey>, AuthError> {
        let deadline = Instant::now() + PATIENCE;
        let mut changes = self.changes.subscribe();
        // The attempt that this very request waits for.
        let mut joined = 0;
        loop {
            changes.mark_unchanged();
            let now = self.clock.now();
            let state = self.state.load_full();
            if let Some(key) = self.fresh(&state, now).and_then(|set| set.find(kid)) {
                return Ok(Arc::clone(key));
            }
            let decision = if state.attempt <= joined && state.is_pending(joined) {
                Decision::Join
            } else {
                self.decide(&state, now, issued_at)
            };
            let room = match decision {
                Decision::Refuse => return Err(AuthErrorKind::UnknownKey.into()),
                Decision::Unavailable(retry_after) => {
                    self.ask_for(state.attempt + 1);
                    return Err(unavailable(&state, retry_after));
                }
                Decision::Join => {
                    joined = joined.max(state.attempt);
                    &self.waiters
                }
                Decision::Ask => {
                    joined = state.attempt + 1;
                    self.ask_for(joined);
                    &self.waiters
                }
                Decision::WaitForNext => {
                    self.ask_for(state.attempt + 1);
                    &self.early_waiters
                }
            };
            let Ok(_place) = room.try_acquire() else {
                return Err(unavailable(&state, MIN_RETRY_AFTER));
            };
            match timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                // Out of patience; or, which cannot be while `self` lives, the sender is gone.
                Err(_) | Ok(Err(_)) => return Err(unavailable(&state, MIN_RETRY_AFTER)),
            }
        }
    }

    fn decide(&self, state: &KeyState, now: Moment, issued_at: Option<NumericDate>) -> Decision {
        let cooldown = self.cooldown_left(state, now);
        let cooling = !cooldown.is_zero();
        if cooling && self.is_older_than_keys(state, now, issued_at) {
            return Decision::Refuse;
        }
        if state.in_flight {
            return Decision::Join;
        }
        if !cooling {
            return Decision::Ask;
        }
        let next = state
            .next_attempt
            .saturating_duration_since(Instant::now())
            .min(cooldown);
        if next < NEAR && self.early_waiters.available_permits() > 0 {
            Decision::WaitForNext
        } else {
            Decision::Unavailable(next)
        }
    }

    /// Whether the token was issued before the last good set was asked for, or does not say when.
    fn is_older_than_keys(
        &self,
        state: &KeyState,
        now: Moment,
        issued_at: Option<NumericDate>,
    ) -> bool {
        let Some((_, asked_at)) = &state.good else {
            return false;
        };
        if self.fresh(state, now).is_none() {
            return false;
        }
        // One second more, because `iat` is rounded down.
        let slack = (self.policy.leeway + Duration::from_secs(1)).as_secs_f64();
        let asked_at = now.earliest_unix_of(*asked_at).as_secs_f64();
        issued_at.is_none_or(|issued_at| issued_at.0 + slack < asked_at)
    }

    fn ask_for(&self, attempt: u64) {
        self.wanted.fetch_max(attempt, Ordering::AcqRel);
        // Also where it was asked for before: the wall clock may have jumped since, and the end of
        // the cooldown with it.
        self.wake.notify_one();
    }

    /// The last good set, unless it is too old to be trusted.
    fn fresh<'s>(&self, state: &'s KeyState, now: Moment) -> Option<&'s KeySet> {
        let (set, asked_at) = state.good.as_ref()?;
        (now.elapsed(*asked_at) < self.policy.max_stale).then_some(set)
    }

    /// How long no attempt may begin on demand.
    fn cooldown_left(&self, state: &KeyState, now: Moment) -> Duration {
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

/// What the refresher does with the store.
impl KeyStore {
    pub(super) fn policy(&self) -> &KeyPolicy {
        &self.policy
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn state(&self) -> Arc<KeyState> {
        self.state.load_full()
    }

    /// Publishes a new state to everyone, those who wait included.
    pub(super) fn publish(&self, state: KeyState) {
        self.state.store(Arc::new(state));
        self.changes.send_replace(());
    }

    /// How long until an attempt that somebody waits for may begin, if somebody does.
    pub(super) fn demand_due_in(&self, state: &KeyState) -> Option<Duration> {
        (self.wanted.load(Ordering::Acquire) > state.attempt)
            .then(|| self.cooldown_left(state, self.clock.now()))
    }

    /// Returns when somebody has asked for an attempt.
    pub(super) async fn demand(&self) {
        self.wake.notified().await;
    }
}

impl KeyState {
    /// Whether this attempt has not ended yet.
    fn is_pending(&self, attempt: u64) -> bool {
        self.attempt < attempt || (self.attempt == attempt && self.in_flight)
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

/// The set that was current, and fresh, at one moment: what one verification looks at.
pub(crate) struct CurrentKeys(Guard<Arc<KeyState>>);

impl CurrentKeys {
    fn set(&self) -> Option<&KeySet> {
        self.0.good.as_ref().map(|(set, _)| &**set)
    }

    /// The key of this name.
    pub(crate) fn find(&self, kid: &str) -> Option<&Arc<VerificationKey>> {
        self.set()?.find(kid)
    }

    /// Whether this very key, and not only one of its name, is in the set.
    pub(crate) fn contains(&self, key: &Arc<VerificationKey>) -> bool {
        self.set().is_some_and(|set| set.contains(key))
    }
}

/// How the keys are doing.
pub(crate) struct KeyStatus {
    /// Whether tokens can be verified.
    pub(crate) usable: bool,
    /// How long ago the current keys were asked for.
    pub(crate) age: Option<Duration>,
    /// Why the last attempt failed, if it did.
    pub(crate) error: Option<Arc<KeyFetchError>>,
}

/// What to do with a request whose key is not known.
enum Decision {
    /// The key does not exist.
    Refuse,
    /// Wait for the attempt that is under way.
    Join,
    /// Ask for an attempt at once, and wait for it.
    Ask,
    /// Wait for the next attempt, which is near.
    WaitForNext,
    /// Ask for an attempt, and do not wait for it: it is this far away.
    Unavailable(Duration),
}

const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

fn unavailable(state: &KeyState, retry_after: Duration) -> AuthError {
    AuthError::unavailable(
        AuthErrorKind::KeysUnavailable,
        retry_after.max(MIN_RETRY_AFTER),
        state.error.clone().map(|error| error as _),
    )
}

#[cfg(test)]
mod tests;
