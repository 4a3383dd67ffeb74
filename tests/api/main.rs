//! Whole-stack behaviour, by the stages of a request.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

mod authorize;
mod grpc;
mod handmade;
mod keys;
mod live;
mod properties;
mod resolver;
mod resource_metadata;
mod second_issuer;
mod stacks;
mod telemetry;
mod token_cache;
mod way_of_a_request;
