//! Whether the resolver is reachable, by the result of probes only.
//!
//! A caller controls much of a call: the credential, the `User-Agent`, and so the behaviour of a proxy on
//! the way. So the failure of one call affects only that call. It triggers a probe, which has no data of a
//! caller, and the result of the probe counts for all.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::call::{Ask, CallError, ClientInfo};
use crate::clock::{Clock, Timestamp};
use crate::telemetry;
use crate::user::{CredentialForm, SessionCredential};
use crate::verify::session_headers;

/// Sends the probes, and keeps their results.
pub(super) struct Probes {
    source: Arc<dyn Ask>,
    issuer: Box<str>,
    clock: Clock,
    prompted: Notify,
    health: watch::Sender<ResolverHealth>,
}

#[derive(Clone, Debug, Default)]
struct ResolverHealth {
    /// How many probes were sent, and how many of them have ended.
    sent: u64,
    ended: u64,
    /// Why the last one failed, if it did.
    error: Option<Arc<CallError>>,
    /// The start of the first probe since the last success that found the resolver unreachable.
    away_since: Option<Timestamp>,
}

impl Probes {
    pub(super) fn new(source: Arc<dyn Ask>, issuer: &str, clock: Clock) -> Self {
        Self {
            source,
            issuer: issuer.into(),
            clock,
            prompted: Notify::new(),
            health: watch::Sender::default(),
        }
    }

    /// Sends a probe when it is triggered, and repeats it while the last one has failed. Only one runs at a
    /// time.
    pub(super) async fn run(self: Arc<Self>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let ended = Instant::now();
            let is_failing = self.error().is_some();
            tokio::select! {
                () = self.prompted.notified() => sleep(jittered(FIRST_WAIT)).await,
                () = sleep_until(ended + jittered(pause)), if is_failing => {}
            }
            pause = if self.probe().await {
                FIRST_PAUSE
            } else {
                (pause * 2).min(LAST_PAUSE)
            };
            // A trigger does not shorten this pause.
            sleep(jittered(LEAST_PAUSE)).await;
        }
    }

    /// Compares the result of a caller's call with the last probe. If they differ, the next probe is
    /// triggered.
    pub(super) fn note_answer(&self, has_answered: bool) {
        if has_answered == self.error().is_some() {
            self.prompted.notify_one();
        }
    }

    /// Why the last probe failed, if it did.
    pub(super) fn error(&self) -> Option<Arc<CallError>> {
        self.health.borrow().error.clone()
    }

    /// How long the resolver has been unreachable, if the last probe found that.
    pub(super) fn away_for(&self) -> Option<Duration> {
        let since = {
            let health = self.health.borrow();
            let is_away = health.error.as_ref().is_some_and(|error| error.is_away());
            health.away_since.filter(|_| is_away)
        };
        Some(self.clock.now().elapsed(since?))
    }

    /// Waits, for a bounded time, for the result of a probe that starts from now on, unless a probe has
    /// already found the resolver unreachable. Another earlier result does not describe the present.
    pub(super) async fn verdict(&self, patience: Duration) {
        let mut health = self.health.subscribe();
        let next = health.borrow().sent + 1;
        self.prompted.notify_one();
        let is_away =
            |health: &ResolverHealth| health.error.as_ref().is_some_and(|error| error.is_away());
        let spoken = health.wait_for(|health| is_away(health) || health.ended >= next);
        // Without a result, the state does not change.
        let _ = timeout(patience, spoken).await;
    }

    /// Returns when a probe was answered.
    pub(super) async fn ready(&self) {
        let mut health = self.health.subscribe();
        loop {
            let ended = {
                let health = health.borrow_and_update();
                if health.ended > 0 && health.error.is_none() {
                    return;
                }
                health.ended
            };
            self.prompted.notify_one();
            if health
                .wait_for(|health| health.ended > ended)
                .await
                .is_err()
            {
                return;
            }
        }
    }

    async fn probe(&self) -> bool {
        self.health.send_modify(|health| health.sent += 1);
        let sent_at = self.clock.now();
        let stranger = stranger();
        let client = ClientInfo::default();
        let answer = self.source.ask(&stranger, &client).await;
        let outcome = answer.and_then(|headers| {
            session_headers::read(&headers, &self.issuer).map_err(|_| CallError::Malformed)
        });
        let time = self.clock.now().elapsed(sent_at);
        telemetry::resolver_called(outcome.is_ok(), time);
        let error = outcome.err().map(Arc::new);
        let mut had_failed = false;
        self.health.send_modify(|health| {
            had_failed = health.error.is_some();
            health.ended = health.sent;
            match &error {
                None => health.away_since = None,
                Some(error) if error.is_away() => {
                    health.away_since.get_or_insert(sent_at);
                }
                // Another answer does not restart the grace period.
                Some(_) => {}
            }
            health.error.clone_from(&error);
        });
        match &error {
            Some(error) => telemetry::resolver_failed(&self.issuer, &**error, !had_failed),
            None if had_failed => telemetry::resolver_recovered(&self.issuer),
            None => {}
        }
        error.is_none()
    }
}

/// It looks like an opaque token of Authgear, but is none. Without a credential, a resolver has nothing to
/// look up, and would answer while its own store is unreachable.
fn stranger() -> SessionCredential {
    let token: String = std::iter::repeat_with(fastrand::alphanumeric)
        .take(OPAQUE_LENGTH)
        .collect();
    let form = CredentialForm::Bearer;
    SessionCredential::new(form, &token, form.digest(&token))
}

/// Up to a fifth longer, so that many processes do not call at the same time.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(1.0 + 0.2 * fastrand::f64())
}

/// The delay before a triggered probe: one probe is enough for failures at about the same time.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The minimum time between the end of a probe and the next one.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// The same without a trigger, while they fail.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// The length of Authgear's opaque tokens.
const OPAQUE_LENGTH: usize = 32;
