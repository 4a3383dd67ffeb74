//! [`ResolverClient`]: calls the resolver once for all requests with the same question.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answers::{Answer, Answers};
use super::call::{Ask, CallError, ClientInfo};
use super::lookups::{Joined, LookupResult, Lookups, MAX_WAITERS, Purpose};
use super::options::{CachePolicy, SessionResolver};
use super::probe::Probes;
use super::purges::{PurgeWatch, Purges};
use crate::clock::{Clock, Timestamp};
use crate::macros::redacted_debug;
use crate::runtime::{BackgroundTask, RuntimeEnded};
use crate::telemetry::{self, Cache};
use crate::user::{Digest, SessionCredential};

/// The sessions of a project, from its resolver.
#[derive(Clone)]
pub(crate) struct ResolverClient {
    lookups: Arc<Lookups>,
    probing: BackgroundTask,
    purges: Arc<Purges>,
    /// Requests that wait for a probe take no place from those that wait for an answer.
    undecided: Arc<Semaphore>,
    /// Whether answers are cached for later requests.
    keeps_answers: bool,
    /// The time limit for a call with its queue, and for a probe's result.
    patience: Duration,
}

impl ResolverClient {
    pub(crate) fn new(
        source: impl Ask,
        issuer: &str,
        options: &SessionResolver,
        keep: CachePolicy,
        clock: Clock,
        runtime: &Handle,
    ) -> Self {
        let source: Arc<dyn Ask> = Arc::new(source);
        let probes = Arc::new(Probes::new(Arc::clone(&source), issuer, clock.clone()));
        let probing = BackgroundTask::spawn(runtime, Arc::clone(&probes).run());
        let answers = Answers::new(keep);
        let runtime = runtime.clone();
        let lookups = Lookups::new(source, issuer, options, answers, clock, runtime, probes);
        Self {
            lookups: Arc::new(lookups),
            probing,
            purges: Arc::default(),
            undecided: Arc::new(Semaphore::new(MAX_WAITERS)),
            keeps_answers: true,
            patience: options.timeout * 2 + SLACK,
        }
    }

    /// The same client, within the same limits. It uses the cached answers, but caches none.
    pub(crate) fn without_keeping(&self) -> Self {
        Self {
            keeps_answers: false,
            ..self.clone()
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.lookups.clock
    }

    /// The cached answer about a credential, if it is not older than this.
    pub(crate) fn current(
        &self,
        digest: &Digest,
        now: Timestamp,
        max_age: Duration,
    ) -> Option<Arc<Answer>> {
        let answer = self.lookups.answers.current(digest, now, max_age);
        telemetry::looked_up(Cache::Answers, answer.is_some());
        answer
    }

    /// The last cached answer, of any age.
    pub(crate) fn last(&self, digest: &Digest) -> Option<Arc<Answer>> {
        self.lookups.answers.last(digest)
    }

    /// Calls the resolver, unless there is an answer that is not older than `max_age`. It joins a running
    /// call. Dropping the future does not affect the other waiting requests. It takes little more than twice
    /// the timeout, whatever happens to the runtime of the call.
    pub(crate) async fn ask(
        &self,
        credential: Arc<SessionCredential>,
        client: ClientInfo,
        max_age: Duration,
    ) -> LookupResult {
        self.probing.check().map_err(CallError::from)?;
        let _waiter = self
            .lookups
            .waiters
            .try_acquire()
            .map_err(|_| CallError::QueueFull)?;
        let mut done = match self
            .lookups
            .join(credential, client, max_age, self.purpose())?
        {
            Joined::Known(answer) => return Ok(answer),
            Joined::Lookup(done) => done,
        };
        let outcome = match timeout(self.patience, done.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.clone(),
            Ok(Err(_)) => None,
            Err(_) => Some(Err(Arc::new(CallError::Stalled))),
        };
        outcome.unwrap_or_else(|| {
            let ended = self.probing.check().map_err(CallError::from);
            Err(Arc::new(ended.err().unwrap_or(CallError::Abandoned)))
        })
    }

    /// Calls in the background, for later requests.
    pub(crate) fn renew(
        &self,
        credential: Arc<SessionCredential>,
        client: ClientInfo,
        max_age: Duration,
    ) {
        if self.keeps_answers {
            // If the queue is full, the next request calls.
            let purpose = Purpose::Renewal;
            let _ = self.lookups.join(credential, client, max_age, purpose);
        }
    }

    /// Whether this caller must renew this answer: exactly one of those who see that it is due.
    pub(crate) fn claim_renewal(&self, answer: &Answer) -> bool {
        self.keeps_answers && answer.claim_renewal()
    }

    fn purpose(&self) -> Purpose {
        if self.keeps_answers {
            Purpose::Request
        } else {
            Purpose::Explanation
        }
    }

    /// Removes the answers about a user. The next request calls, and the answer of an earlier call is not
    /// cached.
    pub(crate) fn invalidate_user(&self, user_id: &str) {
        self.lookups.answers.invalidate_user(user_id);
        self.purges.tell(user_id);
    }

    /// Subscribes to the purges of this user.
    pub(crate) fn watch(&self, user_id: &str) -> PurgeWatch {
        self.purges.watch(user_id)
    }

    /// When a credential was last confirmed: the start of that call.
    pub(crate) fn confirmed_at(&self, digest: &Digest) -> Option<Timestamp> {
        self.lookups.confirmed.find(digest)
    }

    /// # Errors
    /// No more calls are possible.
    pub(crate) fn check_runtime(&self) -> Result<(), RuntimeEnded> {
        self.probing.check()
    }

    /// Why the resolver is unreachable, if it is: by the last probe, independent of callers' results.
    pub(crate) fn error(&self) -> Option<Arc<CallError>> {
        match self.probing.check() {
            Ok(()) => self.lookups.probes.error(),
            Err(ended) => Some(Arc::new(ended.into())),
        }
    }

    /// How long probes have found the resolver unreachable, if the last one did.
    pub(crate) fn away_for(&self) -> Option<Duration> {
        self.probing.check().ok()?;
        self.lookups.probes.away_for()
    }

    /// Waits, for a bounded time, until a probe has found whether the resolver caused the failure.
    pub(crate) async fn verdict(&self, error: &CallError) {
        if error.may_be_resolver()
            && let Ok(_place) = self.undecided.try_acquire()
        {
            self.lookups.probes.verdict(self.patience).await;
        }
    }

    /// Returns when a probe was answered.
    ///
    /// # Errors
    /// No more probes will be sent.
    pub(crate) async fn ready(&self) -> Result<(), RuntimeEnded> {
        self.probing.check()?;
        self.lookups.probes.ready().await;
        Ok(())
    }
}

redacted_debug!(ResolverClient { lookups });

/// The extra time for the steps between the waits.
const SLACK: Duration = Duration::from_secs(2);
