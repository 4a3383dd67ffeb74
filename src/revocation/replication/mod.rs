//! Shares revocations among replicas, through a log to which all of them append and which all follow.
//!
//! `follower` reads the log, and `appender` writes to it. `outbox` is the state that they share with the
//! requests. `log` is the interface of a log, and `redis_stream` implements it.

#[cfg(feature = "redis")]
mod appender;
#[cfg(feature = "redis")]
pub(super) mod follower;
#[cfg(feature = "redis")]
pub(super) mod log;
#[cfg(feature = "redis")]
mod log_time;
#[cfg(feature = "redis")]
pub(super) mod outbox;
#[cfg(feature = "redis")]
pub(super) mod redis_stream;
#[cfg(feature = "redis")]
mod retries;
#[cfg(all(test, feature = "redis", feature = "webhook", feature = "testkit"))]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;

use std::error::Error;
use std::sync::Arc;

#[cfg(feature = "redis")]
use self::outbox::Outbox;
use super::record::Record;
use crate::clock::Timestamp;

/// Whether there is a log.
#[derive(Debug)]
pub(super) enum Replication {
    /// Records stay in this replica.
    Off,
    #[cfg(feature = "redis")]
    On(Arc<Outbox>),
}

impl Replication {
    pub(super) fn is_synced(&self) -> bool {
        match self {
            Self::Off => true,
            #[cfg(feature = "redis")]
            Self::On(outbox) => outbox.is_synced(),
        }
    }

    #[cfg_attr(
        not(feature = "redis"),
        expect(clippy::unused_async, reason = "there is no log to wait for")
    )]
    pub(super) async fn synced(&self) {
        match self {
            Self::Off => {}
            #[cfg(feature = "redis")]
            Self::On(outbox) => outbox.synced().await,
        }
    }

    /// Why the log is unreachable, if it is.
    pub(super) fn error(&self) -> Option<Arc<dyn Error + Send + Sync>> {
        match self {
            Self::Off => None,
            #[cfg(feature = "redis")]
            Self::On(outbox) => Some(outbox.error()? as _),
        }
    }

    /// Whether the log has been unreachable for so long that users are refused.
    #[cfg_attr(
        not(feature = "redis"),
        expect(unused_variables, reason = "there is no log")
    )]
    pub(super) fn is_too_old(&self, now: Timestamp) -> bool {
        match self {
            Self::Off => false,
            #[cfg(feature = "redis")]
            Self::On(outbox) => outbox.is_too_old(now),
        }
    }

    /// The log's own time, in seconds since the Unix epoch, if it is known.
    #[cfg_attr(
        not(feature = "redis"),
        expect(unused_variables, reason = "there is no log")
    )]
    pub(super) fn log_time(&self, now: Timestamp) -> Option<u64> {
        match self {
            Self::Off => None,
            #[cfg(feature = "redis")]
            Self::On(outbox) => outbox.log_time(now),
        }
    }

    /// Sends a record to the other replicas.
    pub(super) fn push(&self, record: Record) {
        match self {
            Self::Off => drop(record),
            #[cfg(feature = "redis")]
            Self::On(outbox) => outbox.push(record),
        }
    }

    /// Continues an outage of the earlier replication of the same project.
    #[cfg(feature = "redis")]
    pub(super) fn take_over(&self, earlier: &Self) {
        if let (Self::On(own), Self::On(earlier)) = (self, earlier) {
            own.take_over(earlier);
        }
    }
}
