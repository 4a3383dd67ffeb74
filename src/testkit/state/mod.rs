//! What the fake knows.

pub(super) mod accounts;
