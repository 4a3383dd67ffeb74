//! Whole-stack behaviour, by the stages of a request.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(
    unreachable_pub,
    reason = "a module of a test shares what it marks as public"
)]

mod hop;
mod support;

/// The property tests' number of cases is chosen as in the library's own.
#[path = "../../src/simulation/cases.rs"]
mod cases;

mod attack;
mod authorize;
mod cookies;
mod credential;
mod csrf;
mod docs;
mod ended_runtime;
mod expected;
mod forward_auth;
mod gateway;
mod grpc;
mod handmade;
mod inner_rejections;
mod keys;
mod layers;
mod leaks;
mod live;
mod properties;
mod recorded;
mod redis;
mod redis_faults;
mod refusals;
mod resolver;
mod resource_metadata;
mod revocation;
mod second_issuer;
mod stacks;
mod telemetry;
mod token_cache;
mod way_of_a_request;
mod webhook;
mod wiring;
