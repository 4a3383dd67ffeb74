//! Authgear's own scopes.

/// Full access as the user. Authgear grants it only to your own applications, and never to a third-party
/// client. So it distinguishes the two if [`client_ids`](crate::AuthgearBuilder::client_ids) are not set.
pub const FULL_ACCESS: &str = "https://authgear.com/scopes/full-access";

/// All attributes of the user, from the user info endpoint.
pub const FULL_USERINFO: &str = "https://authgear.com/scopes/full-userinfo";

/// The sign-in itself (`OpenID` Connect Core 1.0 §3.1.2.1).
pub const OPENID: &str = "openid";

/// A refresh token (`OpenID` Connect Core 1.0 §11).
///
/// A challenge never names it, because the client decides whether to request it.
pub const OFFLINE_ACCESS: &str = crate::user::OFFLINE_ACCESS;
