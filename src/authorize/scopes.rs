//! Authgear's own scopes.

/// Everything that the user may do. Only your own applications are granted it, a third-party
/// client never is: it tells the two apart where [`client_ids`](crate::AuthgearBuilder::client_ids)
/// are not named.
pub const FULL_ACCESS: &str = "https://authgear.com/scopes/full-access";

/// All attributes of the user, from the user info endpoint.
pub const FULL_USERINFO: &str = "https://authgear.com/scopes/full-userinfo";

/// The sign-in itself (`OpenID` Connect Core 1.0 §3.1.2.1).
pub const OPENID: &str = "openid";

/// A refresh token (`OpenID` Connect Core 1.0 §11).
///
/// A challenge never asks for it: that is the client's own to ask for.
pub const OFFLINE_ACCESS: &str = crate::user::OFFLINE_ACCESS;
