//! Every example, run as a process and asked from outside.
//!
//! `cargo test --all-features` builds the examples; after a change of one, the same with
//! `--test examples` alone runs the old one: say `cargo build --examples` first.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod browser;
mod process;
#[path = "../api/redis_server.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the tests of another target use the rest"
)]
mod redis_server;

mod browser_app;
mod explain;
mod forward_auth;
mod gateways;
mod guards;
mod kept_keys;
mod live_events;
mod mcp_clients;
mod mcp_server;
mod observability;
mod openapi;
mod playground;
mod quickstart;
mod resource_server;
mod rolling_upgrade;
mod websocket;
mod without_a_project;
