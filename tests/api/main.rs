//! Whole-stack behaviour, by the stages of a request.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "nobody imports a test")]

mod expected;
mod support;

mod authorize;
mod credential;
mod csrf;
mod handmade;
mod layers;
mod leaks;
mod recorded;
mod refusals;
mod resource_metadata;
mod second_issuer;
mod stacks;
mod token_cache;
mod way_of_a_request;
mod wiring;
