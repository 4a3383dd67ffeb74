//! Time as data: only this module reads the clocks.
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
//! A test can set its own clock (feature `testkit`):
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
//! The system's wall clock, within the leeway: a clock that is set back makes expired tokens valid again.
//! The age of keys trusts neither clock alone: see [`Timestamp::elapsed`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The source of time for the crate.
///
/// Claims (`exp`, `nbf`, `iat`) are compared with the wall clock. The age of keys and cached answers is
/// measured on both clocks: see [`Timestamp::elapsed`].
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
    /// Whether this is the system's clock, and not a test's.
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

    /// The time since `earlier`, by the clock that gives the larger value.
    ///
    /// The monotonic clock of many systems stops while a machine is suspended, and the wall clock can be
    /// set back. With the larger value, neither of these extends a bound.
    #[must_use]
    pub fn elapsed(self, earlier: Timestamp) -> Duration {
        let monotonic = self.monotonic.saturating_duration_since(earlier.monotonic);
        monotonic.max(self.wall.saturating_sub(earlier.wall))
    }

    /// The time `age` before this one, on both clocks. `None` if a clock cannot represent it: some
    /// monotonic clocks begin at the machine's start.
    pub(crate) fn before(self, age: Duration) -> Option<Self> {
        Some(Self {
            wall: self.wall.checked_sub(age)?,
            monotonic: self.monotonic.checked_sub(age)?,
        })
    }

    /// Whether this is earlier than `other`, by the monotonic clock: the wall clock can be set back between
    /// the two, and each would then look younger than the other.
    pub(crate) fn is_before(self, other: Timestamp) -> bool {
        self.monotonic < other.monotonic
    }

    /// The time since this timestamp, by the monotonic clock.
    #[cfg(feature = "metrics")]
    pub(crate) fn time_since(self) -> Duration {
        self.monotonic.elapsed()
    }

    /// The time of `earlier` since the Unix epoch, by the wall clock. Of two values, the smaller one
    /// counts: the reading at that time, or the present reading minus the time since.
    ///
    /// So a wall clock that was ahead then, and has been corrected since, does not make `earlier` look
    /// younger.
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
        /// `Some`: the wall clock runs with tokio's clock (also a paused one).
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
        /// A wall clock that stays at `unix_seconds` until it is shifted.
        #[must_use]
        pub fn frozen_at(unix_seconds: u64) -> Self {
            Self::test(unix_seconds, None)
        }

        /// A wall clock that starts at `unix_seconds` and runs with tokio's clock, also a paused one.
        #[must_use]
        pub fn starting_at(unix_seconds: u64) -> Self {
            Self::test(unix_seconds, Some(Instant::now()))
        }

        /// Sets the wall clock forward (or back, if negative) in every clone of this clock, without
        /// changing the monotonic clock. On the system's clock it does nothing.
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
