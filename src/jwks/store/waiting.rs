//! How a request waits for a key that is not known yet.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{KeyState, KeyStore};
use crate::clock::Timestamp;
use crate::error::{AuthError, AuthErrorKind};
use crate::jwks::key_set::VerificationKey;
use crate::telemetry;
use crate::user::NumericDate;

/// How long a request waits for a fetch that is under way, or that it asked for.
pub(super) const WAIT_TIMEOUT: Duration = Duration::from_secs(5);
/// A fetch that is further away than this is not waited for.
const NEAR: Duration = Duration::from_secs(2);
/// How many requests may wait for a fetch that has not begun because of the cooldown.
pub(super) const MAX_EARLY_WAITERS: usize = 256;
/// How many requests may wait for a fetch that is under way.
pub(super) const MAX_WAITERS: usize = 4096;

impl KeyStore {
    /// Whether the key of this name does not exist, as far as that can be said without a wait.
    pub(crate) fn is_unknown(
        &self,
        kid: &str,
        issued_at: Option<NumericDate>,
        now: Timestamp,
    ) -> bool {
        let state = self.state.load();
        self.fresh(&state, now)
            .is_some_and(|set| set.find(kid).is_none())
            && matches!(self.decide(&state, now, issued_at), Decision::Refuse)
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
        let deadline = Instant::now() + WAIT_TIMEOUT;
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
                    self.ask_for(state.attempt);
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

    fn decide(&self, state: &KeyState, now: Timestamp, issued_at: Option<NumericDate>) -> Decision {
        let cooldown = self.cooldown_left(state, now);
        let cooling = !cooldown.is_zero();
        if cooling && self.is_older_than_keys(state, now, issued_at) {
            return Decision::Refuse;
        }
        if state.ended {
            return Decision::Unavailable(MIN_RETRY_AFTER);
        }
        if state.in_flight {
            return Decision::Join;
        }
        if !cooling {
            return Decision::Ask;
        }
        let next = self.due_in(state).min(cooldown);
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
        now: Timestamp,
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
}

impl KeyState {
    /// Whether this attempt has not ended yet.
    fn is_pending(&self, attempt: u64) -> bool {
        self.attempt < attempt || (self.attempt == attempt && self.in_flight)
    }
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

pub(super) const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

pub(super) fn unavailable(state: &KeyState, retry_after: Duration) -> AuthError {
    if state.ended {
        telemetry::runtime_ended();
    }
    AuthError::unavailable(
        AuthErrorKind::KeysUnavailable,
        retry_after.max(MIN_RETRY_AFTER),
        state.error.clone().map(|error| error as _),
    )
}
