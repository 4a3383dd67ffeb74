//! Throw-away tests of a review, one file a hole.

mod held;
mod dead_runtime_and_redis;
mod long_connection;
mod refused_then_away;
mod empty_handshake;
mod underscore_dialect;
