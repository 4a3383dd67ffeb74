//! Whole-stack behaviour, by the stages of a request.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(
    unreachable_pub,
    reason = "a module of a test shares what it marks as public"
)]

mod faults;
mod hop;
mod redis_server;
mod support;

/// The property tests' number of cases is chosen as in the library's own.
#[path = "../../src/property/cases.rs"]
mod cases;

mod access_log;
mod access_token;
mod actor;
mod attack;
mod audit;
mod authorize;
mod break_glass;
mod challenges;
mod cookies;
mod credential;
mod csrf;
mod docs;
mod ended_runtime;
mod explain;
mod former_issuer;
mod forward_auth;
mod gateway;
mod grpc;
mod inner_rejections;
mod keys;
mod layers;
mod leaks;
mod live;
mod mistakes;
mod misuse;
mod oidc_provider;
mod principals_by_hand;
mod properties;
mod recorded;
mod redis;
mod redis_faults;
mod redis_projects;
mod refusal_table;
mod refusals;
mod resolver;
mod resource_metadata;
mod resources;
mod revocation;
mod seal;
mod telemetry;
mod token_cache;
mod tower_stacks;
mod way_of_a_request;
mod webhook;
