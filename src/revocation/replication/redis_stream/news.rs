//! One command that waits for new entries in the streams of all projects.
//!
//! A command that waits in the server cannot be changed. A stream that joins meanwhile is read periodically
//! until the next command, at most a second later. So the command need not be interrupted: `CLIENT UNBLOCK`
//! needs the permission of an administrator, and a key for this purpose needs a server that accepts writes.
//!
//! The result is only a hint, and each project reads its own stream. A stream can make the command fail for
//! all (its key has another type, or is forbidden). Then the next read of its own project fails. The other
//! projects find no new entries, and wait again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ::redis::{Cmd, cmd};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use super::super::log::{LogError, LogPosition};
use super::super::retries::{REPLY_TIMEOUT, Retries, within};
use super::address::Address;
use super::connection::Connection;
use super::entry;
use crate::lock::lock;

/// The streams with waiting projects.
#[derive(Default)]
pub(super) struct News {
    awaited: Mutex<HashMap<u64, Awaited>>,
    joined: Notify,
    is_over: AtomicBool,
    next_id: AtomicU64,
}

struct Awaited {
    key: Arc<str>,
    after: LogPosition,
    /// Whether the running command covers this position.
    is_asked: bool,
    changed: Arc<Notify>,
}

impl News {
    /// Whether the users of the connections should reconnect.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.notify(|_| true);
    }

    /// Each stream with a waiting project, and the position to read from.
    fn question(&self) -> BTreeMap<Arc<str>, LogPosition> {
        let mut question = BTreeMap::new();
        for awaited in self.awaited().values_mut() {
            awaited.is_asked = true;
            let after = question
                .entry(Arc::clone(&awaited.key))
                .or_insert(awaited.after);
            *after = awaited.after.min(*after);
        }
        question
    }

    /// Wakes the projects that wait for one of these streams. The next command does not include them, unless
    /// they wait again.
    fn notify(&self, is_new: impl Fn(&Awaited) -> bool) {
        self.awaited().retain(|_, awaited| {
            let is_new = is_new(awaited);
            if is_new {
                awaited.changed.notify_one();
            }
            !is_new
        });
    }

    fn awaited(&self) -> MutexGuard<'_, HashMap<u64, Awaited>> {
        lock(&self.awaited)
    }
}

/// Waits for new entries of one stream.
pub(super) struct Subscription {
    news: Arc<News>,
    id: u64,
    key: Arc<str>,
    changed: Arc<Notify>,
}

impl Subscription {
    pub(super) fn new(news: &Arc<News>, key: &Arc<str>) -> Self {
        Self {
            news: Arc::clone(news),
            id: news.next_id.fetch_add(1, Ordering::Relaxed),
            key: Arc::clone(key),
            changed: Arc::default(),
        }
    }

    /// Returns when there can be an entry after this position, and at the latest at `until`, or at `look` if
    /// the running command does not cover it.
    pub(super) async fn news(&self, after: LogPosition, until: Instant, look: Instant) {
        let is_asked = self.is_asked(after);
        if !is_asked {
            self.news.joined.notify_one();
        }
        let until = if is_asked { until } else { until.min(look) };
        let _ = timeout_at(until, self.changed.notified()).await;
    }

    fn is_asked(&self, after: LogPosition) -> bool {
        let mut awaited = self.news.awaited();
        let own = awaited.entry(self.id).or_insert_with(|| Awaited {
            key: Arc::clone(&self.key),
            after,
            is_asked: false,
            changed: Arc::clone(&self.changed),
        });
        if own.after != after {
            own.after = after;
            own.is_asked = false;
        }
        own.is_asked
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.news.awaited().remove(&self.id);
    }
}

/// Waits for new entries until the connections must be replaced.
pub(super) async fn watch(address: Arc<Address>, news: Arc<News>) {
    let mut connection = None;
    let mut retries = Retries::new();
    while !news.is_over() {
        let question = news.question();
        if question.is_empty() {
            news.joined.notified().await;
            continue;
        }
        match ask(&address, &mut connection, &question).await {
            Ok(answer) => {
                retries = Retries::new();
                news.notify(|awaited| awaited.is_asked && answer.contains(awaited.key.as_bytes()));
                // Each stream has a cost for the server, each time.
                sleep(REST_PER_STREAM * u32::try_from(question.len()).unwrap_or(u32::MAX)).await;
            }
            Err(error) if error.is_demotion() => news.end(),
            Err(error) => {
                if !error.is_answer() {
                    connection = None;
                }
                // Each project reads its own stream, and so finds its own error.
                news.notify(|_| true);
                sleep(retries.next().min(WAIT)).await;
            }
        }
    }
}

/// The keys of the streams with new entries.
async fn ask(
    address: &Address,
    connection: &mut Option<Connection>,
    question: &BTreeMap<Arc<str>, LogPosition>,
) -> Result<HashSet<Vec<u8>>, LogError> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(within(REPLY_TIMEOUT, Connection::open(address)).await?),
    };
    let command = command(question);
    let answer = within(WAIT + REPLY_TIMEOUT, connection.ask(&command)).await?;
    entry::keys(&answer).ok_or(LogError::Unreadable)
}

fn command(question: &BTreeMap<Arc<str>, LogPosition>) -> Cmd {
    let mut command = cmd("XREAD");
    // One entry of each stream is enough for the hint.
    command.arg("COUNT").arg(1);
    command.arg("BLOCK").arg(WAIT.as_millis().to_string());
    command.arg("STREAMS");
    for key in question.keys() {
        command.arg(&**key);
    }
    for after in question.values() {
        command.arg(entry::id(*after));
    }
    command
}

/// How long a command waits in the server.
const WAIT: Duration = Duration::from_secs(1);
/// With a thousand streams, one command every 50 ms.
const REST_PER_STREAM: Duration = Duration::from_micros(50);
