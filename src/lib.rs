#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod authenticate;
mod authgear;
pub mod authorize;
mod builder;
// Public under `testkit` alone.
#[cfg_attr(not(feature = "testkit"), allow(unreachable_pub))]
mod clock;
mod credential;
pub mod docs;
mod error;
mod extract;
mod jwks;
mod networks;
mod outbound;
mod protected_resource;
mod rejection;
mod revocation;
mod runtime;
mod secret;
#[cfg(test)]
mod simulation;
mod telemetry;
#[cfg(feature = "testkit")]
pub mod testkit;
mod user;
mod verify;
#[cfg(feature = "webhook")]
mod webhook;

pub use authenticate::forward_auth::ForwardAuth;
pub use authenticate::layer::AuthenticateLayer;
pub use authenticate::service::Authenticate;
pub use authgear::{Authgear, Health, Status};
pub use builder::{AuthgearBuilder, Dangerous};
pub use credential::TokenSource;
pub use error::{AuthError, AuthErrorKind, ConfigError};
pub use jsonwebtoken::Algorithm;
pub use protected_resource::ProtectedResource;
pub use rejection::{
    AuthRejection, EmptyRejectionResponse, JsonRejectionResponse, RejectionResponse,
};
#[cfg(feature = "redis")]
pub use revocation::RedisConfig;
pub use user::{Actor, AuthClient, AuthUser, NoClaims, Principal, VerifiedBy};
pub use verify::{GatewayProof, LiveSessions, SessionResolver};
