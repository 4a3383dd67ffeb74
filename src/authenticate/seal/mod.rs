//! The seal: it withholds a response that no layer has judged.
//!
//! [`SealLayer`] puts a shared mark into the request. The layers of its `Authgear`, and [`OpenLayer`], write
//! into it. The content of the response, and the services that made it, have no effect.

pub mod future;
mod layer;
mod open;
mod reported;
mod sealed_request;
mod service;
mod settings;

pub use self::layer::SealLayer;
pub use self::open::{Open, OpenLayer};
pub(crate) use self::sealed_request::{Judgement, SealedRequest};
pub use self::service::Seal;
