//! The future of [`Authorize`](super::Authorize).

pub use crate::rejection::ResponseFuture;
