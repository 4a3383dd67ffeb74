//! The stream of one project, over the shared connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::redis::{cmd, from_redis_value, pipe};
use tokio::time::{Instant, sleep_until};

use super::super::log::{Entry, LogConnection, LogError, LogPosition};
use super::entry;
use super::link::Link;
use super::news::Subscription;
use crate::revocation::record::Record;

pub(crate) struct StreamConnection {
    link: Arc<Link>,
    subscription: Subscription,
    key: Arc<str>,
    page: Arc<PageSize>,
}

impl StreamConnection {
    pub(super) fn new(link: Arc<Link>, key: &Arc<str>, page: &Arc<PageSize>) -> Self {
        Self {
            subscription: Subscription::new(&link.news, key),
            link,
            key: Arc::clone(key),
            page: Arc::clone(page),
        }
    }

    /// The current entries.
    async fn page(&self, after: LogPosition) -> Result<Vec<Entry>, LogError> {
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(self.page.take());
        command.arg("STREAMS").arg(&*self.key).arg(entry::id(after));
        let answer = self.link.ask(&command).await?;
        let page = entry::page(&answer, &self.key, after);
        let (entries, bytes) = page.ok_or_else(|| self.unreadable())?;
        self.page.was(entries.len(), bytes);
        Ok(entries)
    }

    fn unreadable(&self) -> LogError {
        let error = LogError::Unreadable;
        self.link.doubt(&error);
        error
    }
}

impl LogConnection for StreamConnection {
    async fn read(
        &mut self,
        after: LogPosition,
        wait: Option<Duration>,
    ) -> Result<Vec<Entry>, LogError> {
        let Some(wait) = wait else {
            return self.page(after).await;
        };
        let until = Instant::now() + wait;
        let mut look = FIRST_LOOK;
        loop {
            let next = until.min(Instant::now() + look);
            self.subscription.news(after, until, next).await;
            if self.link.news.is_over() {
                return Err(LogError::Replaced);
            }
            let entries = self.page(after).await?;
            if !entries.is_empty() || Instant::now() >= until {
                return Ok(entries);
            }
            // An entry that another server announced can arrive here later.
            sleep_until(next).await;
            look *= 2;
        }
    }

    async fn has(&mut self, position: LogPosition) -> Result<bool, LogError> {
        let id = entry::id(position);
        let mut command = cmd("XRANGE");
        command.arg(&*self.key).arg(&id).arg(&id);
        let answer = self.link.ask(&command).await?;
        entry::has(&answer, position).ok_or_else(|| self.unreadable())
    }

    async fn append(&mut self, records: &[Record], keep: LogPosition) -> Result<(), LogError> {
        let mut pipeline = pipe();
        for (number, record) in records.iter().enumerate() {
            let command = pipeline.cmd("XADD").arg(&*self.key);
            if number == 0 {
                // Approximate, because that costs the server almost nothing.
                command.arg("MINID").arg("~").arg(entry::id(keep));
            }
            command.arg("*");
            entry::write(record, |name, value| {
                command.arg(name).arg(value);
            });
        }
        self.link.ask_all(&pipeline).await
    }

    async fn trim(&mut self, keep: LogPosition) -> Result<(), LogError> {
        let mut command = cmd("XTRIM");
        command.arg(&*self.key).arg("MINID").arg(entry::id(keep));
        self.link.ask(&command).await.map(|_| ())
    }

    async fn now(&mut self) -> Result<u64, LogError> {
        let answer = self.link.ask(&cmd("TIME")).await?;
        let time = from_redis_value(answer);
        let (seconds, micros): (u64, u64) = time.map_err(|_| self.unreadable())?;
        Ok(seconds.saturating_mul(1000).saturating_add(micros / 1000))
    }
}

/// The interval for a stream that the waiting command does not include yet.
const FIRST_LOOK: Duration = Duration::from_millis(50);

/// The number of entries of one read: few if they are large, because a response is in memory as a whole, and
/// must arrive in time.
pub(super) struct PageSize(AtomicUsize);

impl PageSize {
    const FIRST: usize = 8;
    const MOST: usize = 1000;
    /// The maximum size of a response in bytes.
    const BYTES: usize = 1024 * 1024;

    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(Self::FIRST))
    }

    /// The number to request. After a timeout, the next number is smaller.
    fn take(&self) -> usize {
        let count = self.0.load(Ordering::Relaxed);
        self.0.store((count / 8).max(1), Ordering::Relaxed);
        count
    }

    /// A response had this many entries, with this many bytes.
    fn was(&self, entries: usize, bytes: usize) {
        let fitting = match bytes.checked_div(entries) {
            None => Self::FIRST,
            Some(each) => (Self::BYTES / each.max(1)).clamp(1, Self::MOST),
        };
        // The next entries can be larger than these.
        let most = entries.max(Self::FIRST).saturating_mul(4);
        self.0.store(fitting.min(most), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_small_where_entries_are_large() {
        let page = PageSize::new();
        assert_eq!(page.take(), PageSize::FIRST);
        // No response arrived.
        assert_eq!(page.take(), 1);
        assert_eq!(page.take(), 1);
        // Small entries: the number grows.
        page.was(1, 200);
        let mut asked = Vec::new();
        while asked.last() != Some(&PageSize::MOST) {
            asked.push(page.take());
            page.was(asked[asked.len() - 1], 200 * asked[asked.len() - 1]);
        }
        assert_eq!(asked, [32, 128, 512, 1000]);
        page.was(1000, 1000 * 100 * 1024);
        assert_eq!(page.take(), 10);
        page.was(10, 10 * 100 * 1024 * 1024);
        assert_eq!(page.take(), 1);
        // No new entries.
        page.was(0, 0);
        assert_eq!(page.take(), PageSize::FIRST);
    }
}
