//! Authentication for axum behind Authgear.

pub mod clock;
#[cfg(feature = "testkit")]
pub mod testkit;
