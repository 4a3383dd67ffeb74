//! The wait of a request for an unknown key.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{KeyState, KeyStore};
use crate::clock::Timestamp;
use crate::error::{AuthError, AuthErrorKind};
use crate::jwks::key_set::VerificationKey;
use crate::telemetry;
use crate::user::NumericDate;

/// How long a request waits for a running fetch, or for one that it demanded.
pub(super) const WAIT_TIMEOUT: Duration = Duration::from_secs(5);
/// A request does not wait for a fetch that begins later than this.
const NEAR: Duration = Duration::from_secs(2);
/// The maximum number of requests that wait for a fetch during the cooldown.
pub(super) const MAX_EARLY_WAITERS: usize = 256;
/// The maximum number of requests that wait for a running fetch.
pub(super) const MAX_WAITERS: usize = 4096;

impl KeyStore {
    /// Whether the key with this name does not exist, if that is known without a wait.
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

    /// Waits, for a bounded time, for the key with this name.
    ///
    /// `issued_at` is the unverified claim of the token. If the token is older than the last valid set, no
    /// new key can have signed it. If it is younger, a new key can have.
    ///
    /// # Errors
    /// `UnknownKey` if the key does not exist, `KeysUnavailable` if that is not known.
    pub(crate) async fn wait_for(
        &self,
        kid: &str,
        issued_at: Option<NumericDate>,
    ) -> Result<Arc<VerificationKey>, AuthError> {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        let mut changes = self.changes.subscribe();
        // The attempt that this request waits for.
        let mut joined = 0;
        loop {
            changes.mark_unchanged();
            let now = self.clock.now();
            let state = self.state.load_full();
            if let Some(key) = self.fresh(&state, now).and_then(|set| set.find(kid)) {
                return Ok(Arc::clone(key));
            }
            let decision = if state.attempt == joined && state.in_flight {
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
                    joined = state.attempt;
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
                // The wait timed out. (Or the sender is gone, which cannot happen while `self` lives.)
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

    /// Whether the token was issued before the fetch of the last valid set, or has no `iat`.
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
        // Plus one second, because `iat` is rounded down.
        let slack = (self.policy.leeway + Duration::from_secs(1)).as_secs_f64();
        let asked_at = now.earliest_unix_of(*asked_at).as_secs_f64();
        issued_at.is_none_or(|issued_at| issued_at.0 + slack < asked_at)
    }
}

/// The decision about a request with an unknown key.
enum Decision {
    /// The key does not exist.
    Refuse,
    /// Wait for the running attempt.
    Join,
    /// Demand an attempt at once, and wait for it.
    Ask,
    /// Wait for the next attempt, which begins soon.
    WaitForNext,
    /// Demand an attempt, and do not wait: it begins in this time.
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
