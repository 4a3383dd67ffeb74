//! What all property tests share: the number of their cases, and inputs that are almost good. Unit tests only.

pub(crate) mod cases;
pub(crate) mod mutation;
