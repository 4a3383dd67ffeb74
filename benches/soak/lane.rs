//! Requests to one contender, at a steady pace.

use std::mem::take;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::interval;

use crate::judge::{self, Sender};
use crate::ledger::{Ledger, lock};

pub struct Lane {
    pub name: &'static str,
    /// Whether it must ask Authgear about each session.
    needs_resolver: bool,
    client: reqwest::Client,
    ledger: Arc<Ledger>,
    /// Milliseconds until good answers, since they were last taken.
    times: Mutex<Vec<f64>>,
    /// Of each request that waits for its answer.
    places: Arc<Semaphore>,
}

/// More requests do not wait at once: an outage of some seconds makes fewer, and a busy machine cannot be
/// made less busy by more of them.
const PLACES: usize = 600;

/// A request, and who sends it.
#[derive(Clone)]
pub struct Case {
    pub sender: Sender,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    /// The answer is judged only if this number is the same then.
    pub while_same: Option<(Arc<AtomicU64>, u64)>,
}

impl Case {
    pub fn bearer(sender: Sender, url: &str, token: &str) -> Self {
        Self {
            sender,
            url: format!("{url}/me"),
            headers: vec![("authorization", format!("Bearer {token}"))],
            while_same: None,
        }
    }
}

impl Lane {
    pub fn new(name: &'static str, needs_resolver: bool, ledger: &Arc<Ledger>) -> Arc<Self> {
        Arc::new(Self {
            name,
            needs_resolver,
            client: client(),
            ledger: Arc::clone(ledger),
            times: Mutex::default(),
            places: Arc::new(Semaphore::new(PLACES)),
        })
    }

    /// Sends what `next` makes, so many times a second, whether or not the answers come in time.
    pub async fn drive(self: Arc<Self>, rate: u32, mut next: impl FnMut() -> Option<Case>) {
        let mut ticks = interval(Duration::from_secs(1) / rate);
        loop {
            ticks.tick().await;
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned()
                && let Some(case) = next()
            {
                let this = Arc::clone(&self);
                tokio::spawn(async move {
                    this.ask(case).await;
                    drop(place);
                });
            }
        }
    }

    /// Sends one request, and judges the answer.
    pub async fn ask(&self, case: Case) {
        let began = Instant::now();
        let mut request = self.client.get(&case.url);
        for (name, value) in &case.headers {
            request = request.header(*name, value);
        }
        let (status, text) = match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                (Some(status), response.text().await.unwrap_or_default())
            }
            Err(error) => (None, format!("{error:?}")),
        };
        let time = began.elapsed();
        if let Some((number, value)) = &case.while_same
            && number.load(Ordering::SeqCst) != *value
        {
            return;
        }
        if (case.sender, status) == (Sender::Good, Some(200)) {
            lock(&self.times).push(time.as_secs_f64() * 1e3);
        }
        self.ledger.tried(self.name, case.sender);
        let is_excused = self.needs_resolver && self.ledger.is_excused(began);
        if let Some(what) = judge::answer(case.sender, status, is_excused) {
            let context = format!(
                "{:?} was answered with {status:?} after {time:.1?} at {}: {text}",
                case.sender, case.url
            );
            let is_bound_to_time = match status {
                None | Some(503) => true,
                Some(200..=299) => case.sender == Sender::Disabled,
                Some(_) => false,
            };
            if is_bound_to_time {
                let ledger = &self.ledger;
                ledger.late_violation(began, self.name, what, &context);
            } else {
                self.ledger.violation(self.name, what, &context);
            }
        }
    }

    pub fn take_times(&self) -> Vec<f64> {
        take(&mut lock(&self.times))
    }
}

/// For plain HTTP on loopback.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(15))
        .pool_idle_timeout(Duration::from_secs(5))
        .build()
        .unwrap()
}
