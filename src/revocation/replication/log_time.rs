//! The log's own clock, as of the last read.

use std::time::Duration;

use tokio::time::Instant;

use super::log::LogPosition;
use crate::clock::Timestamp;

#[derive(Clone, Copy, Debug)]
pub(in crate::revocation) struct LogTime {
    millis: u64,
    /// Before the first read.
    asked: Timestamp,
    answered: Instant,
}

impl LogTime {
    /// The log has just reported this time, in milliseconds since the Unix epoch.
    pub(in crate::revocation) fn new(millis: u64, asked: Timestamp) -> Self {
        Self {
            millis,
            asked,
            answered: Instant::now(),
        }
    }

    /// The log's time now, or a little earlier. It uses the monotonic clock, so that nothing is removed
    /// because a clock was set forward.
    pub(in crate::revocation) fn now(self) -> u64 {
        self.millis.saturating_add(millis(self.answered.elapsed()))
    }

    /// The log's time now, or a little later, because a machine can have been suspended.
    pub(in crate::revocation) fn at_most(self, now: Timestamp) -> u64 {
        let elapsed = millis(now.elapsed(self.asked));
        self.millis.saturating_add(elapsed).saturating_add(1)
    }

    /// How many seconds this machine's clock was ahead of the log's; negative if it was behind.
    pub(in crate::revocation) fn our_lead(self) -> i64 {
        let own = i64::try_from(self.asked.unix().as_secs()).unwrap_or(i64::MAX);
        own.saturating_sub_unsigned(self.millis / 1000)
    }

    /// Entries before this position can be removed. It is a little further back than the retention, because
    /// clocks differ.
    pub(in crate::revocation) fn keep_from(self, retention: Duration) -> LogPosition {
        let slack = retention / 8 + Duration::from_secs(60);
        LogPosition::at(self.now().saturating_sub(millis(retention + slack)))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[tokio::test(start_paused = true)]
    async fn an_entry_is_kept_for_longer_than_the_retention() {
        let now = 1_795_600_000_000;
        let time = LogTime::new(now, Clock::default().now());
        let hour = Duration::from_secs(3_600);
        let kept = hour + hour / 8 + Duration::from_secs(60);
        assert_eq!(time.keep_from(hour), LogPosition::at(now - millis(kept)));
        tokio::time::advance(hour).await;
        let later = now + millis(hour);
        assert_eq!(time.keep_from(hour), LogPosition::at(later - millis(kept)));
        // Longer than the log's time: all is kept.
        assert_eq!(time.keep_from(Duration::MAX / 2), LogPosition::at(0));
    }
}
