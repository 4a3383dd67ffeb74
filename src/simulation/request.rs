//! One request with a token, and whether the outcome is as promised.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::issuer::{Attempt, Issuer, KEYS};
use super::token::{LEEWAY, Token};
use crate::clock::{Clock, Timestamp};
use crate::error::{AuthError, AuthErrorKind};
use crate::jwks::KeyPolicy;
use crate::user::NoClaims;
use crate::verify::{JwtVerifier, ProjectSet, Requester, Verification};

/// How long a request may wait.
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);
/// A fetch that is nearer than this is waited for, by so many requests.
const NEAR: Duration = Duration::from_secs(2);
const MAX_EARLY_WAITERS: usize = 256;
/// A fetch that takes longer than this is trouble.
const SLOW: Duration = Duration::from_secs(1);

/// The state that the world and its requests share.
pub(super) struct Shared {
    pub(super) jwt: Arc<JwtVerifier<NoClaims>>,
    pub(super) projects: Arc<ProjectSet<NoClaims>>,
    pub(super) issuer: Issuer,
    pub(super) clock: Clock,
    pub(super) policy: KeyPolicy,
    pub(super) history: Mutex<History>,
    pub(super) start: Instant,
}

pub(super) struct History {
    /// For each key: since when it is listed, if it is.
    pub(super) listed_since: [Option<Instant>; KEYS],
    /// The keys that were removed, with when they had been listed, oldest first.
    pub(super) removed: Vec<(usize, Instant)>,
    /// By how much the service's wall clock is off, in seconds, and since when.
    pub(super) off_by: Vec<(Instant, i64)>,
    pub(super) waiting: usize,
    pub(super) wrong: Vec<String>,
}

/// A request that is under way, and how things were when it began.
pub(super) struct Trial<'t> {
    shared: &'t Shared,
    token: &'t Token,
    began: Timestamp,
    at: Instant,
    /// How long no fetch on demand could begin.
    cooling: Duration,
    /// The first attempt that had not ended.
    first_attempt: usize,
    was_fresh: bool,
}

impl<'t> Trial<'t> {
    pub(super) fn begin(shared: &'t Shared, token: &'t Token) -> Self {
        let began = shared.clock.now();
        let attempts = &shared.issuer.state().attempts;
        let last_demand = attempts.iter().rev().find(|attempt| attempt.on_demand);
        let cooling = last_demand.map_or(Duration::ZERO, |attempt| {
            shared.policy.cooldown.saturating_sub(attempt.age(began))
        });
        Self {
            shared,
            token,
            began,
            at: Instant::now(),
            cooling,
            first_attempt: attempts
                .iter()
                .position(|attempt| attempt.ended.is_none())
                .unwrap_or(attempts.len()),
            was_fresh: known(attempts, shared, began).is_some(),
        }
    }

    pub(super) async fn run(&self) -> Result<(), AuthError> {
        self.shared.history.lock().unwrap().waiting += 1;
        let leave = Leave(self.shared);
        let outcome = match self.shared.projects.verify(
            self.token.text().as_bytes(),
            self.shared.clock.now(),
            None,
            || None,
            Requester::default,
        ) {
            Verification::Ready(outcome) => outcome,
            Verification::Pending(pending) => pending.await,
        }
        .map(drop);
        self.judge(&outcome);
        drop(leave);
        outcome
    }

    /// A client does as `Retry-After` says; then the key that was too young is known.
    pub(super) async fn run_with_retry(self) {
        let Err(error) = self.run().await else {
            return;
        };
        let Some(wait) = error.retry_after() else {
            return;
        };
        let latency = self.shared.issuer.state().latency;
        sleep(wait + latency + Duration::from_millis(5)).await;
        let again = Trial::begin(self.shared, self.token);
        let outcome = again.run().await;
        // Between the first request and the answer to the second, was everything as it should be?
        let well = self.is_good() && self.has_been_quiet();
        if well && (outcome.is_err() || !again.at.elapsed().is_zero()) {
            self.wrong("not known after Retry-After", &outcome);
        }
    }

    fn judge(&self, outcome: &Result<(), AuthError>) {
        let now = self.shared.clock.now();
        let facts = self.token.facts();
        let knows_key = {
            let attempts = &self.shared.issuer.state().attempts;
            let known = known(attempts, self.shared, now);
            known.is_some_and(|keys| facts.key.is_some_and(|key| keys.contains(&key)))
        };
        if self.at.elapsed() > WAIT_TIMEOUT + Duration::from_millis(2) {
            self.wrong("waited for too long", outcome);
        }
        match outcome {
            Ok(()) => {
                let ends = Duration::from_secs(facts.expires_at) + LEEWAY;
                if !facts.is_signed || !knows_key || now.unix() >= ends {
                    self.wrong("a bad token is accepted", outcome);
                }
            }
            Err(error) if error.kind() == AuthErrorKind::KeysUnavailable => {
                self.judge_unavailable(outcome, knows_key, error.retry_after());
            }
            Err(_) if self.is_good() => self.wrong("a good token is refused", outcome),
            Err(error) if error.kind() == AuthErrorKind::UnknownKey && knows_key => {
                self.wrong("a known key is unknown", outcome);
            }
            Err(_) => {}
        }
    }

    fn judge_unavailable(
        &self,
        outcome: &Result<(), AuthError>,
        knows_key: bool,
        retry_after: Option<Duration>,
    ) {
        // A clock that is set back can make stale keys fresh again while a request waits.
        if knows_key && !self.has_seen_a_jump() {
            self.wrong("a known key is unavailable", outcome);
        }
        let longest = self.shared.policy.cooldown;
        if !retry_after.is_some_and(|wait| wait >= Duration::from_secs(1) && wait <= longest) {
            self.wrong("Retry-After is out of bounds", outcome);
        }
        // A stranger that cannot be young is refused at once while keys are at hand.
        let issued_at = self.token.facts().issued_at;
        let old = issued_at.is_none_or(|at| self.began.unix() > Duration::from_secs(at + 10_000));
        if self.token.facts().key.is_none() && old && !self.cooling.is_zero() && self.was_fresh {
            self.wrong("an old stranger is not refused at once", outcome);
        }
        // A good token waits for the fetch of its key, unless that is not to be had soon.
        let soon = self.cooling < NEAR;
        if soon && self.is_good() && self.has_been_quiet() {
            self.wrong("keys are at hand and called unavailable", outcome);
        }
    }

    /// Signed by a key that was listed then and has been since, not expired, and the clocks agree
    /// as far as they must.
    fn is_good(&self) -> bool {
        let facts = self.token.facts();
        let history = self.shared.history.lock().unwrap();
        let listed = facts
            .key
            .and_then(|key| history.listed_since[key])
            .is_some_and(|since| since <= facts.minted);
        let off_by_much = |seconds: i64| seconds.unsigned_abs() > LEEWAY.as_secs();
        let before = history.off_by.iter().rev().find(|(at, _)| *at <= self.at);
        let agree = before.is_none_or(|(_, seconds)| !off_by_much(*seconds))
            && history
                .off_by
                .iter()
                .all(|(at, seconds)| *at < self.at || !off_by_much(*seconds));
        let ends = Duration::from_secs(facts.expires_at);
        let alive = self.began.unix() < ends && self.shared.clock.now().unix() < ends;
        facts.is_signed && listed && agree && alive
    }

    /// Whether a fetch that mattered to this request failed or was slow.
    fn has_seen_trouble(&self) -> bool {
        let now = self.shared.clock.now();
        let state = self.shared.issuer.state();
        let attempts = state.attempts.get(self.first_attempt..);
        let trouble = |attempt: &Attempt| match &attempt.ended {
            Some((ended, keys)) => keys.is_none() || ended.elapsed(attempt.began) > SLOW,
            None => now.elapsed(attempt.began) > SLOW,
        };
        state.fault.is_some() || attempts.into_iter().flatten().any(trouble)
    }

    /// Nothing has happened since that would excuse a 503.
    fn has_been_quiet(&self) -> bool {
        !self.has_seen_trouble() && !self.has_seen_a_jump() && !self.is_crowded()
    }

    /// The wall clock was set, and with it the end of a cooldown.
    fn has_seen_a_jump(&self) -> bool {
        let history = self.shared.history.lock().unwrap();
        let last = history.off_by.last();
        last.is_some_and(|(at, _)| *at >= self.at)
    }

    fn is_crowded(&self) -> bool {
        self.shared.history.lock().unwrap().waiting > MAX_EARLY_WAITERS
    }

    fn wrong(&self, what: &str, outcome: &Result<(), AuthError>) {
        let waited = self.at.elapsed();
        let cooling = self.cooling;
        let token = &self.token;
        let text = format!("{what}: {outcome:?} after {waited:?}, cooling {cooling:?}, {token:?}");
        self.shared.history.lock().unwrap().wrong.push(text);
    }
}

/// The keys of the last good attempt, unless they are stale.
fn known<'a>(attempts: &'a [Attempt], shared: &Shared, now: Timestamp) -> Option<&'a [usize]> {
    attempts
        .iter()
        .rev()
        .find_map(|attempt| match &attempt.ended {
            Some((_, Some(keys))) => Some((attempt, keys)),
            _ => None,
        })
        .filter(|(attempt, _)| attempt.age(now) < shared.policy.max_stale)
        .map(|(_, keys)| keys.as_slice())
}

struct Leave<'t>(&'t Shared);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.history.lock().unwrap().waiting -= 1;
    }
}
