//! The project's keys: parsed (`key_set`), kept (`store`), fetched (`fetch`) and renewed
//! (`refresher`).

mod discovery;
pub(crate) mod fetch;
mod key_set;
pub(crate) mod policy;
pub(crate) mod refresher;
pub(crate) mod store;

pub(crate) use fetch::HttpKeySource;
pub(crate) use key_set::VerificationKey;
pub(crate) use policy::KeyPolicy;
pub(crate) use refresher::Refresher;
pub(crate) use store::{CurrentKeys, KeyStore};
