//! The timeouts of the log, and the delays between attempts.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::timeout;

use super::log::LogError;

/// The timeout of an answer.
pub(in crate::revocation) const REPLY_TIMEOUT: Duration = Duration::from_secs(2);

pub(in crate::revocation) async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, LogError>>,
) -> Result<T, LogError> {
    timeout(patience, answer)
        .await
        .unwrap_or(Err(LogError::Timeout))
}

const FIRST_RETRY: Duration = Duration::from_millis(100);

pub(in crate::revocation) const LAST_RETRY: Duration = Duration::from_secs(5);

/// The delay before each attempt. It grows, and has a random part.
pub(in crate::revocation) struct Retries(ExponentialBackoff);

impl Retries {
    pub(in crate::revocation) fn new() -> Self {
        let delays = ExponentialBuilder::new()
            .with_min_delay(FIRST_RETRY)
            .with_max_delay(LAST_RETRY)
            .without_max_times();
        Self(delays.build())
    }

    pub(in crate::revocation) fn next(&mut self) -> Duration {
        let delay = self.0.next().unwrap_or(LAST_RETRY).min(LAST_RETRY);
        delay.mul_f64(0.5 + 0.5 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_five_seconds_and_replicas_do_not_retry_together() {
        let delays = || {
            let mut retries = Retries::new();
            std::array::from_fn::<_, 100, _>(|_| retries.next())
        };
        let [one, other] = [delays(), delays()];
        let mut longest = Duration::from_millis(100);
        for delay in one {
            assert!((longest / 2..=longest).contains(&delay), "{delay:?}");
            longest = (longest * 2).min(Duration::from_secs(5));
        }
        assert_ne!(one, other);
    }
}
