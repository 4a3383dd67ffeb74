//! Forward authentication: Authgear's resolver identifies the user of a credential.
//!
//! [`call`] makes one call, [`limits`] bounds the concurrent calls, [`answers`] caches the answers,
//! [`probe`] checks whether the resolver is reachable, and [`purges`] notifies long connections of removed
//! answers. [`lookups`] shares one call among equal requests, and [`client`] combines all of these.
//! [`ResolverVerifier`] is the mode with only the resolver.

mod answers;
mod bounded_map;
mod call;
mod client;
mod limits;
mod lookups;
mod options;
mod probe;
mod purges;
mod requester;
#[cfg(test)]
mod tests;
mod verifier;

pub(crate) use self::answers::Answer;
#[cfg(test)]
pub(crate) use self::call::{Ask, Asking};
pub(crate) use self::call::{CallError, ClientInfo, HttpResolver};
pub(crate) use self::client::ResolverClient;
pub use self::options::SessionResolver;
pub(crate) use self::options::{CachePolicy, MAX_COUNT};
pub(crate) use self::purges::PurgeWatch;
pub(crate) use self::requester::{Requester, SetCookies};
pub(crate) use self::verifier::ResolverVerifier;
pub(crate) use self::verifier::{check, unavailable};
