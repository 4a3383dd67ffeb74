//! Time as data: one place that reads the clocks.
//!
//! ```
//! use std::time::Duration;
//!
//! use axum_authgear::testkit::Clock;
//!
//! let clock = Clock::default(); // the system's
//! let start = clock.now();
//! assert!(clock.now().elapsed(start) < Duration::from_secs(3_600));
//! ```
//!
//! A test brings a clock of its own, and lets it run as it needs (feature `testkit`):
//!
//! ```
//! # #[cfg(feature = "testkit")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use axum_authgear::testkit::Clock;
//! use axum_authgear::testkit::{FakeAuthgear, User};
//! use axum_authgear::{AuthErrorKind, Authgear};
//!
//! let clock = Clock::frozen_at(1_800_000_000);
//! let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
//! let alice = fake.add_user(User::new("alice"));
//! let authgear = Authgear::builder(fake.endpoint()).dangerous().clock(clock.clone()).build()?;
//!
//! let token = fake.token(&alice).sign();
//! assert_eq!(authgear.verify(&token).await?.id(), alice.id());
//! clock.shift_millis(31 * 60 * 1_000);
//! assert_eq!(authgear.verify(&token).await.unwrap_err().kind(), AuthErrorKind::Expired);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "testkit"))]
//! # fn main() {}
//! ```
//!
//! # What is trusted
//!
//! The system's wall clock, give or take the leeway: whoever sets it back revives ended tokens. The
//! age of keys trusts neither clock alone, see [`Timestamp::elapsed`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Where the crate takes its time from.
///
/// Claims (`exp`, `nbf`, `iat`) are compared with the wall clock; the age of keys and answers is
/// measured on both clocks, see [`Timestamp::elapsed`].
#[derive(Clone, Debug, Default)]
pub struct Clock(ClockSource);

#[derive(Clone, Debug, Default)]
enum ClockSource {
    #[default]
    System,
    #[cfg(feature = "testkit")]
    Test(std::sync::Arc<test::TestTime>),
}

impl Clock {
    /// Both clocks, read now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let wall = match &self.0 {
            // A clock set before 1970 reads as 1970: every token is then "not yet valid" rather
            // than a panic.
            ClockSource::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
            #[cfg(feature = "testkit")]
            ClockSource::Test(time) => time.wall(),
        };
        Timestamp {
            wall,
            monotonic: Instant::now(),
        }
    }
}

impl Clock {
    /// Whether this is the system's, and not a test's.
    pub(crate) fn is_system(&self) -> bool {
        matches!(self.0, ClockSource::System)
    }
}

/// One reading of the wall clock and of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    wall: Duration,
    monotonic: Instant,
}

impl Timestamp {
    /// Time since the Unix epoch, by the wall clock.
    #[must_use]
    pub fn unix(self) -> Duration {
        self.wall
    }

    /// How long ago `earlier` was, by whichever clock says more.
    ///
    /// The monotonic clock of many systems stands still while a machine is suspended, and the wall
    /// clock can be set back: taking the larger one means that neither stretches a bound.
    #[must_use]
    pub fn elapsed(self, earlier: Timestamp) -> Duration {
        let monotonic = self.monotonic.saturating_duration_since(earlier.monotonic);
        monotonic.max(self.wall.saturating_sub(earlier.wall))
    }

    /// The moment that was `age` before this one, on both clocks; `None` where one of them cannot say
    /// so: some monotonic clocks begin with the machine's start.
    pub(crate) fn before(self, age: Duration) -> Option<Self> {
        Some(Self {
            wall: self.wall.checked_sub(age)?,
            monotonic: self.monotonic.checked_sub(age)?,
        })
    }

    /// Whether this came first, by the monotonic clock alone: the wall clock can be set back between
    /// the two, and each would then be younger than the other.
    pub(crate) fn is_before(self, other: Timestamp) -> bool {
        self.monotonic < other.monotonic
    }

    /// How long ago this was, by the monotonic clock.
    #[cfg(feature = "metrics")]
    pub(crate) fn time_since(self) -> Duration {
        self.monotonic.elapsed()
    }

    /// When `earlier` was, since the Unix epoch, by whichever reading of the wall clock puts it
    /// first: the one of then, or the present one less the time that has passed since.
    ///
    /// A wall clock that ran ahead then and has been corrected since does not make `earlier` look
    /// younger than it is.
    pub(crate) fn earliest_unix_of(self, earlier: Timestamp) -> Duration {
        let passed = self.monotonic.saturating_duration_since(earlier.monotonic);
        earlier.wall.min(self.wall.saturating_sub(passed))
    }
}

#[cfg(feature = "testkit")]
mod test {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Clock, ClockSource};

    #[derive(Debug)]
    pub(super) struct TestTime {
        start: Duration,
        shift_millis: AtomicI64,
        /// `Some`: the wall clock runs along with tokio's (also a paused one).
        running_since: Option<Instant>,
    }

    impl TestTime {
        pub(super) fn wall(&self) -> Duration {
            let ran = self
                .running_since
                .map_or(Duration::ZERO, |since| since.elapsed());
            let shift = self.shift_millis.load(Ordering::SeqCst);
            let distance = Duration::from_millis(shift.unsigned_abs());
            if shift < 0 {
                (self.start + ran).saturating_sub(distance)
            } else {
                self.start + ran + distance
            }
        }
    }

    impl Clock {
        /// A wall clock that stands still at `unix_seconds` until it is shifted.
        #[must_use]
        pub fn frozen_at(unix_seconds: u64) -> Self {
            Self::test(unix_seconds, None)
        }

        /// A wall clock that starts at `unix_seconds` and runs along with tokio's clock, a paused
        /// one too.
        #[must_use]
        pub fn starting_at(unix_seconds: u64) -> Self {
            Self::test(unix_seconds, Some(Instant::now()))
        }

        /// Sets the wall clock forward (or, negative, back) and leaves the monotonic one alone, in
        /// every clone of this clock. The system's clock cannot be shifted: nothing happens.
        pub fn shift_millis(&self, millis: i64) {
            if let ClockSource::Test(time) = &self.0 {
                time.shift_millis.fetch_add(millis, Ordering::SeqCst);
            }
        }

        fn test(unix_seconds: u64, running_since: Option<Instant>) -> Self {
            Self(ClockSource::Test(Arc::new(TestTime {
                start: Duration::from_secs(unix_seconds),
                shift_millis: AtomicI64::new(0),
                running_since,
            })))
        }
    }
}
