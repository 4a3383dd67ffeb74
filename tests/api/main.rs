//! Whole-stack behaviour, by the stages of a request.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

mod authorize;
mod grpc;
mod handmade;
mod keys;
mod live;
mod properties;
mod redis;
mod resolver;
mod resource_metadata;
mod revocation;
mod second_issuer;
mod stacks;
mod telemetry;
mod token_cache;
mod way_of_a_request;
mod webhook;

/// The property tests' number of cases is chosen as in the library's own.
#[path = "../../src/cases.rs"]
#[allow(dead_code, reason = "shared with the library")]
mod cases;
