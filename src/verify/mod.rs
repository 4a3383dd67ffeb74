//! Stage 2: is the credential good, and whose is it?
//!
//! The only place where an [`AuthUser`](crate::AuthUser) is made. It knows tokens and keys, and
//! neither HTTP servers nor tower. Reading order: [`jws`] and [`claims`] parse without trusting,
//! [`validation`] holds the rules, [`jwt`] puts them in order around the signature.

mod claims;
mod json;
mod jws;
mod jwt;
#[cfg(test)]
mod simulation;
mod token_cache;
mod validation;

pub(crate) use jwt::{JwtVerifier, PendingVerification, ReadClaims, Verification};
pub(crate) use validation::{Validation, name as asymmetric_name};
