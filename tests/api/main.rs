//! Whole-stack behaviour, by the stages of a request.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod authorize;
mod grpc;
mod resource_metadata;
mod stacks;
mod support;
mod telemetry;

mod handmade;
mod second_issuer;
mod token_cache;
mod way_of_a_request;
