//! Runs the code of the pages that needs dependencies of the tests.

#[cfg(all(doctest, feature = "all"))]
#[doc = include_str!("../README.md")]
pub mod readme {}

#[cfg(all(doctest, feature = "all"))]
#[doc = include_str!("../src/docs/cookbook/routes.md")]
pub mod routes {}

#[cfg(all(doctest, feature = "all"))]
#[doc = include_str!("../src/docs/cookbook/credentials.md")]
pub mod credentials {}

#[cfg(all(doctest, feature = "all"))]
#[doc = include_str!("../src/docs/cookbook/operations.md")]
pub mod operations {}

#[cfg(all(doctest, feature = "all"))]
#[doc = include_str!("../src/docs/cookbook/testing.md")]
pub mod testing {}
