//! Several projects behind one API: nothing of one counts for another.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(
    unreachable_pub,
    reason = "a module of a test shares what it marks as public"
)]

#[path = "../api/support.rs"]
#[allow(dead_code, reason = "the tests of another target use the rest")]
mod support;

/// The property tests' number of cases is chosen as in the library's own.
#[path = "../../src/property/cases.rs"]
mod cases;

mod changes;
mod confusion;
mod forward;
mod isolation;
mod log;
mod metrics;
mod placement;
mod property;
mod ready;
mod revocations;
mod routes;
mod stage;
mod together;
