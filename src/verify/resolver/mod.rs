//! Forward authentication: Authgear's resolver says whose a credential is.
//!
//! [`call`] is one question, [`limits`] decides who may ask, [`answers`] keeps what was said,
//! [`probe`] knows whether the resolver is there, [`purges`] tells long connections what was
//! forgotten; [`lookups`] asks each question once; [`client`] brings them together; [`ResolverVerifier`] is the mode that has nothing else.

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
