//! What surrounds the code: how to do what, how to run it, what is trusted.
//!
//! - [`cookbook`]: one section a task, each with code that compiles.
//! - [`operations`]: readiness, spans, metrics, and what the alerts mean.
//! - [`threat_model`]: for a review of this crate, or of a service that uses it.
//!
//! These modules hold text alone.

#[doc = include_str!("cookbook.md")]
pub mod cookbook {}

#[doc = include_str!("operations.md")]
pub mod operations {}

#[doc = include_str!("threat_model.md")]
pub mod threat_model {}
