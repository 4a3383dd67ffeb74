//! Runs the code of the pages that needs dependencies of the tests.

#[cfg(all(doctest, feature = "all"))]
#[doc = include_str!("../src/docs/cookbook.md")]
pub mod cookbook {}
