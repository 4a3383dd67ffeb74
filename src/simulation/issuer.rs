//! An issuer for tests: a [`KeySource`] that is a function, so that it runs on a paused clock.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use http::StatusCode;
use jsonwebtoken::Algorithm;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::clock::{Clock, Timestamp};
use crate::error::AuthErrorKind;
use crate::jwks::fetch::{FetchedKeys, KeyFetchError, KeySource};
use crate::jwks::policy::KeyPolicy;
use crate::jwks::refresher::Refresher;
use crate::jwks::store::KeyStore;
use crate::outbound::FetchError;
use crate::telemetry::{MetricScope, ProjectTelemetry};
use crate::testkit::SigningKey;
use crate::user::NumericDate;

/// How many keys there are to list.
pub(crate) const KEYS: usize = 16;
/// How long a fetch hangs before its timeout: one for discovery, one for the keys.
pub(crate) const HANG: Duration = Duration::from_secs(10);

/// A key of the issuer's; quick to sign with.
pub(crate) fn key(number: usize) -> &'static SigningKey {
    static POOL: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
        (0..KEYS)
            .map(|number| SigningKey::ed25519().with_kid(format!("key-{number}")))
            .collect()
    });
    &POOL[number]
}

/// How fetching fails.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// A refused connection, a status of 5xx.
    Error,
    /// A status that says that the keys are not there.
    Gone,
    /// Bytes that are no key set.
    Garbage,
    /// A set of no keys.
    Empty,
    /// No answer within [`HANG`].
    Hang,
    /// The answer as it was when the question came, so much later.
    Slow(Duration),
}

pub(crate) fn telemetry() -> Arc<ProjectTelemetry> {
    Arc::new(ProjectTelemetry::new("simulated", &MetricScope::default()))
}

/// One attempt to fetch the keys.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) began: Timestamp,
    pub(crate) at: Instant,
    /// Whether a request had asked for it.
    pub(crate) on_demand: bool,
    /// When it ended, and with which keys, if it was a good one.
    pub(crate) ended: Option<(Timestamp, Option<Vec<usize>>)>,
}

impl Attempt {
    /// How long ago it began, by whichever clock says more.
    pub(crate) fn age(&self, now: Timestamp) -> Duration {
        let by_wall = now.unix().saturating_sub(self.began.unix());
        self.at.elapsed().max(by_wall)
    }
}

/// The handle of an issuer.
#[derive(Clone)]
pub(crate) struct Issuer {
    clock: Clock,
    state: Arc<Mutex<State>>,
    store: Arc<KeyStore>,
    telemetry: Arc<ProjectTelemetry>,
}

pub(crate) struct State {
    /// The numbers of the listed keys.
    pub(crate) listed: Vec<usize>,
    pub(crate) fault: Option<Fault>,
    pub(crate) latency: Duration,
    pub(crate) max_age: Option<Duration>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) started_over: usize,
}

impl Issuer {
    /// An issuer that lists key 0, whose keys are kept in that store.
    pub(crate) fn new(clock: &Clock, store: &Arc<KeyStore>) -> Self {
        Self {
            clock: clock.clone(),
            store: Arc::clone(store),
            telemetry: telemetry(),
            state: Arc::new(Mutex::new(State {
                listed: vec![0],
                fault: None,
                latency: Duration::from_millis(20),
                max_age: None,
                attempts: Vec::new(),
                started_over: 0,
            })),
        }
    }

    /// The same issuer, for another service that keeps its keys in that store.
    pub(crate) fn of_store(&self, store: &Arc<KeyStore>) -> Self {
        Self {
            store: Arc::clone(store),
            ..self.clone()
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn attempts(&self) -> usize {
        self.state().attempts.len()
    }
}

impl KeySource for Issuer {
    async fn fetch(&mut self) -> Result<FetchedKeys, KeyFetchError> {
        let (number, latency, fault) = {
            let mut state = self.state();
            let began = self.clock.now();
            // An attempt on demand has just been noted as such.
            let last_demand = self.store.state().last_demand;
            state.attempts.push(Attempt {
                began,
                at: Instant::now(),
                on_demand: last_demand.is_some_and(|last| began.elapsed(last).is_zero()),
                ended: None,
            });
            (state.attempts.len() - 1, state.latency, state.fault)
        };
        sleep(latency / 2).await;
        let (listed, max_age) = {
            let state = self.state();
            (state.listed.clone(), state.max_age)
        };
        sleep(match fault {
            Some(Fault::Hang) => HANG,
            Some(Fault::Slow(time)) => time,
            _ => latency / 2,
        })
        .await;
        let body = match fault {
            None | Some(Fault::Slow(_)) => Ok(jwks(&listed)),
            Some(Fault::Empty) => Ok(jwks(&[])),
            Some(Fault::Garbage) => Ok("<html>".to_owned()),
            Some(Fault::Error) => Err(FetchError::Status(StatusCode::BAD_GATEWAY)),
            Some(Fault::Gone) => Err(FetchError::Status(StatusCode::NOT_FOUND)),
            Some(Fault::Hang) => Err(FetchError::Timeout),
        };
        let good = matches!(fault, None | Some(Fault::Slow(_))).then_some(listed);
        let ended = self.clock.now();
        self.state().attempts[number].ended = Some((ended, good));
        let body = body.map_err(KeyFetchError::KeysFetch)?.into();
        Ok(FetchedKeys { body, max_age })
    }

    fn telemetry(&self) -> &ProjectTelemetry {
        &self.telemetry
    }

    fn start_over(&mut self) {
        self.state().started_over += 1;
    }
}

fn jwks(keys: &[usize]) -> String {
    static MEMBERS: LazyLock<Vec<String>> =
        LazyLock::new(|| (0..KEYS).map(|n| key(n).jwk().to_string()).collect());
    let members: Vec<&str> = keys.iter().map(|number| &*MEMBERS[*number]).collect();
    format!("{{\"keys\":[{}]}}", members.join(","))
}

/// A store with its refresher, and the issuer that they ask.
pub(crate) struct Bench {
    pub(crate) clock: Clock,
    pub(crate) issuer: Issuer,
    pub(crate) store: Arc<KeyStore>,
    pub(crate) refresher: Option<Refresher>,
}

/// When the clock of a bench starts.
pub(crate) const START: u64 = 1_800_000_000;

impl Bench {
    /// Has had its first attempt, unless that failed.
    pub(crate) async fn new(set_up: impl FnOnce(&mut State)) -> Self {
        let bench = Self::cold(KeyPolicy::default(), set_up);
        sleep(Duration::from_millis(100)).await;
        bench
    }

    pub(crate) fn cold(policy: KeyPolicy, set_up: impl FnOnce(&mut State)) -> Self {
        let clock = Clock::starting_at(START);
        let store = Arc::new(KeyStore::new(policy, clock.clone()));
        let issuer = Issuer::new(&clock, &store);
        set_up(&mut issuer.state());
        let refresher = Refresher::spawn(
            &Handle::current(),
            Arc::clone(&store),
            issuer.clone(),
            vec![Algorithm::EdDSA],
            None,
            None,
        );
        Self {
            clock,
            issuer,
            store,
            refresher: Some(refresher),
        }
    }

    /// Whether a request would find that key at once.
    pub(crate) fn knows(&self, number: usize) -> bool {
        let now = self.clock.now();
        let current = self.store.current(now);
        current.is_some_and(|keys| keys.find(key(number).kid()).is_some())
    }

    /// What a request is told whose token names that key and was issued so many seconds ago.
    pub(crate) async fn ask(&self, number: usize, age: f64) -> Result<(), AuthErrorKind> {
        self.ask_dated(number, Some(self.seconds_ago(age))).await
    }

    pub(crate) async fn ask_dated(
        &self,
        number: usize,
        issued_at: Option<NumericDate>,
    ) -> Result<(), AuthErrorKind> {
        let outcome = self.store.wait_for(key(number).kid(), issued_at).await;
        outcome.map(drop).map_err(|error| {
            assert_eq!(
                error.retry_after().is_some(),
                error.kind() == AuthErrorKind::KeysUnavailable
            );
            error.kind()
        })
    }

    pub(crate) fn seconds_ago(&self, age: f64) -> NumericDate {
        NumericDate(self.clock.now().unix().as_secs_f64() - age)
    }

    /// How long after the first attempt each attempt began, in seconds.
    pub(crate) fn times(&self) -> Vec<f64> {
        let state = self.issuer.state();
        let Some(first) = state.attempts.first() else {
            return Vec::new();
        };
        state
            .attempts
            .iter()
            .map(|attempt| attempt.began.elapsed(first.began).as_secs_f64())
            .collect()
    }
}
