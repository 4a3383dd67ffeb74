//! The one task that reads the log and appends to it.
//!
//! Everything in the log is learnt, and everything that is learnt stays learnt: contact that is
//! lost delays, and forgets nothing. What this replica knows and the log lacks (it was emptied, or
//! lost its end in a failover) is appended again by whoever notices.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::{Instant, sleep, timeout};

use super::log::{Entry, Log, LogConnection, LogError, Place};
use super::outbox::Shared;
use crate::revocation::Known;
use crate::revocation::record::Record;
use crate::telemetry;

/// How long one read waits for something new. Contact is known to be lost this much later at most,
/// and the patience for an answer.
const WAIT: Duration = Duration::from_secs(1);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How much is appended at one time.
const BATCH: usize = 512;
/// How often what is out of date is dropped from the log, besides at each append.
const TRIM_INTERVAL: Duration = Duration::from_secs(10 * 60);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// Follows the log for ever.
pub(in crate::revocation) async fn follow<L: Log>(log: L, known: Arc<Known>, shared: Arc<Shared>) {
    let mut follower = Follower {
        log,
        known,
        shared,
        place: Place::START,
        anchor: Place::START,
        next_audit: Instant::now(),
    };
    let mut retries = backoff();
    loop {
        let Err(error) = follower.session(&mut retries).await else {
            continue;
        };
        let error = Arc::new(error);
        if follower.shared.lost(Arc::clone(&error)) {
            telemetry::revocation_log_lost(&*error);
        }
        sleep(retries.next().unwrap_or(LAST_RETRY).min(LAST_RETRY)).await;
    }
}

struct Follower<L> {
    log: L,
    known: Arc<Known>,
    shared: Arc<Shared>,
    /// The last entry that was read; the start if all of the log is to be read.
    place: Place,
    /// An entry that was read a while ago. What was appended since then may be there though
    /// everything before was lost; this one would be missing.
    anchor: Place,
    /// When all of the log is to be read again, if something lives for longer than the log keeps.
    next_audit: Instant,
}

impl<L: Log> Follower<L> {
    /// Connects, catches up, and follows. Returns when all of the log must be read again.
    async fn session(&mut self, retries: &mut ExponentialBackoff) -> Result<(), LogError> {
        let mut reader = within(PATIENCE, self.log.connect()).await?;
        let mut writer = within(PATIENCE, self.log.connect()).await?;
        let started = LogTime {
            millis: within(PATIENCE, reader.now()).await?,
            read_at: Instant::now(),
        };
        self.shared.send_again();
        let lacking = self.catch_up(&mut reader, started.millis).await?;
        self.shared.contact(self.known.clock.now());
        self.shared.caught_up();
        *retries = backoff();
        telemetry::revocation_log_read(lacking);

        let (known, shared) = (Arc::clone(&self.known), Arc::clone(&self.shared));
        tokio::select! {
            ended = self.listen(&mut reader, started) => ended,
            ended = tell(&mut writer, &known, &shared, started) => ended,
        }
    }

    /// Reads up to the end. If all of it was read, what is known and not in the log is owed to it.
    /// Returns how much that is.
    async fn catch_up(&mut self, reader: &mut L::Connection, now: u64) -> Result<usize, LogError> {
        if self.shared.were_too_many()
            || self.is_missing(reader, self.place).await?
            || self.is_missing(reader, self.anchor).await?
        {
            self.place = Place::START;
        }
        if self.place != Place::START {
            while self.read_on(reader, None).await? {}
            return Ok(0);
        }

        // An old entry may say what becomes of one that is only read later: nothing is forgotten
        // in between.
        let known = Arc::clone(&self.known);
        let _reading = known.keep_all();
        let mut seen = HashMap::new();
        let start = Place::at(keep_from(&self.known, now));
        let mut place = start;
        loop {
            let page = within(PATIENCE, reader.read(place, None)).await?;
            let Some(last) = page.last() else { break };
            place = last.place;
            for Entry { place, record } in page {
                if let Some(record) = record {
                    self.learn(&record);
                    seen.insert(record, place.millis);
                }
            }
        }
        if place != start {
            self.place = place;
        }
        self.anchor = self.place;
        self.next_audit = Instant::now() + audit_interval(self.known.retention);
        Ok(self.shared.owe_all(|| self.known.lacking(&seen, now)))
    }

    /// Learns what others append, and notices when the log has lost something.
    async fn listen(&mut self, reader: &mut L::Connection, time: LogTime) -> Result<(), LogError> {
        let mut checked = Instant::now();
        let mut wondered_at = time.millis;
        loop {
            let is_behind = self.read_on(reader, Some(WAIT)).await?;
            let now = Instant::now();
            if now.duration_since(checked) < WAIT {
                continue;
            }
            // Only one who has read what came since then can say that something did not.
            if !is_behind || self.place.millis > wondered_at {
                self.shared.wonder();
                wondered_at = time.now();
            }
            let is_lost = self.is_missing(reader, self.anchor).await?;
            let is_audit = now >= self.next_audit && {
                self.next_audit = now + audit_interval(self.known.retention);
                self.known.outlives_log()
            };
            if is_lost || is_audit || self.shared.were_too_many() {
                self.place = Place::START;
                return Ok(());
            }
            self.anchor = self.place;
            checked = now;
        }
    }

    async fn is_missing(&self, reader: &mut L::Connection, place: Place) -> Result<bool, LogError> {
        Ok(place != Place::START && !within(PATIENCE, reader.has(place)).await?)
    }

    /// Reads a page. Returns whether there was one.
    async fn read_on(
        &mut self,
        reader: &mut L::Connection,
        wait: Option<Duration>,
    ) -> Result<bool, LogError> {
        let patience = PATIENCE + wait.unwrap_or_default();
        let page = within(patience, reader.read(self.place, wait)).await?;
        self.shared.contact(self.known.clock.now());
        for Entry { place, record } in &page {
            if let Some(record) = record {
                self.learn(record);
            }
            self.place = *place;
            if self.anchor == Place::START {
                self.anchor = *place;
            }
        }
        Ok(!page.is_empty())
    }

    fn learn(&self, record: &Record) {
        self.shared.seen(record);
        self.known.learn(record);
    }
}

/// Appends what happens here.
async fn tell<W: LogConnection>(
    writer: &mut W,
    known: &Known,
    shared: &Shared,
    time: LogTime,
) -> Result<(), LogError> {
    loop {
        let batch = shared.unsent(BATCH);
        let keep = time.keep_from(known);
        if !batch.is_empty() {
            within(PATIENCE, writer.append(&batch, keep)).await?;
            continue;
        }
        tokio::select! {
            () = shared.news() => {}
            () = sleep(TRIM_INTERVAL) => within(PATIENCE, writer.trim(keep)).await?,
        }
    }
}

/// The log's own clock, read once in a session.
#[derive(Clone, Copy)]
struct LogTime {
    millis: u64,
    read_at: Instant,
}

impl LogTime {
    /// What lies before this place in the log need not be kept.
    fn keep_from(self, known: &Known) -> Place {
        Place::at(keep_from(known, self.now()))
    }

    fn now(self) -> u64 {
        let elapsed = u64::try_from(self.read_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.millis.saturating_add(elapsed)
    }
}

/// How far back the log reaches: a little further than the retention, since clocks differ.
fn keep_from(known: &Known, now: u64) -> u64 {
    let slack = known.retention / 8 + Duration::from_secs(60);
    let kept = u64::try_from((known.retention + slack).as_millis()).unwrap_or(u64::MAX);
    now.saturating_sub(kept)
}

/// Often enough that what outlives its entry is appended again in time, by one of many replicas.
fn audit_interval(retention: Duration) -> Duration {
    retention.mul_f64(0.25 - 0.1 * fastrand::f64())
}

async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, LogError>>,
) -> Result<T, LogError> {
    timeout(patience, answer)
        .await
        .unwrap_or(Err(LogError::Timeout))
}

fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(FIRST_RETRY)
        .with_max_delay(LAST_RETRY)
        .with_jitter()
        .without_max_times()
        .build()
}
