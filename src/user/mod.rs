//! The caller: [`AuthUser`], [`AuthClient`] and [`Principal`].

mod actor;
mod auth_client;
mod auth_user;
mod claim_text;
mod identity;
mod principal;
mod scope_inclusions;
mod session;
mod user_key;

pub use actor::Actor;
pub use auth_client::AuthClient;
pub use auth_user::{AuthUser, NoClaims, VerifiedBy};
pub(crate) use auth_user::{TimeContext, VerifiedUser};
pub(crate) use claim_text::{SpanList, TextReader};
pub(crate) use identity::{ActorPart, Identity, NumericDate};
pub use principal::Principal;
pub(crate) use scope_inclusions::{OFFLINE_ACCESS, ScopeInclusions, join_scopes};
pub(crate) use session::{CredentialForm, Digest, Session, SessionCredential};
pub use user_key::UserKey;
