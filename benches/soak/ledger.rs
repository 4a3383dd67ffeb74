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
    machine: Mutex<Machine>,
}

/// Whether the machine was too busy for anything to be in time.
struct Machine {
    last_answer: Instant,
    /// When it answered late, and how late.
    late: Vec<(Instant, Duration)>,
    /// How many violations that excuses.
    excused: u64,
}

/// Later than this is late.
const LATE: Duration = Duration::from_millis(500);
/// How long it takes until what was late has no consequences any more.
const AFTER: Duration = Duration::from_secs(15);

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
            machine: Mutex::new(Machine {
                last_answer: Instant::now(),
                late: Vec::new(),
                excused: 0,
            }),
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

    /// A violation of something that takes its time: none where the machine was too busy since then.
    pub fn late_violation(&self, since: Instant, contender: &str, what: &str, context: &str) {
        let mut machine = lock(&self.machine);
        let is_late_now = machine.last_answer.elapsed() > LATE;
        if is_late_now
            || machine
                .late
                .last()
                .is_some_and(|(at, _)| *at + AFTER >= since)
        {
            machine.excused += 1;
        } else {
            drop(machine);
            self.violation(contender, what, context);
        }
    }

    /// The machine has done the least that it can be asked for, which was due then.
    pub fn machine_answered(&self, due: Instant) {
        let mut machine = lock(&self.machine);
        machine.last_answer = Instant::now();
        let time = due.elapsed();
        if time > LATE {
            machine.late.push((Instant::now(), time));
        }
    }

    /// How long the machine was late in all, and how many violations that excused.
    pub fn busy(&self) -> (Duration, u64) {
        let machine = lock(&self.machine);
        let late = machine.late.iter().map(|(_, time)| *time).sum();
        (late, machine.excused)
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
