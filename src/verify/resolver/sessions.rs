//! [`Sessions`]: asks the resolver, once for all who want to know the same.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::answers::{Answer, Answers, Keep};
use super::bounded_map::BoundedMap;
use super::call::{Ask, CallError, Client};
use super::limits::{Admission, Place};
use super::options::Resolver;
use crate::clock::{Clock, Moment};
use crate::telemetry::{self, Cache};
use crate::user::{Digest, SessionCredential};

/// The sessions of a project, as its resolver knows them.
pub(crate) struct Sessions {
    inner: Arc<Inner>,
    prober: AbortHandle,
}

/// The outcome of one question, shared by all who wait for it.
pub(crate) type Outcome = Result<Arc<Answer>, Arc<CallError>>;

struct Inner {
    source: Box<dyn Ask>,
    issuer: Box<str>,
    clock: Clock,
    runtime: Handle,
    admission: Admission,
    waiters: Arc<Semaphore>,
    flights: [Mutex<Flights>; FLIGHT_SHARDS],
    answers: Answers,
    /// When a credential was last found good: these may use the reserved share.
    confirmed: BoundedMap<Moment>,
    health: Mutex<Health>,
    has_answered: AtomicBool,
    failed: Notify,
    purged: watch::Sender<()>,
}

type Flights = HashMap<Digest, Arc<Flight>>;

/// A question that is waiting for its turn or its answer.
struct Flight {
    /// Who comes after a purge does not join a question from before it.
    generation: u64,
    done: watch::Sender<Option<Outcome>>,
}

/// How the resolver is doing.
#[derive(Clone, Debug, Default)]
struct Health {
    /// Why the last call failed.
    error: Option<Arc<CallError>>,
    /// When the first call was sent of those that have failed since one succeeded.
    failing_since: Option<Moment>,
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
        let inner = Arc::new(Inner {
            source: Box::new(source),
            issuer: issuer.into(),
            clock,
            runtime: runtime.clone(),
            admission: Admission::new(options.in_flight, options.queued, options.timeout),
            waiters: Arc::new(Semaphore::new(MAX_WAITERS)),
            flights: std::array::from_fn(|_| Mutex::default()),
            answers: Answers::new(keep),
            confirmed: BoundedMap::new(MAX_CONFIRMED),
            health: Mutex::default(),
            has_answered: AtomicBool::new(false),
            failed: Notify::new(),
            purged: watch::Sender::new(()),
        });
        let prober = runtime.spawn(Arc::clone(&inner).probe_after_failures());
        Self {
            inner,
            prober: prober.abort_handle(),
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
    /// already. Dropping the future leaves the others who wait alone.
    pub(crate) async fn ask(
        &self,
        credential: Arc<SessionCredential>,
        client: Client,
        max_age: Duration,
    ) -> Outcome {
        let waiters = Arc::clone(&self.inner.waiters);
        let _waiter = waiters
            .try_acquire_owned()
            .map_err(|_| Arc::new(CallError::Full))?;
        let mut done = match self.inner.join(credential, client, max_age, false)? {
            Joined::Known(answer) => return Ok(answer),
            Joined::Flight(done) => done,
        };
        match done.wait_for(Option::is_some).await {
            Ok(outcome) => match &*outcome {
                Some(outcome) => outcome.clone(),
                None => Err(Arc::new(CallError::Abandoned)),
            },
            Err(_) => Err(Arc::new(CallError::Abandoned)),
        }
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
        self.inner.purged.send_replace(());
    }

    /// Tells of purges.
    pub(crate) fn purges(&self) -> watch::Receiver<()> {
        self.inner.purged.subscribe()
    }

    /// Why the last call failed, if it did.
    pub(crate) fn error(&self) -> Option<Arc<CallError>> {
        self.inner.health().error.clone()
    }

    /// How long all calls have failed, if the last one did.
    pub(crate) fn failing_for(&self) -> Option<Duration> {
        let since = self.inner.health().failing_since?;
        Some(self.inner.clock.now().elapsed(since))
    }

    /// Returns when the resolver has answered.
    pub(crate) async fn ready(&self) {
        while !self.inner.has_answered.load(Ordering::Acquire) || self.error().is_some() {
            if self.inner.probe().await {
                return;
            }
            sleep(FIRST_PROBE).await;
        }
    }
}

enum Joined {
    Known(Arc<Answer>),
    Flight(watch::Receiver<Option<Outcome>>),
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
        let now = self.clock.now();
        let generation = self.answers.generation();
        let mut flights = self.flights(&digest);
        // An answer is kept before its flight ends: whoever finds no flight here finds the answer.
        if let Some(answer) = self.answers.current(&digest, now, max_age) {
            return Ok(Joined::Known(answer));
        }
        if let Some(flight) = flights.get(&digest)
            && flight.generation >= generation
        {
            return Ok(Joined::Flight(flight.done.subscribe()));
        }
        let is_known = self
            .confirmed
            .find(&digest)
            .is_some_and(|at| now.elapsed(at) < CONFIRMED_LATELY);
        let place = self.admission.place(is_known).ok_or(CallError::Full)?;
        let flight = Arc::new(Flight {
            generation,
            done: watch::Sender::new(None),
        });
        flights.insert(digest, Arc::clone(&flight));
        let done = flight.done.subscribe();
        let myself = in_background.then(|| flight.done.subscribe());
        let guard = Airborne {
            inner: Arc::clone(self),
            digest,
            flight,
        };
        self.runtime.spawn(async move {
            let _interest = myself;
            guard.fly(&place, credential, client).await;
        });
        Ok(Joined::Flight(done))
    }

    fn flights(&self, digest: &Digest) -> MutexGuard<'_, Flights> {
        let index = usize::from(digest[0]) % FLIGHT_SHARDS;
        lock(&self.flights[index])
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        lock(&self.health)
    }

    async fn call(
        &self,
        credential: &Arc<SessionCredential>,
        client: &Client,
    ) -> Result<Answer, Arc<CallError>> {
        let asked_at = self.clock.now();
        let outcome = self
            .source
            .ask(Some(credential), client)
            .await
            .and_then(|headers| {
                Answer::read(&headers, &self.issuer, Arc::clone(credential), asked_at)
            });
        self.note(asked_at, outcome)
    }

    /// Asks whether the resolver is there.
    async fn probe(&self) -> bool {
        let asked_at = self.clock.now();
        let outcome = self.source.ask(None, &Client::default()).await;
        self.note(asked_at, outcome).is_ok()
    }

    /// Remembers how the resolver is doing.
    fn note<T>(
        &self,
        asked_at: Moment,
        outcome: Result<T, CallError>,
    ) -> Result<T, Arc<CallError>> {
        let time = self.clock.now().elapsed(asked_at);
        telemetry::resolver_called(outcome.is_ok(), time);
        match outcome {
            Ok(answer) => {
                self.has_answered.store(true, Ordering::Release);
                if std::mem::take(&mut *self.health()).error.is_some() {
                    telemetry::resolver_recovered();
                }
                Ok(answer)
            }
            Err(error) => {
                let error = Arc::new(error);
                let mut health = self.health();
                let is_first = health.error.replace(Arc::clone(&error)).is_none();
                health.failing_since.get_or_insert(asked_at);
                drop(health);
                telemetry::resolver_failed(&*error, is_first);
                self.failed.notify_one();
                Err(error)
            }
        }
    }

    /// While the last call has failed, asks again by itself.
    async fn probe_after_failures(self: Arc<Self>) {
        loop {
            self.failed.notified().await;
            let mut pause = FIRST_PROBE;
            while self.health().error.is_some() {
                sleep(pause.mul_f64(1.0 + 0.2 * fastrand::f64())).await;
                pause = (pause * 2).min(LAST_PROBE);
                if self.health().error.is_none() || self.probe().await {
                    break;
                }
            }
        }
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
                let now = inner.clock.now();
                inner.confirmed.insert_if(self.digest, now, |_| true);
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
        let _turn = tokio::select! {
            turn = self.inner.admission.turn(place) => turn.ok_or(CallError::Late)?,
            () = self.deserted() => return Err(Arc::new(CallError::Abandoned)),
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

impl Drop for Sessions {
    fn drop(&mut self) {
        self.prober.abort();
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
/// Pauses between probes of a resolver that failed.
const FIRST_PROBE: Duration = Duration::from_secs(1);
const LAST_PROBE: Duration = Duration::from_secs(10);
