//! [`Sessions`]: asks the resolver, once for all who want to know the same.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::answers::{Answer, Answers};
use super::bounded_map::BoundedMap;
use super::call::{Ask, CallError, Client};
use super::limits::{Admission, Place};
use super::options::Keep;
use super::options::Resolver;
use super::probe::Probes;
use super::purges::{PurgeWatch, Purges};
use crate::clock::{Clock, Moment};
use crate::runtime::{BackgroundTask, RuntimeEnded};
use crate::telemetry::{self, Cache};
use crate::user::{Digest, SessionCredential};

/// The sessions of a project, as its resolver knows them.
pub(crate) struct Sessions {
    inner: Arc<Inner>,
    probing: BackgroundTask,
    purges: Arc<Purges>,
    /// Those who wait for the word of a probe take no place from those who wait for an answer.
    undecided: Semaphore,
    /// How long a question, or the word of a probe, is waited for: its turn and its answer.
    patience: Duration,
}

/// The outcome of one question, shared by all who wait for it.
pub(crate) type Outcome = Result<Arc<Answer>, Arc<CallError>>;

struct Inner {
    source: Arc<dyn Ask>,
    issuer: Box<str>,
    clock: Clock,
    runtime: Handle,
    admission: Admission,
    waiters: Semaphore,
    flights: [Mutex<Flights>; FLIGHT_SHARDS],
    answers: Answers,
    /// When a credential was last found good: these may use the reserved share.
    confirmed: BoundedMap<Moment>,
    probes: Arc<Probes>,
}

type Flights = HashMap<Digest, Arc<Flight>>;

/// A question that is waiting for its turn or its answer.
struct Flight {
    /// Who comes after a purge does not join a question from before it.
    generation: u64,
    done: watch::Sender<Option<Outcome>>,
}

impl Sessions {
    pub(crate) fn new(
        source: impl Ask,
        issuer: &str,
        options: &Resolver,
        keep: Keep,
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
            admission: Admission::new(options.in_flight, options.queued, options.timeout),
            waiters: Semaphore::new(MAX_WAITERS),
            flights: std::array::from_fn(|_| Mutex::default()),
            answers: Answers::new(keep),
            confirmed: BoundedMap::new(MAX_CONFIRMED),
            probes,
        });
        Self {
            inner,
            probing,
            purges: Arc::default(),
            undecided: Semaphore::new(MAX_WAITERS),
            patience: options.timeout * 2 + SLACK,
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The answer that is kept about a credential, if it is not older than this.
    pub(crate) fn current(
        &self,
        digest: &Digest,
        now: Moment,
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
        client: Client,
        max_age: Duration,
    ) -> Outcome {
        self.probing.check().map_err(CallError::from)?;
        let _waiter = self
            .inner
            .waiters
            .try_acquire()
            .map_err(|_| CallError::Full)?;
        let mut done = match self.inner.join(credential, client, max_age, false)? {
            Joined::Known(answer) => return Ok(answer),
            Joined::Flight(done) => done,
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
        client: Client,
        max_age: Duration,
    ) {
        // If there is no room, whoever comes next asks.
        let _ = self.inner.join(credential, client, max_age, true);
    }

    /// Forgets what is known of a user: the next request asks, and an answer that was asked for
    /// before is not kept.
    pub(crate) fn purge_user(&self, user_id: &str) {
        self.inner.answers.purge_user(user_id);
        self.purges.tell(user_id);
    }

    /// Tells of purges of this user.
    pub(crate) fn watch(&self, user_id: &str) -> PurgeWatch {
        self.purges.watch(user_id)
    }

    /// When a credential was last found good: when that question was sent.
    pub(crate) fn confirmed_at(&self, digest: &Digest) -> Option<Moment> {
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

enum Joined {
    Known(Arc<Answer>),
    Flight(watch::Receiver<Option<Outcome>>),
}

enum Boarding {
    Joined(Joined),
    New(Arc<Flight>, Place),
}

impl Inner {
    fn join(
        self: &Arc<Self>,
        credential: Arc<SessionCredential>,
        client: Client,
        max_age: Duration,
        in_background: bool,
    ) -> Result<Joined, Arc<CallError>> {
        let digest = *credential.digest();
        let (flight, place) = match self.board(&digest, max_age)? {
            Boarding::Joined(joined) => return Ok(joined),
            Boarding::New(flight, place) => (flight, place),
        };
        let done = flight.done.subscribe();
        let myself = in_background.then(|| flight.done.subscribe());
        let guard = Airborne {
            inner: Arc::clone(self),
            digest,
            flight,
        };
        // No lock is held here: a runtime that has ended drops the task at once, and that takes the
        // flight off the list.
        self.runtime.spawn(async move {
            let _interest = myself;
            guard.fly(&place, credential, client).await;
        });
        Ok(Joined::Flight(done))
    }

    /// The answer or the flight that there is, or a new one, which is listed and has yet to begin.
    fn board(&self, digest: &Digest, max_age: Duration) -> Result<Boarding, CallError> {
        let now = self.clock.now();
        let generation = self.answers.generation();
        let mut flights = self.flights(digest);
        // An answer is kept before its flight ends: whoever finds no flight here finds the answer.
        if let Some(answer) = self.answers.current(digest, now, max_age) {
            return Ok(Boarding::Joined(Joined::Known(answer)));
        }
        if let Some(flight) = flights.get(digest)
            && flight.generation >= generation
        {
            let done = flight.done.subscribe();
            return Ok(Boarding::Joined(Joined::Flight(done)));
        }
        let is_known = self
            .confirmed
            .find(digest)
            .is_some_and(|at| now.elapsed(at) < CONFIRMED_LATELY);
        let place = self.admission.place(is_known).ok_or(CallError::Full)?;
        let flight = Arc::new(Flight {
            generation,
            done: watch::Sender::new(None),
        });
        let replaced = flights.insert(*digest, Arc::clone(&flight));
        drop(flights);
        drop(replaced);
        Ok(Boarding::New(flight, place))
    }

    fn flights(&self, digest: &Digest) -> MutexGuard<'_, Flights> {
        let index = usize::from(digest[0]) % FLIGHT_SHARDS;
        lock(&self.flights[index])
    }

    async fn call(
        &self,
        credential: &Arc<SessionCredential>,
        client: &Client,
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
        self.probes.hear(outcome.is_ok());
        outcome.map_err(|error| {
            telemetry::question_failed(&error);
            Arc::new(error)
        })
    }
}

/// A flight on its way: taken off the list of flights however it ends.
struct Airborne {
    inner: Arc<Inner>,
    digest: Digest,
    flight: Arc<Flight>,
}

impl Airborne {
    async fn fly(self, place: &Place, credential: Arc<SessionCredential>, client: Client) {
        let outcome = self.outcome(place, &credential, &client).await;
        if let Ok(answer) = &outcome {
            let inner = &self.inner;
            if answer.session().is_some() {
                let at = answer.asked_at();
                inner.confirmed.insert_if(self.digest, at, |_| true);
            }
            inner
                .answers
                .keep(self.digest, answer, self.flight.generation);
        }
        self.land();
        self.flight.done.send_replace(Some(outcome));
    }

    async fn outcome(
        &self,
        place: &Place,
        credential: &Arc<SessionCredential>,
        client: &Client,
    ) -> Outcome {
        let turn = tokio::select! {
            turn = self.inner.admission.turn(place) => turn,
            () = self.deserted() => return Err(Arc::new(CallError::Abandoned)),
        };
        let Some(_turn) = turn else {
            // Those before it wait for long, or are many.
            self.inner.probes.hear(false);
            return Err(Arc::new(CallError::Late));
        };
        self.inner.call(credential, client).await.map(Arc::new)
    }

    /// Returns when nobody waits any more and nobody can join.
    async fn deserted(&self) {
        loop {
            self.flight.done.closed().await;
            let mut flights = self.inner.flights(&self.digest);
            if self.flight.done.is_closed() {
                self.remove_from(&mut flights);
                return;
            }
        }
    }

    fn land(&self) {
        self.remove_from(&mut self.inner.flights(&self.digest));
    }

    fn remove_from(&self, flights: &mut Flights) {
        let listed = flights.get(&self.digest);
        if listed.is_some_and(|listed| Arc::ptr_eq(listed, &self.flight)) {
            flights.remove(&self.digest);
        }
    }
}

impl Drop for Airborne {
    fn drop(&mut self) {
        self.land();
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("admission", &self.inner.admission)
            .field("answers", &self.inner.answers)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const FLIGHT_SHARDS: usize = 32;
/// Requests that may wait for the resolver, whatever they ask.
const MAX_WAITERS: usize = 16_384;
/// Credentials that are remembered as confirmed: some 100 bytes each.
const MAX_CONFIRMED: usize = 65_536;
const CONFIRMED_LATELY: Duration = Duration::from_secs(5 * 60);
/// For what is between the waits.
const SLACK: Duration = Duration::from_secs(2);
