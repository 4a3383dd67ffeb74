//! Whole-stack behaviour, by the stages of a request.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

mod forward_auth;
mod gateway;
mod live;
mod resolver;
mod way_of_a_request;
