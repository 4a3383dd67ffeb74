//! The records that this replica must append to the log, and the state of the log.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::log::LogError;
use super::log_time::LogTime;
use crate::clock::Timestamp;
use crate::revocation::record::Record;

/// How long requests wait, after the start, for the first read of the log.
const START_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum number of pending local records. Beyond it, all records are compared with the log instead.
/// Smaller in unit tests, so that a test can reach it.
pub(super) const MAX_FRESH: usize = if cfg!(test) { 10_000 } else { 100_000 };

/// The state of the log, for requests and events.
pub(in crate::revocation) struct Outbox {
    owed: Mutex<Pending>,
    news: Notify,
    is_synced: AtomicBool,
    settling: watch::Sender<bool>,
    patience: Instant,
    contact: ArcSwap<Contact>,
    /// Why the log refuses writes, if it does. Entries of other replicas can still be readable.
    refusal: ArcSwapOption<LogError>,
    log_time: ArcSwapOption<LogTime>,
    max_staleness: Option<Duration>,
}

struct Contact {
    /// The time of the log's last answer, also to an earlier follower; before that, the start.
    last: Timestamp,
    /// Why it does not answer, if it does not.
    error: Option<Arc<LogError>>,
    has_answered: bool,
}

/// Local records that were not seen in the log.
#[derive(Default)]
struct Pending {
    /// Local records in their order. These are sent first.
    fresh: VecDeque<Record>,
    /// Records that the log lacks. Their order is random, so that replicas that start together share the
    /// work.
    lacking: HashSet<Record>,
    /// Records that were sent, and not read back yet.
    sent: HashSet<Record>,
    /// Records that were sent a while ago, and not read back.
    overdue: HashSet<Record>,
    were_too_many: bool,
}

impl Outbox {
    pub(in crate::revocation) fn new(max_staleness: Option<Duration>, now: Timestamp) -> Self {
        Self {
            owed: Mutex::default(),
            news: Notify::new(),
            is_synced: AtomicBool::new(false),
            settling: watch::Sender::new(false),
            patience: Instant::now() + START_TIMEOUT,
            contact: ArcSwap::from_pointee(Contact {
                last: now,
                error: None,
                has_answered: false,
            }),
            refusal: ArcSwapOption::empty(),
            log_time: ArcSwapOption::empty(),
            max_staleness,
        }
    }

    /// Whether the log has been read, or the time to wait for it is over.
    pub(in crate::revocation) fn is_synced(&self) -> bool {
        self.is_synced.load(Ordering::Acquire) || {
            let is_synced = Instant::now() >= self.patience;
            if is_synced {
                self.settle();
            }
            is_synced
        }
    }

    /// Returns when [`is_synced`](Self::is_synced) is true.
    pub(in crate::revocation) async fn synced(&self) {
        let mut settling = self.settling.subscribe();
        // A timeout has the same effect as an answer here.
        let _ = timeout_at(self.patience, settling.wait_for(|synced| *synced)).await;
    }

    fn settle(&self) {
        self.is_synced.store(true, Ordering::Release);
        self.settling.send_replace(true);
    }

    /// Why the log is unreachable, or refuses writes.
    pub(in crate::revocation) fn error(&self) -> Option<Arc<LogError>> {
        let error = self.contact.load().error.clone();
        error.or_else(|| self.refusal.load_full())
    }

    /// The current second by the log's own clock, if it is known; rather a little late than early.
    pub(in crate::revocation) fn log_time(&self, now: Timestamp) -> Option<u64> {
        let time = self.log_time.load();
        Some(time.as_ref()?.at_most(now) / 1000)
    }

    /// Whether the log has been unreachable for longer than is allowed.
    pub(in crate::revocation) fn is_too_old(&self, now: Timestamp) -> bool {
        self.max_staleness
            .is_some_and(|max| now.elapsed(self.contact.load().last) > max)
    }

    /// Until the log answers, its last answer is that to the earlier follower.
    pub(in crate::revocation) fn take_over(&self, earlier: &Self) {
        let earlier = earlier.contact.load();
        self.contact.rcu(|own| {
            let is_older = !own.last.elapsed(earlier.last).is_zero();
            if own.has_answered || !is_older {
                return Arc::clone(own);
            }
            Arc::new(Contact {
                last: earlier.last,
                error: own.error.clone().or_else(|| earlier.error.clone()),
                has_answered: false,
            })
        });
    }

    /// Adds a local record to the pending ones.
    pub(in crate::revocation) fn push(&self, record: Record) {
        let mut owed = self.owed();
        if owed.fresh.len() < MAX_FRESH {
            owed.fresh.push_back(record);
        } else {
            owed.were_too_many = true;
        }
        drop(owed);
        self.news.notify_one();
    }
}

/// The methods of the log's follower.
impl Outbox {
    /// The log answered.
    pub(in crate::revocation) fn contact(&self, now: Timestamp) {
        self.contact.store(Arc::new(Contact {
            last: now,
            error: None,
            has_answered: true,
        }));
    }

    /// The log has been read once, so requests no longer wait for it.
    pub(in crate::revocation) fn caught_up(&self) {
        if !self.is_synced.load(Ordering::Acquire) {
            self.settle();
        }
    }

    /// The log does not answer. Returns whether that is new.
    pub(in crate::revocation) fn lost(&self, error: &Arc<LogError>) -> bool {
        let contact = self.contact.rcu(|contact| Contact {
            last: contact.last,
            error: Some(Arc::clone(error)),
            has_answered: contact.has_answered,
        });
        self.caught_up();
        contact.error.is_none()
    }

    /// The log refuses writes. Returns whether that is new.
    pub(in crate::revocation) fn refused(&self, error: Arc<LogError>) -> bool {
        self.refusal.swap(Some(error)).is_none()
    }

    /// The log has accepted all records. Returns whether it refused before.
    pub(in crate::revocation) fn taken(&self) -> bool {
        self.refusal.load().is_some() && self.refusal.swap(None).is_some()
    }

    /// The log's clock was read.
    pub(in crate::revocation) fn set_log_time(&self, time: LogTime) {
        self.log_time.store(Some(Arc::new(time)));
    }

    /// All records that were sent and not read back become pending again.
    pub(in crate::revocation) fn send_again(&self) {
        let mut owed = self.owed();
        let sent = std::mem::take(&mut owed.sent);
        let overdue = std::mem::take(&mut owed.overdue);
        owed.lacking.extend(sent);
        owed.lacking.extend(overdue);
    }

    /// Records that were sent before the last call of this, and not read back, are lost. They become pending
    /// again.
    pub(in crate::revocation) fn requeue_unconfirmed(&self) {
        let mut owed = self.owed();
        let sent = std::mem::take(&mut owed.sent);
        let overdue = std::mem::replace(&mut owed.overdue, sent);
        if !overdue.is_empty() {
            owed.lacking.extend(overdue);
            self.news.notify_one();
        }
    }

    /// Replaces the pending records by those that the log lacks.
    pub(in crate::revocation) fn push_all(
        &self,
        lacking: impl FnOnce() -> HashSet<Record>,
    ) -> usize {
        // At worst, records that arrive from here on become pending twice.
        self.owed().fresh.clear();
        let lacking = lacking();
        let count = lacking.len();
        self.owed().lacking = lacking;
        count
    }

    /// The next records to send.
    pub(in crate::revocation) fn unsent(&self, at_most: usize) -> Vec<Record> {
        let mut owed = self.owed();
        let count = owed.fresh.len().min(at_most);
        let mut records: Vec<_> = owed.fresh.drain(..count).collect();
        let lacking: Vec<_> = owed.lacking.iter().take(at_most - count).cloned().collect();
        for record in &lacking {
            owed.lacking.remove(record);
        }
        records.extend(lacking);
        owed.sent.extend(records.iter().cloned());
        records
    }

    /// This record is in the log.
    pub(in crate::revocation) fn seen(&self, record: &Record) {
        let mut owed = self.owed();
        owed.sent.remove(record);
        owed.overdue.remove(record);
        owed.lacking.remove(record);
    }

    /// Whether pending records were dropped because there were too many, since the last call.
    pub(in crate::revocation) fn were_too_many(&self) -> bool {
        std::mem::take(&mut self.owed().were_too_many)
    }

    /// Returns when there can be something to send.
    pub(in crate::revocation) async fn news(&self) {
        self.news.notified().await;
    }

    fn owed(&self) -> MutexGuard<'_, Pending> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("error", &self.contact.load().error)
            .field("max_staleness", &self.max_staleness)
            .finish_non_exhaustive()
    }
}
