//! Sharing revocations among replicas, through a log that all of them append to and follow.

#[cfg(feature = "redis")]
mod appender;
#[cfg(feature = "redis")]
pub(super) mod follower;
#[cfg(feature = "redis")]
pub(super) mod log;
#[cfg(feature = "redis")]
mod log_time;
#[cfg_attr(not(feature = "redis"), path = "unshared.rs")]
pub(super) mod outbox;
#[cfg(feature = "redis")]
pub(super) mod redis_stream;
#[cfg(all(test, feature = "redis", feature = "webhook", feature = "testkit"))]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
