//! [`FakeLog`]: a log in memory.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use crate::revocation::record::Record;
use crate::revocation::replication::log::{Entry, Log, LogConnection, LogError, LogPosition};
use crate::telemetry::LogName;

/// When its server starts, in Unix seconds.
pub(super) const NOW: u64 = 1_795_600_000;

/// A log in memory, whose server has a clock and a state of health.
#[derive(Clone)]
pub(super) struct FakeLog(Arc<Mutex<Server>>, pub(super) Arc<Notify>);

pub(super) struct Server {
    /// `None` instead of a record is a malformed entry.
    pub(super) entries: Vec<(LogPosition, Option<Record>)>,
    /// The minimum of new ids.
    pub(super) least: u64,
    /// Why it refuses writes, if it does.
    pub(super) refusal: Option<&'static str>,
    started: Instant,
    pub(super) is_down: bool,
    pub(super) hangs: bool,
    /// The replicas that cannot reach it: their commands are never answered.
    pub(super) cut: HashSet<usize>,
    pub(super) appended: usize,
    /// The number of attempts to append a record.
    pub(super) asked: usize,
    /// The number of reads from its start.
    pub(super) full_reads: usize,
    pub(super) connections: usize,
    pub(super) failovers: usize,
}

/// One replica's connection to the log.
pub(super) struct Way {
    pub(super) log: FakeLog,
    pub(super) replica: usize,
    pub(super) max_staleness: Option<Duration>,
    /// The server of the connection: the connection ends with it.
    pub(super) failovers: Option<usize>,
}

impl FakeLog {
    pub(super) fn new() -> Self {
        Self(
            Arc::new(Mutex::new(Server {
                entries: Vec::new(),
                least: 0,
                refusal: None,
                started: Instant::now(),
                is_down: false,
                hangs: false,
                cut: HashSet::new(),
                appended: 0,
                asked: 0,
                full_reads: 0,
                connections: 0,
                failovers: 0,
            })),
            Arc::default(),
        )
    }

    pub(super) fn server(&self) -> MutexGuard<'_, Server> {
        self.0.lock().unwrap()
    }
}

impl Server {
    pub(super) fn now(&self) -> u64 {
        NOW * 1000 + u64::try_from(self.started.elapsed().as_millis()).unwrap()
    }

    pub(super) fn push(&mut self, record: Option<Record>) {
        self.appended += 1;
        let position = LogPosition {
            millis: self.now().max(self.least),
            number: self.appended as u64,
        };
        self.entries.push((position, record));
    }
}

impl Way {
    /// Returns when the server answers, if it does at all.
    async fn answer(&self) -> Result<(), LogError> {
        loop {
            sleep(Duration::from_millis(2)).await;
            let changed = self.log.1.notified();
            if let Some(answer) = self.health() {
                return answer;
            }
            changed.await;
        }
    }

    fn health(&self) -> Option<Result<(), LogError>> {
        let server = self.log.server();
        if server.is_down {
            let refused = io::ErrorKind::ConnectionRefused;
            return Some(Err(LogError::Unreachable(refused.into())));
        }
        if self.failovers.is_some_and(|own| own != server.failovers) {
            return Some(Err(LogError::Closed));
        }
        (!server.hangs && !server.cut.contains(&self.replica)).then_some(Ok(()))
    }

    fn page(&self, after: LogPosition) -> Vec<Entry> {
        let server = self.log.server();
        let later = server
            .entries
            .iter()
            .filter(|(position, _)| *position > after);
        later
            .take(7)
            .map(|(position, record)| Entry {
                position: *position,
                record: record.clone(),
            })
            .collect()
    }
}

impl Log for Way {
    type Connection = Self;

    fn name(&self) -> LogName<'_> {
        LogName {
            issuer: "simulated",
            stream: "simulated",
        }
    }

    fn max_staleness(&self) -> Option<Duration> {
        self.max_staleness
    }

    async fn connect(&self) -> Result<Self, LogError> {
        self.log.server().connections += 1;
        self.answer().await?;
        Ok(Self {
            log: self.log.clone(),
            failovers: Some(self.log.server().failovers),
            ..*self
        })
    }
}

impl LogConnection for Way {
    async fn read(
        &mut self,
        after: LogPosition,
        wait: Option<Duration>,
    ) -> Result<Vec<Entry>, LogError> {
        self.answer().await?;
        // A time, and not the position of an entry.
        if wait.is_none() && after.number == 0 {
            self.log.server().full_reads += 1;
        }
        let until = Instant::now() + wait.unwrap_or_default();
        loop {
            let page = self.page(after);
            if !page.is_empty() || Instant::now() >= until {
                return Ok(page);
            }
            let log = self.log.clone();
            let _ = timeout_at(until, log.1.notified()).await;
            self.answer().await?;
        }
    }

    async fn has(&mut self, position: LogPosition) -> Result<bool, LogError> {
        self.answer().await?;
        Ok(self
            .log
            .server()
            .entries
            .iter()
            .any(|(at, _)| *at == position))
    }

    async fn append(&mut self, records: &[Record], keep: LogPosition) -> Result<(), LogError> {
        self.answer().await?;
        {
            let mut server = self.log.server();
            for record in records {
                server.asked += 1;
                if let Some(code) = server.refusal {
                    let code = code.to_owned();
                    return Err(LogError::Refused { code });
                }
                server.push(Some(record.clone()));
            }
        }
        self.log.1.notify_waiters();
        self.trim(keep).await
    }

    async fn trim(&mut self, keep: LogPosition) -> Result<(), LogError> {
        // The answer can be lost after the command has run.
        self.log
            .server()
            .entries
            .retain(|(position, _)| *position >= keep);
        self.answer().await
    }

    async fn now(&mut self) -> Result<u64, LogError> {
        self.answer().await?;
        Ok(self.log.server().now())
    }
}
