//! What surrounds the code: what is trusted, and what each kind of attacker can do.
//!
//! - [`threat_model`]: for a review of this crate, or of a service that uses it.
//!
//! These modules hold text alone.

#[doc = include_str!("threat_model.md")]
pub mod threat_model {}
