#![doc = include_str!("docs/front.md")]
// An inline picture also shows offline, and on every documentation server.
#![doc = include_str!("docs/modes.svg")]
#![doc = "\n"]
#![doc = include_str!("docs/front_links.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod authenticate;
mod authgear;
pub mod authorize;
mod builder;
// Public only with `testkit`.
#[cfg_attr(not(feature = "testkit"), allow(unreachable_pub))]
mod clock;
mod credential;
pub mod docs;
mod error;
pub mod explain;
mod extract;
mod jwks;
mod lock;
mod macros;
mod networks;
mod outbound;
#[cfg(test)]
mod property;
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
pub use authenticate::seal::{Open, OpenLayer, Seal, SealLayer};
pub use authenticate::service::Authenticate;
pub use authgear::{Authgear, Health, Project, ProjectStatus, Status};
pub use builder::{AuthgearBuilder, Dangerous, Projects};
pub use credential::{AccessToken, TokenSource};
pub use error::{AuthError, AuthErrorKind, ConfigError};
pub use jsonwebtoken::Algorithm;
pub use protected_resource::ProtectedResource;
pub use rejection::{
    AuthRejection, EmptyRejectionResponse, JsonRejectionResponse, RejectionResponse,
};
/// The HTTP client. Some options of the builder need its types: [`reqwest::Certificate`],
/// [`reqwest::Proxy`], [`reqwest::Client`].
pub use reqwest;
#[cfg(feature = "redis")]
pub use revocation::RedisConfig;
pub use user::{Actor, AuthClient, AuthUser, NoClaims, Principal, UserKey, VerifiedBy};
pub use verify::{GatewayProof, LiveSessions, SessionResolver};
#[cfg(feature = "webhook")]
pub use webhook::WebhookService;
