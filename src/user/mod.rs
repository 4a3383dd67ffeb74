//! Who is calling: [`AuthUser`], [`AuthClient`] and [`Principal`].

mod auth_client;
mod auth_user;
mod identity;
mod principal;
mod session;
mod text;

pub use auth_client::AuthClient;
pub use auth_user::{AuthUser, NoClaims, VerifiedBy};
pub(crate) use auth_user::{Timekeeper, Verified};
pub(crate) use identity::{Identity, NumericDate};
pub use principal::Principal;
pub(crate) use session::{CredentialForm, Digest, Session, SessionCredential};
pub(crate) use text::{SpanList, TextReader};
