//! Memory, descriptors, threads and times, every few seconds.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::interval;

use crate::judge;
use crate::lane::Lane;
use crate::ledger::{Ledger, lock};
use crate::support::race::quantile;

/// What is drawn: a line for each process, or for each contender.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    Memory,
    Descriptors,
    Threads,
    Tasks,
    P50,
    P99,
}

impl Measure {
    pub const ALL: [Self; 6] = [
        Self::Memory,
        Self::Descriptors,
        Self::Threads,
        Self::Tasks,
        Self::P50,
        Self::P99,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "resident memory, MiB",
            Self::Descriptors => "open descriptors",
            Self::Threads => "threads",
            Self::Tasks => "tasks of the load and the issuers",
            Self::P50 => "p50 of good requests, ms",
            Self::P99 => "p99 of good requests, ms",
        }
    }

    /// What a server may have at most, and by which share and how much besides it may go on to grow.
    fn limits(self) -> Option<(f64, f64, f64)> {
        match self {
            Self::Memory => Some((256.0, 0.1, 4.0)),
            Self::Descriptors => Some((1_000.0, 0.25, 32.0)),
            Self::Threads => Some((64.0, 0.0, 4.0)),
            Self::Tasks | Self::P50 | Self::P99 => None,
        }
    }
}

/// The values of one process or contender over time.
pub struct Line {
    pub measure: Measure,
    pub name: &'static str,
    /// Seconds, and values.
    pub points: Vec<(f64, f64)>,
}

pub struct Sampler {
    pub ledger: Arc<Ledger>,
    pub processes: Vec<(&'static str, u32)>,
    pub lanes: Vec<Arc<Lane>>,
    pub lines: Mutex<Vec<Line>>,
}

impl Sampler {
    pub async fn run(self: Arc<Self>, pause: Duration) {
        let mut ticks = interval(pause);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            self.sample();
        }
    }

    fn sample(&self) {
        let time = self.ledger.seconds(Instant::now());
        for (name, process) in &self.processes {
            let Some([memory, descriptors, threads]) = of_process(*process) else {
                self.ledger.violation(name, "the process has ended", "");
                continue;
            };
            self.add(Measure::Memory, name, time, memory);
            self.add(Measure::Descriptors, name, time, descriptors);
            self.add(Measure::Threads, name, time, threads);
        }
        let tasks = Handle::current().metrics().num_alive_tasks();
        self.add(Measure::Tasks, OWN, time, tasks as f64);
        for lane in &self.lanes {
            let mut times = lane.take_times();
            if !times.is_empty() {
                let [p50, p99] = [0.5, 0.99].map(|share| quantile(&mut times, share));
                self.add(Measure::P50, lane.name, time, p50);
                self.add(Measure::P99, lane.name, time, p99);
            }
        }
    }

    fn add(&self, measure: Measure, name: &'static str, time: f64, value: f64) {
        if let Some((most, ..)) = measure.limits()
            && value > most
            && name != OWN
        {
            let context = format!("{value:.0}, and not {most:.0} at most");
            self.ledger
                .late_violation(Instant::now(), name, measure.name(), &context);
        }
        let mut lines = lock(&self.lines);
        let is_it = |line: &&mut Line| line.measure == measure && line.name == name;
        match lines.iter_mut().find(is_it) {
            Some(line) => line.points.push((time, value)),
            None => lines.push(Line {
                measure,
                name,
                points: vec![(time, value)],
            }),
        }
    }

    /// Judges at the end what went on to grow. Caches fill in the first minutes.
    pub fn judge_growth(&self) {
        for line in &*lock(&self.lines) {
            let values: Vec<f64> = line.points.iter().map(|(_, value)| *value).collect();
            let is_long = line.points.last().is_some_and(|(time, _)| *time >= WARM);
            if let Some((_, share, besides)) = line.measure.limits()
                && line.name != OWN
                && is_long
                && judge::grows(&values, share, besides)
            {
                let what = format!("it goes on to grow: {}", line.measure.name());
                let last = format!("{:?}", line.points.last());
                self.ledger.violation(line.name, &what, &last);
            }
        }
    }
}

/// This very process: its issuers remember all users.
pub const OWN: &str = "load and issuers";
/// So many seconds it takes until growth says something.
const WARM: f64 = 600.0;

/// MiB of resident memory, open descriptors, threads.
fn of_process(process: u32) -> Option<[f64; 3]> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let field = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    // Of a process that has ended there is none.
    let memory = field("VmRSS:")? / 1_024.0;
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).ok()?.count();
    Some([memory, descriptors as f64, field("Threads:")?])
}
