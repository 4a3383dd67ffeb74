//! Stage 3: the layer. It asks the stages before it who is calling, and puts the answer into the
//! request's extensions, or refuses.
//!
//! It knows tower and HTTP, and no cryptography.

mod authentication;
mod authenticator;
mod client_info;
mod csrf;
mod forward_auth;
mod future;
mod identity_headers;
mod layer;
mod service;
mod trusted_origins;

pub(crate) use self::authentication::{Authentication, AuthgearId};
pub(crate) use self::authenticator::Authenticator;
pub(crate) use self::client_info::ClientInfoRules;
pub(crate) use self::csrf::CsrfCheck;
pub use self::forward_auth::ForwardAuth;
pub use self::future::ResponseFuture;
pub use self::layer::AuthenticateLayer;
pub use self::service::Authenticate;
