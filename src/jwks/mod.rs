//! The project's keys: parsed (`key_set`), stored (`store`), fetched (`fetch`), renewed (`refresher`), and
//! kept for a restart without the network (`snapshot`, `folder`).

mod discovery;
pub(crate) mod fetch;
pub(crate) mod folder;
mod key_set;
pub(crate) mod policy;
pub(crate) mod refresher;
pub(crate) mod snapshot;
pub(crate) mod store;

pub(crate) use fetch::{HttpKeySource, KeyAddresses};
pub(crate) use folder::KeyFolder;
pub(crate) use key_set::{KeySet, VerificationKey};
pub(crate) use policy::KeyPolicy;
pub(crate) use refresher::{FetchSpread, Refresher, restore};
pub(crate) use snapshot::KeySnapshot;
pub(crate) use store::{CurrentKeys, KeyStore};
