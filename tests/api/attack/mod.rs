//! What a hostile caller, hop or neighbour tries: one file each.

mod dead_runtime_and_redis;
mod empty_handshake;
mod held;
mod long_connection;
mod refused_then_away;
mod underscore_dialect;
