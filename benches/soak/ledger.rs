//! What was tried, what was violated, and what was away meanwhile.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::judge::Sender;

pub struct Ledger {
    began: Instant,
    tried: Mutex<BTreeMap<(&'static str, Sender), u64>>,
    violations: Mutex<BTreeMap<String, u64>>,
    events: Mutex<Vec<Event>>,
}

/// Something that happened to the servers, at a moment or for a time.
#[derive(Clone, Copy)]
pub struct Event {
    pub name: &'static str,
    pub began: Instant,
    /// `None`: it goes on.
    pub ended: Option<Instant>,
    /// Until when after its end a mode that needs the resolver is excused.
    excuse: Option<Duration>,
}

/// Of each kind of violation, so many are printed.
const PRINTED: u64 = 20;

impl Ledger {
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            tried: Mutex::default(),
            violations: Mutex::default(),
            events: Mutex::default(),
        }
    }

    /// Seconds since the beginning.
    pub fn seconds(&self, moment: Instant) -> f64 {
        moment.saturating_duration_since(self.began).as_secs_f64()
    }

    pub fn tried(&self, contender: &'static str, sender: Sender) {
        *lock(&self.tried).entry((contender, sender)).or_default() += 1;
    }

    pub fn violation(&self, contender: &str, what: &str, context: &str) {
        let mut violations = lock(&self.violations);
        let count = violations
            .entry(format!("{contender}: {what}"))
            .or_default();
        *count += 1;
        if *count <= PRINTED {
            let time = self.seconds(Instant::now());
            println!("VIOLATION at {time:.1} s: {contender}: {what}: {context}");
        }
    }

    /// A moment, for the picture.
    pub fn moment(&self, name: &'static str) {
        self.begin(name, None);
        self.end(name);
    }

    /// Something begins, which excuses the modes that need the resolver until so long after its end.
    pub fn begin(&self, name: &'static str, excuse: Option<Duration>) {
        lock(&self.events).push(Event {
            name,
            began: Instant::now(),
            ended: None,
            excuse,
        });
    }

    pub fn end(&self, name: &str) {
        let mut events = lock(&self.events);
        let event = events.iter_mut().rfind(|event| event.name == name);
        event.expect("it has begun").ended = Some(Instant::now());
    }

    /// Whether the resolver was away at some moment since then.
    pub fn is_excused(&self, since: Instant) -> bool {
        lock(&self.events).iter().rev().any(|event| {
            event
                .excuse
                .is_some_and(|excuse| event.ended.is_none_or(|ended| ended + excuse >= since))
        })
    }

    pub fn events(&self) -> Vec<Event> {
        lock(&self.events).clone()
    }

    /// How many requests of each kind were judged.
    pub fn counts(&self) -> BTreeMap<(&'static str, Sender), u64> {
        lock(&self.tried).clone()
    }

    pub fn violations(&self) -> BTreeMap<String, u64> {
        lock(&self.violations).clone()
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
