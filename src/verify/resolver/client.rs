//! [`ResolverClient`]: asks the resolver, once for all who want to know the same.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::answers::{Answer, Answers};
use super::bounded_map::BoundedMap;
use super::call::{Ask, CallError, ClientInfo};
use super::limits::{Limits, QueueSlot};
use super::options::CachePolicy;
use super::options::SessionResolver;
use super::probe::Probes;
use super::purges::{PurgeWatch, Purges};
use crate::clock::{Clock, Timestamp};
use crate::runtime::{BackgroundTask, RuntimeEnded};
use crate::telemetry::{self, Cache};
use crate::user::{Digest, SessionCredential};

/// The sessions of a project, as its resolver knows them.
pub(crate) struct ResolverClient {
    inner: Arc<Inner>,
    probing: BackgroundTask,
    purges: Arc<Purges>,
    /// Those who wait for the word of a probe take no place from those who wait for an answer.
    undecided: Arc<Semaphore>,
    /// Whether answers are kept for whoever comes next.
    keeps_answers: bool,
    /// How long a question, or the word of a probe, is waited for: its turn and its answer.
    patience: Duration,
}

/// The outcome of one question, shared by all who wait for it.
pub(crate) type LookupResult = Result<Arc<Answer>, Arc<CallError>>;

struct Inner {
    source: Arc<dyn Ask>,
    issuer: Box<str>,
    clock: Clock,
    runtime: Handle,
    limits: Limits,
    waiters: Semaphore,
    lookups: [Mutex<Lookups>; LOOKUP_SHARDS],
    answers: Answers,
    /// When a credential was last found good: these may use the reserved share.
    confirmed: BoundedMap<Timestamp>,
    probes: Arc<Probes>,
}

type Lookups = HashMap<Digest, Arc<Lookup>>;

/// A question that is waiting for its turn or its answer.
struct Lookup {
    /// Who comes after a purge does not join a question from before it.
    generation: u64,
    done: watch::Sender<Option<LookupResult>>,
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
        let inner = Arc::new(Inner {
            source,
            issuer: issuer.into(),
            clock,
            runtime: runtime.clone(),
            limits: Limits::new(options.in_flight, options.queued, options.timeout),
            waiters: Semaphore::new(MAX_WAITERS),
            lookups: std::array::from_fn(|_| Mutex::default()),
            answers: Answers::new(keep),
            confirmed: BoundedMap::new(MAX_CONFIRMED),
            probes,
        });
        Self {
            inner,
            probing,
            purges: Arc::default(),
            undecided: Arc::new(Semaphore::new(MAX_WAITERS)),
            keeps_answers: true,
            patience: options.timeout * 2 + SLACK,
        }
    }

    /// The same client, within the same bounds. It uses the answers that are kept, and keeps none
    /// itself.
    pub(crate) fn without_keeping(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            probing: self.probing.clone(),
            purges: Arc::clone(&self.purges),
            undecided: Arc::clone(&self.undecided),
            keeps_answers: false,
            patience: self.patience,
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The answer that is kept about a credential, if it is not older than this.
    pub(crate) fn current(
        &self,
        digest: &Digest,
        now: Timestamp,
        max_age: Duration,
    ) -> Option<Arc<Answer>> {
        let answer = self.inner.answers.current(digest, now, max_age);
        telemetry::looked_up(Cache::Answers, answer.is_some());
        answer
    }

    /// The last answer that was kept, however old.
    pub(crate) fn last(&self, digest: &Digest) -> Option<Arc<Answer>> {
        self.inner.answers.last(digest)
    }

    /// Asks, unless there is an answer that is not older than `max_age`, or somebody has asked
    /// already. Dropping the future leaves the others who wait alone. It never takes much longer than
    /// twice the timeout, whatever becomes of the runtime that asks.
    pub(crate) async fn ask(
        &self,
        credential: Arc<SessionCredential>,
        client: ClientInfo,
        max_age: Duration,
    ) -> LookupResult {
        self.probing.check().map_err(CallError::from)?;
        let _waiter = self
            .inner
            .waiters
            .try_acquire()
            .map_err(|_| CallError::QueueFull)?;
        let mut done = match self
            .inner
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

    /// Asks in the background, for whoever comes next.
    pub(crate) fn renew(
        &self,
        credential: Arc<SessionCredential>,
        client: ClientInfo,
        max_age: Duration,
    ) {
        if self.keeps_answers {
            // If there is no room, whoever comes next asks.
            let purpose = Purpose::Renewal;
            let _ = self.inner.join(credential, client, max_age, purpose);
        }
    }

    /// Whether it is for the caller to renew this answer: once, however many see that it is time.
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

    /// Forgets what is known of a user: the next request asks, and an answer that was asked for
    /// before is not kept.
    pub(crate) fn invalidate_user(&self, user_id: &str) {
        self.inner.answers.invalidate_user(user_id);
        self.purges.tell(user_id);
    }

    /// Tells of purges of this user.
    pub(crate) fn watch(&self, user_id: &str) -> PurgeWatch {
        self.purges.watch(user_id)
    }

    /// When a credential was last found good: when that question was sent.
    pub(crate) fn confirmed_at(&self, digest: &Digest) -> Option<Timestamp> {
        self.inner.confirmed.find(digest)
    }

    /// # Errors
    /// When nothing can be asked any more.
    pub(crate) fn check_runtime(&self) -> Result<(), RuntimeEnded> {
        self.probing.check()
    }

    /// Why the resolver is out of reach, if it is: for the last probe, whatever callers met.
    pub(crate) fn error(&self) -> Option<Arc<CallError>> {
        match self.probing.check() {
            Ok(()) => self.inner.probes.error(),
            Err(ended) => Some(Arc::new(ended.into())),
        }
    }

    /// For how long probes have found the resolver away, if the last one did.
    pub(crate) fn away_for(&self) -> Option<Duration> {
        self.probing.check().ok()?;
        self.inner.probes.away_for()
    }

    /// Waits, for a bounded time, until a probe has said whether that was the resolver's fault.
    pub(crate) async fn verdict(&self, error: &CallError) {
        if error.may_be_resolver()
            && let Ok(_place) = self.undecided.try_acquire()
        {
            self.inner.probes.verdict(self.patience).await;
        }
    }

    /// Returns when a probe was answered.
    ///
    /// # Errors
    /// When none will be sent any more.
    pub(crate) async fn ready(&self) -> Result<(), RuntimeEnded> {
        self.probing.check()?;
        self.inner.probes.ready().await;
        Ok(())
    }
}

/// What a question is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Somebody waits for the answer.
    Request,
    /// Whoever comes next.
    Renewal,
    /// Somebody waits, and nothing is kept.
    Explanation,
}

enum Joined {
    Known(Arc<Answer>),
    Lookup(watch::Receiver<Option<LookupResult>>),
}

enum Boarding {
    Joined(Joined),
    New(Arc<Lookup>, QueueSlot),
}

impl Inner {
    fn join(
        self: &Arc<Self>,
        credential: Arc<SessionCredential>,
        client: ClientInfo,
        max_age: Duration,
        purpose: Purpose,
    ) -> Result<Joined, Arc<CallError>> {
        let digest = *credential.digest();
        let (lookup, place) = match self.board(&digest, max_age, purpose)? {
            Boarding::Joined(joined) => return Ok(joined),
            Boarding::New(lookup, place) => (lookup, place),
        };
        let done = lookup.done.subscribe();
        let myself = (purpose == Purpose::Renewal).then(|| lookup.done.subscribe());
        let guard = LookupTask {
            inner: Arc::clone(self),
            digest,
            lookup,
            keeps_answer: purpose != Purpose::Explanation,
        };
        // No lock is held here: a runtime that has ended drops the task at once, and that takes the
        // flight off the list.
        self.runtime.spawn(async move {
            let _interest = myself;
            guard.run(&place, credential, client).await;
        });
        Ok(Joined::Lookup(done))
    }

    /// The answer or the flight that there is, or a new one, which is listed and has yet to begin.
    fn board(
        &self,
        digest: &Digest,
        max_age: Duration,
        purpose: Purpose,
    ) -> Result<Boarding, CallError> {
        let now = self.clock.now();
        let generation = self.answers.generation();
        let mut lookups = self.lookups(digest);
        // An answer is kept before its flight ends: whoever finds no flight here finds the answer.
        if let Some(answer) = self.answers.current(digest, now, max_age) {
            return Ok(Boarding::Joined(Joined::Known(answer)));
        }
        if let Some(lookup) = lookups.get(digest)
            && lookup.generation >= generation
        {
            let done = lookup.done.subscribe();
            return Ok(Boarding::Joined(Joined::Lookup(done)));
        }
        let is_known = self
            .confirmed
            .find(digest)
            .is_some_and(|at| now.elapsed(at) < CONFIRMED_LATELY);
        let place = self.limits.place(is_known).ok_or(CallError::QueueFull)?;
        let lookup = Arc::new(Lookup {
            generation,
            done: watch::Sender::new(None),
        });
        // A request that comes now asks for itself, and its answer is kept.
        let replaced = (purpose != Purpose::Explanation)
            .then(|| lookups.insert(*digest, Arc::clone(&lookup)))
            .flatten();
        drop(lookups);
        drop(replaced);
        Ok(Boarding::New(lookup, place))
    }

    fn lookups(&self, digest: &Digest) -> MutexGuard<'_, Lookups> {
        let index = usize::from(digest[0]) % LOOKUP_SHARDS;
        lock(&self.lookups[index])
    }

    async fn call(
        &self,
        credential: &Arc<SessionCredential>,
        client: &ClientInfo,
    ) -> Result<Answer, Arc<CallError>> {
        let asked_at = self.clock.now();
        let outcome = self
            .source
            .ask(credential, client)
            .await
            .and_then(|headers| {
                Answer::read(&headers, &self.issuer, Arc::clone(credential), asked_at)
            });
        let time = self.clock.now().elapsed(asked_at);
        telemetry::resolver_called(outcome.is_ok(), time);
        self.probes.note_answer(outcome.is_ok());
        outcome.map_err(|error| {
            telemetry::question_failed(&self.issuer, &error);
            Arc::new(error)
        })
    }
}

/// A flight on its way: taken off the list of flights however it ends.
struct LookupTask {
    inner: Arc<Inner>,
    digest: Digest,
    lookup: Arc<Lookup>,
    keeps_answer: bool,
}

impl LookupTask {
    async fn run(self, place: &QueueSlot, credential: Arc<SessionCredential>, client: ClientInfo) {
        let outcome = self.outcome(place, &credential, &client).await;
        if let Ok(answer) = &outcome
            && self.keeps_answer
        {
            let inner = &self.inner;
            if answer.session().is_some() {
                let at = answer.asked_at();
                inner.confirmed.insert_if(self.digest, at, |_| true);
            }
            inner
                .answers
                .keep(self.digest, answer, self.lookup.generation);
        }
        self.remove();
        self.lookup.done.send_replace(Some(outcome));
    }

    async fn outcome(
        &self,
        place: &QueueSlot,
        credential: &Arc<SessionCredential>,
        client: &ClientInfo,
    ) -> LookupResult {
        let turn = tokio::select! {
            turn = self.inner.limits.turn(place) => turn,
            () = self.abandoned() => return Err(Arc::new(CallError::Abandoned)),
        };
        let Some(_turn) = turn else {
            // Those before it wait for long, or are many.
            self.inner.probes.note_answer(false);
            return Err(Arc::new(CallError::QueueTimeout));
        };
        self.inner.call(credential, client).await.map(Arc::new)
    }

    /// Returns when nobody waits any more and nobody can join.
    async fn abandoned(&self) {
        loop {
            self.lookup.done.closed().await;
            let mut lookups = self.inner.lookups(&self.digest);
            if self.lookup.done.is_closed() {
                self.remove_from(&mut lookups);
                return;
            }
        }
    }

    fn remove(&self) {
        self.remove_from(&mut self.inner.lookups(&self.digest));
    }

    fn remove_from(&self, lookups: &mut Lookups) {
        let listed = lookups.get(&self.digest);
        if listed.is_some_and(|listed| Arc::ptr_eq(listed, &self.lookup)) {
            lookups.remove(&self.digest);
        }
    }
}

impl Drop for LookupTask {
    fn drop(&mut self) {
        self.remove();
    }
}

impl fmt::Debug for ResolverClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("admission", &self.inner.limits)
            .field("answers", &self.inner.answers)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const LOOKUP_SHARDS: usize = 32;
/// Requests that may wait for the resolver, whatever they ask.
const MAX_WAITERS: usize = 16_384;
/// Credentials that are remembered as confirmed: some 100 bytes each.
const MAX_CONFIRMED: usize = 65_536;
const CONFIRMED_LATELY: Duration = Duration::from_secs(5 * 60);
/// For what is between the waits.
const SLACK: Duration = Duration::from_secs(2);
