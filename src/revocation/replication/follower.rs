//! Reads the log.
//!
//! Every entry of the log is applied, and no applied record is lost: an outage delays, and removes nothing.
//! If the log lacks records that this replica has (it was emptied, or lost its end in a failover), a replica
//! that notices this appends them again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::appender::Appender;
use super::log::{Entry, Log, LogConnection, LogError, LogPosition};
use super::log_time::LogTime;
use super::outbox::Outbox;
use super::retries::{LAST_RETRY, REPLY_TIMEOUT, Retries, within};
use crate::revocation::RevocationStore;
use crate::revocation::record::Record;
use crate::runtime::RuntimeEnded;
use crate::telemetry::{self, LogName};

/// How long one read waits for a new entry. An outage is noticed at most this much later, plus the timeout
/// of an answer.
const WAIT: Duration = Duration::from_secs(1);
/// The minimum interval between log lines about skipped entries.
const SKIPS_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// The difference in seconds, between this machine's clock and the log's, or the log's entries, that is not
/// logged.
const MAX_SKEW: u64 = 30;

/// Follows the log forever.
pub(in crate::revocation) fn follow<L: Log>(
    log: Arc<L>,
    store: Arc<RevocationStore>,
    outbox: Arc<Outbox>,
) -> impl Future<Output = ()> + Send {
    // Made here, because a runtime that has ended drops the task before it runs.
    let end = End(Arc::clone(&outbox));
    let appender = Appender::new(Arc::clone(&log), Arc::clone(&store), Arc::clone(&outbox));
    let mut follower = Follower {
        log,
        store,
        outbox,
        position: LogPosition::START,
        anchor: LogPosition::START,
        next_audit: Instant::now(),
        is_in_contact: false,
        skips: Skips::default(),
        is_skewed: false,
        is_ahead: false,
    };
    async move {
        let _end = end;
        follower.run(appender).await;
    }
}

/// Reports the log as unreachable when it is dropped with its task.
struct End(Arc<Outbox>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.lost(&Arc::new(RuntimeEnded.into()));
    }
}

struct Follower<L> {
    log: Arc<L>,
    store: Arc<RevocationStore>,
    outbox: Arc<Outbox>,
    /// The last entry that was read, or the start if the whole log must be read.
    position: LogPosition,
    /// An entry that was read a while ago. If the log loses its content, later entries can hide the loss;
    /// then this one is missing.
    anchor: LogPosition,
    /// When the whole log must be read again, if a record is needed for longer than the log keeps it.
    next_audit: Instant,
    is_in_contact: bool,
    skips: Skips,
    /// Whether this machine's clock differs from the log's.
    is_skewed: bool,
    /// Whether the log's entries are in the future of its own clock.
    is_ahead: bool,
}

impl<L: Log> Follower<L> {
    async fn run(&mut self, mut appender: Appender<L>) {
        let mut retries = Retries::new();
        loop {
            let mut since = None;
            let Err(error) = self.session(&mut appender, &mut since).await else {
                continue;
            };
            if since.is_some_and(|since: Instant| since.elapsed() >= LAST_RETRY) {
                retries = Retries::new();
            }
            if error.is_demotion() {
                // The next connection leads to another server, which can answer.
                retries = Retries::new();
            } else {
                self.is_in_contact = false;
                let error = Arc::new(error);
                if self.outbox.lost(&error) {
                    telemetry::revocation_log_lost(self.log.name(), &*error);
                }
            }
            sleep(retries.next()).await;
        }
    }

    /// Connects, catches up, and follows. Returns when it must reconnect. `since` becomes the time when it
    /// had caught up.
    async fn session(
        &mut self,
        appender: &mut Appender<L>,
        since: &mut Option<Instant>,
    ) -> Result<(), LogError> {
        let mut reader = within(REPLY_TIMEOUT, self.log.connect()).await?;
        let time = self.read_clock(&mut reader).await?;
        self.outbox.send_again();
        let lacking = self.catch_up(&mut reader, time).await?;
        self.outbox.contact(self.store.clock.now());
        self.outbox.caught_up();
        *since = Some(Instant::now());
        let was_in_contact = std::mem::replace(&mut self.is_in_contact, true);
        telemetry::revocation_log_read(self.log.name(), lacking, !was_in_contact);

        tokio::select! {
            ended = self.listen(&mut reader, time) => ended,
            () = appender.tell(time) => Ok(()),
        }
    }

    /// Reads up to the end. If the whole log was read, records that it lacks become pending. Returns their
    /// number.
    async fn catch_up(
        &mut self,
        reader: &mut L::Connection,
        time: LogTime,
    ) -> Result<usize, LogError> {
        if self.outbox.were_too_many()
            || self.is_missing(reader, self.position).await?
            || self.is_missing(reader, self.anchor).await?
        {
            self.position = LogPosition::START;
        }
        if self.position != LogPosition::START {
            while self.read_on(reader, None).await? {}
            return Ok(0);
        }

        // An old entry can be changed by a later one. So nothing is removed in between.
        let store = Arc::clone(&self.store);
        let _reading = store.keep_all();
        let mut seen = HashMap::new();
        let start = time.keep_from(self.store.retention);
        let mut position = start;
        loop {
            let page = within(REPLY_TIMEOUT, reader.read(position, None)).await?;
            let Some(last) = page.last() else { break };
            position = last.position;
            for entry in page {
                let appended = entry.position.millis;
                if let Some(record) = self.apply(entry) {
                    seen.insert(record, appended);
                }
            }
            self.skips.tell(self.log.name());
        }
        if position != start {
            self.position = position;
        }
        self.anchor = self.position;
        self.next_audit = Instant::now() + audit_interval(self.store.retention);
        let lacking = || self.store.lacking(&seen, time.now());
        Ok(self.outbox.push_all(lacking))
    }

    /// Applies the entries of other replicas, and notices when the log has lost entries.
    async fn listen(&mut self, reader: &mut L::Connection, time: LogTime) -> Result<(), LogError> {
        let mut checked = Instant::now();
        let mut wondered_at = time.now();
        loop {
            let is_behind = self.read_on(reader, Some(WAIT)).await?;
            let now = Instant::now();
            if now.duration_since(checked) < WAIT {
                continue;
            }
            // Only a reader of all later entries can say that one is missing.
            let time = self.read_clock(reader).await?;
            if !is_behind || self.position.millis > wondered_at {
                self.outbox.requeue_unconfirmed();
                wondered_at = time.now();
            }
            let is_lost = self.is_missing(reader, self.anchor).await?;
            let is_audit = now >= self.next_audit && {
                self.next_audit = now + audit_interval(self.store.retention);
                self.store.outlives_log()
            };
            if is_lost || is_audit || self.outbox.were_too_many() {
                self.position = LogPosition::START;
                return Ok(());
            }
            self.anchor = self.position;
            checked = now;
        }
    }

    async fn is_missing(
        &self,
        reader: &mut L::Connection,
        position: LogPosition,
    ) -> Result<bool, LogError> {
        Ok(position != LogPosition::START && !within(REPLY_TIMEOUT, reader.has(position)).await?)
    }

    /// Reads a page. Returns whether there was one.
    async fn read_on(
        &mut self,
        reader: &mut L::Connection,
        wait: Option<Duration>,
    ) -> Result<bool, LogError> {
        let patience = REPLY_TIMEOUT + wait.unwrap_or_default();
        let page = within(patience, reader.read(self.position, wait)).await?;
        self.outbox.contact(self.store.clock.now());
        let is_page = !page.is_empty();
        for entry in page {
            self.position = entry.position;
            if self.anchor == LogPosition::START {
                self.anchor = entry.position;
            }
            self.apply(entry);
        }
        self.skips.tell(self.log.name());
        Ok(is_page)
    }

    /// Applies the record of an entry, and returns it, if it can be parsed.
    fn apply(&mut self, entry: Entry) -> Option<Record> {
        let Some(record) = entry.record else {
            self.skips.add(entry.position);
            return None;
        };
        // Unchanged: a replica with this record pending has sent it in this form, also if it is applied in
        // another form.
        self.outbox.seen(&record);
        Some(self.store.apply_at(record, entry.position.millis / 1000))
    }

    async fn read_clock(&mut self, reader: &mut L::Connection) -> Result<LogTime, LogError> {
        let asked = self.store.clock.now();
        let time = LogTime::new(within(REPLY_TIMEOUT, reader.now()).await?, asked);
        self.outbox.set_log_time(time);
        let lead = time.our_lead();
        let is_skewed = lead.unsigned_abs() > MAX_SKEW;
        let was_skewed = std::mem::replace(&mut self.is_skewed, is_skewed);
        if is_skewed && !was_skewed {
            telemetry::revocation_clocks_differ(self.log.name(), lead);
        }
        let ahead = self.position.millis.saturating_sub(time.now()) / 1000;
        let is_ahead = ahead > MAX_SKEW;
        let was_ahead = std::mem::replace(&mut self.is_ahead, is_ahead);
        if is_ahead && !was_ahead {
            telemetry::revocation_log_is_ahead(self.log.name(), ahead);
        }
        Ok(time)
    }
}

/// Entries that cannot be parsed. Each is counted once, and the number is logged at intervals.
#[derive(Default)]
struct Skips {
    count: u64,
    last: LogPosition,
    told: Option<Instant>,
}

impl Skips {
    fn add(&mut self, position: LogPosition) {
        if position > self.last {
            self.last = position;
            self.count += 1;
        }
    }

    fn tell(&mut self, log: LogName<'_>) {
        let is_due = |told: Instant| told.elapsed() >= SKIPS_INTERVAL;
        if self.count > 0 && self.told.is_none_or(is_due) {
            self.told = Some(Instant::now());
            telemetry::revocation_entries_skipped(log, std::mem::take(&mut self.count));
        }
    }
}

/// Short enough that one of many replicas appends a record again before its entry is removed.
fn audit_interval(retention: Duration) -> Duration {
    retention.mul_f64(0.25 - 0.1 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_looked_for_four_to_seven_times_while_its_entry_is_kept() {
        const RETENTION: Duration = Duration::from_secs(1_000);
        let intervals = || std::array::from_fn::<_, 100, _>(|_| audit_interval(RETENTION));
        let seldom = Duration::from_secs(250);
        let often = Duration::from_secs(150);
        for interval in intervals() {
            assert!((often..=seldom).contains(&interval), "{interval:?}");
        }
        assert_ne!(intervals(), intervals());
    }
}
