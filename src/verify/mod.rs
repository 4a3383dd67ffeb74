//! Stage 2: verifies the credential, and finds its user or machine.
//!
//! This is the only place that makes an [`AuthUser`](crate::AuthUser). It knows tokens, keys and the
//! resolver, but no HTTP servers and no tower. Reading order: [`jws`] and [`claims`] parse without trust,
//! [`validation`] contains the rules, and [`jwt`] applies them in order around the signature.
//! [`session_headers`] parses Authgear's headers about a session, [`resolver`] calls the resolver, and
//! [`live`] combines both. [`projects`] chooses the project and caches its tokens, and [`gateway`] accepts
//! the headers of a proxy that called the resolver. [`verifier`] is the choice of the mode.

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
    Audiences, FormerIssuer, JwtVerifier, ReadClaims, Validation, asymmetric_name,
};
pub use live::LiveSessions;
pub(crate) use live::LiveVerifier;
pub(crate) use projects::{ProjectResources, ProjectSet, TokenCache, TrustedProject};
pub use resolver::SessionResolver;
pub(crate) use resolver::{
    CachePolicy, ClientInfo, HttpResolver, Requester, ResolverClient, ResolverVerifier, SetCookies,
};
pub(crate) use verification::{PendingVerification, Verification};
pub(crate) use verifier::{Verifier, VerifierStatus};
