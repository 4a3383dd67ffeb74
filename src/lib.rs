#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod authenticate;
mod authgear;
pub mod authorize;
mod builder;
#[cfg(test)]
mod cases;
pub mod clock;
mod credential;
mod danger;
mod discovery;
pub mod docs;
mod error;
mod extract;
mod http;
mod jwks;
mod rejection;
mod resource_metadata;
mod revocation;
mod runtime;
mod secret;
mod telemetry;
#[cfg(feature = "testkit")]
pub mod testkit;
mod user;
mod verify;
#[cfg(feature = "webhook")]
mod webhooks;

pub use authenticate::{Authenticate, AuthenticateLayer, ForwardAuth, ResponseFuture};
pub use authgear::{Authgear, Health, Status};
pub use builder::AuthgearBuilder;
pub use credential::TokenSource;
pub use danger::Dangerous;
pub use error::{AuthError, AuthErrorKind, ConfigError};
pub use jsonwebtoken::Algorithm;
pub use rejection::{AuthRejection, JsonResponse, RejectionResponse, StatusResponse};
pub use resource_metadata::ProtectedResource;
#[cfg(feature = "redis")]
pub use revocation::Redis;
pub use user::{AuthClient, AuthUser, NoClaims, Principal, VerifiedBy};
pub use verify::{GatewayProof, LiveSessions, Resolver};
