//! Resolver calls. One call serves all requests with the same question.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use super::answers::{Answer, Answers};
use super::bounded_map::BoundedMap;
use super::call::{Ask, CallError, ClientInfo};
use super::limits::{Limits, QueueSlot};
use super::options::SessionResolver;
use super::probe::Probes;
use crate::clock::{Clock, Timestamp};
use crate::lock::lock;
use crate::macros::redacted_debug;
use crate::telemetry;
use crate::user::{Digest, SessionCredential};

/// The running calls, and the recorded confirmations.
pub(super) struct Lookups {
    source: Arc<dyn Ask>,
    issuer: Box<str>,
    pub(super) clock: Clock,
    runtime: Handle,
    limits: Limits,
    pub(super) waiters: Semaphore,
    listed: [Mutex<Listed>; LOOKUP_SHARDS],
    pub(super) answers: Answers,
    /// When a credential was last confirmed: confirmed ones can use the reserved share.
    pub(super) confirmed: BoundedMap<Timestamp>,
    pub(super) probes: Arc<Probes>,
}

/// The outcome of one call, shared by all that wait for it.
pub(crate) type LookupResult = Result<Arc<Answer>, Arc<CallError>>;

type Listed = HashMap<Digest, Arc<Lookup>>;

/// A call that waits for its permit or its answer.
struct Lookup {
    /// A request after a purge does not join a call that began before it.
    generation: u64,
    done: watch::Sender<Option<LookupResult>>,
}

/// The purpose of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A request waits for the answer.
    Request,
    /// The next request.
    Renewal,
    /// A request waits, and the answer is not cached.
    Explanation,
}

pub(super) enum Joined {
    Known(Arc<Answer>),
    Lookup(watch::Receiver<Option<LookupResult>>),
}

enum Found {
    Joined(Joined),
    New(Arc<Lookup>, QueueSlot),
}

impl Lookups {
    pub(super) fn new(
        source: Arc<dyn Ask>,
        issuer: &str,
        options: &SessionResolver,
        answers: Answers,
        clock: Clock,
        runtime: Handle,
        probes: Arc<Probes>,
    ) -> Self {
        Self {
            source,
            issuer: issuer.into(),
            clock,
            runtime,
            limits: Limits::new(options.in_flight, options.queued, options.timeout),
            waiters: Semaphore::new(MAX_WAITERS),
            listed: std::array::from_fn(|_| Mutex::default()),
            answers,
            confirmed: BoundedMap::new(MAX_CONFIRMED),
            probes,
        }
    }

    pub(super) fn join(
        self: &Arc<Self>,
        credential: Arc<SessionCredential>,
        client: ClientInfo,
        max_age: Duration,
        purpose: Purpose,
    ) -> Result<Joined, Arc<CallError>> {
        let digest = *credential.digest();
        let (lookup, slot) = match self.find_or_add(&digest, max_age, purpose)? {
            Found::Joined(joined) => return Ok(joined),
            Found::New(lookup, slot) => (lookup, slot),
        };
        let done = lookup.done.subscribe();
        let interest = (purpose == Purpose::Renewal).then(|| lookup.done.subscribe());
        let task = LookupTask {
            lookups: Arc::clone(self),
            digest,
            lookup,
            keeps_answer: purpose != Purpose::Explanation,
        };
        // No lock is held here. A runtime that has ended drops the task at once, and the drop removes the
        // lookup from the list.
        self.runtime.spawn(async move {
            let _interest = interest;
            task.run(&slot, credential, client).await;
        });
        Ok(Joined::Lookup(done))
    }

    /// The cached answer or the running lookup; otherwise a new lookup, which is listed but has not begun.
    fn find_or_add(
        &self,
        digest: &Digest,
        max_age: Duration,
        purpose: Purpose,
    ) -> Result<Found, CallError> {
        let now = self.clock.now();
        let generation = self.answers.generation();
        let mut listed = self.listed(digest);
        // An answer is cached before its lookup ends. So a request that finds no lookup here finds the
        // answer.
        if let Some(answer) = self.answers.current(digest, now, max_age) {
            return Ok(Found::Joined(Joined::Known(answer)));
        }
        if let Some(lookup) = listed.get(digest)
            && lookup.generation >= generation
        {
            let done = lookup.done.subscribe();
            return Ok(Found::Joined(Joined::Lookup(done)));
        }
        let is_known = self
            .confirmed
            .find(digest)
            .is_some_and(|at| now.elapsed(at) < CONFIRMED_LATELY);
        let slot = self.limits.place(is_known).ok_or(CallError::QueueFull)?;
        let lookup = Arc::new(Lookup {
            generation,
            done: watch::Sender::new(None),
        });
        // A later request calls for itself, and its answer is cached.
        let replaced = (purpose != Purpose::Explanation)
            .then(|| listed.insert(*digest, Arc::clone(&lookup)))
            .flatten();
        drop(listed);
        drop(replaced);
        Ok(Found::New(lookup, slot))
    }

    fn listed(&self, digest: &Digest) -> MutexGuard<'_, Listed> {
        let index = usize::from(digest[0]) % LOOKUP_SHARDS;
        lock(&self.listed[index])
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

/// A running lookup. It is removed from the list however it ends.
struct LookupTask {
    lookups: Arc<Lookups>,
    digest: Digest,
    lookup: Arc<Lookup>,
    keeps_answer: bool,
}

impl LookupTask {
    async fn run(self, slot: &QueueSlot, credential: Arc<SessionCredential>, client: ClientInfo) {
        let outcome = self.outcome(slot, &credential, &client).await;
        if let Ok(answer) = &outcome
            && self.keeps_answer
        {
            let lookups = &self.lookups;
            if answer.session().is_some() {
                let at = answer.asked_at();
                lookups.confirmed.insert_if(self.digest, at, |_| true);
            }
            lookups
                .answers
                .keep(self.digest, answer, self.lookup.generation);
        }
        self.remove();
        self.lookup.done.send_replace(Some(outcome));
    }

    async fn outcome(
        &self,
        slot: &QueueSlot,
        credential: &Arc<SessionCredential>,
        client: &ClientInfo,
    ) -> LookupResult {
        let turn = tokio::select! {
            turn = self.lookups.limits.turn(slot) => turn,
            () = self.abandoned() => return Err(Arc::new(CallError::Abandoned)),
        };
        let Some(_turn) = turn else {
            // The calls before it are slow, or many.
            self.lookups.probes.note_answer(false);
            return Err(Arc::new(CallError::QueueTimeout));
        };
        self.lookups.call(credential, client).await.map(Arc::new)
    }

    /// Returns when no request waits any more, and none can join.
    async fn abandoned(&self) {
        loop {
            self.lookup.done.closed().await;
            let mut listed = self.lookups.listed(&self.digest);
            if self.lookup.done.is_closed() {
                self.remove_from(&mut listed);
                return;
            }
        }
    }

    fn remove(&self) {
        self.remove_from(&mut self.lookups.listed(&self.digest));
    }

    fn remove_from(&self, listed: &mut Listed) {
        let current = listed.get(&self.digest);
        if current.is_some_and(|current| Arc::ptr_eq(current, &self.lookup)) {
            listed.remove(&self.digest);
        }
    }
}

impl Drop for LookupTask {
    fn drop(&mut self) {
        self.remove();
    }
}

redacted_debug!(Lookups { limits, answers });

/// The maximum number of requests that wait for the resolver, for any question.
pub(super) const MAX_WAITERS: usize = 16_384;
/// The maximum number of recorded confirmations: about 100 bytes each.
const MAX_CONFIRMED: usize = 65_536;
const LOOKUP_SHARDS: usize = 32;
const CONFIRMED_LATELY: Duration = Duration::from_secs(5 * 60);
