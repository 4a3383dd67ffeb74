//! What property tests share: the number of cases, also of the integration tests, and inputs that are almost
//! good.

pub(crate) mod cases;
pub(crate) mod mutation;
