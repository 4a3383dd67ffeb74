//! The project's keys: parsed (`key_set`), kept (`store`), fetched (`fetch`) and renewed
//! (`refresher`).

mod fetch;
#[cfg(test)]
pub(crate) mod issuer;
mod key_set;
mod refresher;
mod store;

pub(crate) use fetch::HttpKeySource;
pub(crate) use key_set::VerificationKey;
pub(crate) use refresher::Refresher;
pub(crate) use store::{CurrentKeys, KeyPolicy, KeyStore};
