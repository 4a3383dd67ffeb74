//! Stage 2: is the credential good, and whose is it?
//!
//! The only place where an [`AuthUser`](crate::AuthUser) is made. It knows tokens, keys and the
//! resolver, and neither HTTP servers nor tower. Reading order: [`jws`] and [`claims`] parse without
//! trusting, [`validation`] holds the rules, [`jwt`] puts them in order around the signature;
//! [`session_headers`] reads what Authgear says of a session, [`resolver`] asks it, [`live`] puts
//! both together, [`projects`] chooses among projects, and [`gateway`] takes it from a proxy that asked.
//! [`verifier`] is the choice.

mod ended;
mod gateway;
mod jwt;
mod live;
mod projects;
pub(crate) mod resolver;
pub(crate) mod session_headers;
mod verification;
mod verifier;

pub use gateway::GatewayProof;
pub(crate) use gateway::{GatewayIdentity, GatewayVerifier, Proof};
#[cfg(feature = "testkit")]
pub(crate) use jwt::claims::unverified_identity;
pub(crate) use jwt::{
    Audiences, FormerIssuer, JwtVerifier, ReadClaims, TokenCache, Validation, asymmetric_name,
};
pub use live::LiveSessions;
pub(crate) use live::LiveVerifier;
pub(crate) use projects::{ProjectResources, ProjectSet, TrustedProject};
pub use resolver::SessionResolver;
pub(crate) use resolver::{
    CachePolicy, ClientInfo, HttpResolver, Requester, ResolverClient, ResolverVerifier, SetCookies,
};
pub(crate) use verification::{PendingVerification, Verification};
pub(crate) use verifier::{Verifier, VerifierStatus};
