//! Whole-stack behaviour, by the stages of a request.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod keys;
mod properties;
mod support;

mod way_of_a_request;
