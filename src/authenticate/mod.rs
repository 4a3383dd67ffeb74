//! The layer: it calls the earlier stages to find the caller, and then stores the caller in the request's
//! extensions or rejects the request.
//!
//! [`AuthenticateLayer`] makes [`Authenticate`](crate::Authenticate), whose future is in [`future`].
//!
//! It uses tower and HTTP, but no cryptography. The [threat model](crate::docs::threat_model) lists what
//! each mode trusts.

mod account;
mod authentication;
mod authenticator;
mod client_info;
mod csrf;
mod decision_notes;
pub(crate) mod forward_auth;
pub mod future;
mod identity_headers;
pub(crate) mod inner_requirements;
mod issuer_filter;
pub(crate) mod layer;
pub(crate) mod preflight;
mod request_record;
pub mod seal;
pub(crate) mod service;
mod shared;
mod trusted_origins;

pub(crate) use self::authentication::{Authentication, AuthgearId};
pub(crate) use self::authenticator::Authenticator;
pub(crate) use self::client_info::ClientInfoRules;
pub(crate) use self::csrf::CsrfCheck;
pub(crate) use self::forward_auth::ForwardAuth;
pub(crate) use self::layer::AuthenticateLayer;
#[cfg(feature = "testkit")]
pub(crate) use self::request_record::RequestRecord;
pub(crate) use self::shared::{Audit, SharedAuthenticator};
