//! Authentication for axum behind Authgear.

pub mod clock;
