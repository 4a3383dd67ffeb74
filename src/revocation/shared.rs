//! What this replica owes the log, and how the two are getting on.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::log::LogError;
use super::record::Record;
use crate::clock::Moment;

/// How long requests wait, after the start, for the log to be read once.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many of our own records are kept until they are seen in the log. Beyond that, all that is
/// known is compared with the log instead.
const MAX_OWED: usize = 100_000;

/// The side of the log that requests and events see.
pub(super) struct Shared {
    owed: Mutex<Owed>,
    news: Notify,
    is_settled: AtomicBool,
    settling: watch::Sender<bool>,
    patience: Instant,
    contact: ArcSwap<Contact>,
    max_out_of_contact: Option<Duration>,
}

struct Contact {
    /// When the log answered last; before that, the start.
    last: Moment,
    /// Why it does not, if it does not.
    error: Option<Arc<LogError>>,
}

/// Our own records that were not seen in the log yet.
#[derive(Default)]
struct Owed {
    unsent: VecDeque<Record>,
    sent: HashSet<Record>,
    were_too_many: bool,
}

impl Shared {
    pub(super) fn new(max_out_of_contact: Option<Duration>, now: Moment) -> Self {
        Self {
            owed: Mutex::default(),
            news: Notify::new(),
            is_settled: AtomicBool::new(false),
            settling: watch::Sender::new(false),
            patience: Instant::now() + PATIENCE,
            contact: ArcSwap::from_pointee(Contact {
                last: now,
                error: None,
            }),
            max_out_of_contact,
        }
    }

    /// Whether the log has been read, or is not to be waited for any longer.
    pub(super) fn is_settled(&self) -> bool {
        self.is_settled.load(Ordering::Acquire) || {
            let is_settled = Instant::now() >= self.patience;
            if is_settled {
                self.settle();
            }
            is_settled
        }
    }

    /// Returns when [`is_settled`](Self::is_settled) is true.
    pub(super) async fn settled(&self) {
        let mut settling = self.settling.subscribe();
        // Out of patience is as good as an answer here.
        let _ = timeout_at(self.patience, settling.wait_for(|settled| *settled)).await;
    }

    fn settle(&self) {
        self.is_settled.store(true, Ordering::Release);
        self.settling.send_replace(true);
    }

    /// Why the log is out of contact, if it is.
    pub(super) fn error(&self) -> Option<Arc<LogError>> {
        self.contact.load().error.clone()
    }

    /// Whether the log has been out of contact for longer than is allowed.
    pub(super) fn is_too_old(&self, now: Moment) -> bool {
        self.max_out_of_contact
            .is_some_and(|max| now.elapsed(self.contact.load().last) > max)
    }

    /// Owes the log a record.
    pub(super) fn owe(&self, record: Record) {
        let mut owed = self.owed();
        if owed.unsent.len() + owed.sent.len() >= MAX_OWED {
            *owed = Owed {
                were_too_many: true,
                ..Owed::default()
            };
        }
        if !owed.were_too_many {
            owed.unsent.push_back(record);
        }
        drop(owed);
        self.news.notify_one();
    }
}

/// What the follower of the log does with it.
impl Shared {
    /// The log answered.
    pub(super) fn contact(&self, now: Moment) {
        self.contact.store(Arc::new(Contact {
            last: now,
            error: None,
        }));
    }

    /// The log has been read once: requests wait for it no longer.
    pub(super) fn caught_up(&self) {
        if !self.is_settled.load(Ordering::Acquire) {
            self.settle();
        }
    }

    /// The log does not answer. Returns whether that is new.
    pub(super) fn lost(&self, error: Arc<LogError>) -> bool {
        let contact = self.contact.load();
        self.contact.store(Arc::new(Contact {
            last: contact.last,
            error: Some(error),
        }));
        self.caught_up();
        contact.error.is_none()
    }

    /// Whatever was sent and not seen is to be sent again.
    pub(super) fn send_again(&self) {
        let mut owed = self.owed();
        let sent = std::mem::take(&mut owed.sent);
        owed.unsent.extend(sent);
    }

    /// The next records to send.
    pub(super) fn unsent(&self, at_most: usize) -> Vec<Record> {
        let mut owed = self.owed();
        let count = owed.unsent.len().min(at_most);
        let records: Vec<_> = owed.unsent.drain(..count).collect();
        owed.sent.extend(records.iter().cloned());
        records
    }

    /// This record is in the log.
    pub(super) fn seen(&self, record: &Record) {
        self.owed().sent.remove(record);
    }

    /// Whether more was owed than could be kept, since this was asked last.
    pub(super) fn were_too_many(&self) -> bool {
        std::mem::take(&mut self.owed().were_too_many)
    }

    /// Returns when there may be something to send.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("error", &self.contact.load().error)
            .field("max_out_of_contact", &self.max_out_of_contact)
            .finish_non_exhaustive()
    }
}
