//! The seal: an answer that nothing has judged does not leave.
//!
//! [`SealLayer`] puts a mark into the request that it keeps hold of itself. The layers
//! of its `Authgear`, and [`OpenLayer`], write into it. What the answer looks like, and
//! which services have made it, plays no part.

pub mod future;
mod layer;
mod open;
mod reported;
mod sealed_request;
mod service;

pub use self::layer::SealLayer;
pub use self::open::{Open, OpenLayer};
pub(crate) use self::sealed_request::{Judgement, SealedRequest};
pub use self::service::Seal;
