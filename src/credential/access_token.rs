//! The token of a request, for an application that needs it after the verification.

use std::fmt;
use std::sync::Arc;

use crate::secret::Secret;

/// The verified access token of this request, for a call to another service as the user.
///
/// Requires [`keep_access_tokens`](crate::AuthgearBuilder::keep_access_tokens); without it the extractor
/// refuses every request with 500. A request has no token if it has no credential, or if its credential is
/// Authgear's own cookies. The extractor then refuses it with 401, and `Option<AccessToken>` is `None`.
///
/// It is the token that was verified, even if other layers have changed the headers since. `Debug` does not
/// show it, it has no `Display`, and its memory is overwritten when its last clone is dropped.
///
/// ```
/// use axum_authgear::AccessToken;
///
/// async fn invoices(token: AccessToken) -> Result<String, axum::http::StatusCode> {
///     let request = reqwest::Client::new()
///         .get("https://invoices.internal.example.com/")
///         .bearer_auth(token.expose());
///     // …
/// #   let _ = request;
///     Ok("…".to_owned())
/// }
/// ```
///
/// # Risks of forwarding a token
///
/// - Every recipient can call *this* API, and every other API of its audience, as the user, until the token
///   expires. Send it only over TLS, to services that you trust as much as this one.
/// - The other service must accept the token's audience. If `aud` does not name that service, it cannot
///   distinguish its own callers from yours.
/// - An MCP server must not forward the token of its client (MCP, *Authorization*, "Token Passthrough").
///
/// A token of this service (client credentials), with the user's id in the request, has none of these
/// problems. Prefer it if the other service trusts this one.
#[derive(Clone)]
pub struct AccessToken(Arc<Secret>);

impl AccessToken {
    pub(crate) fn new(text: &str) -> Self {
        Self(Arc::new(Secret::new(text)))
    }

    /// The token. Do not log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AccessToken").field(&self.0).finish()
    }
}

/// The token that a request's authentication keeps.
#[derive(Clone)]
pub(crate) enum KeptToken {
    /// Tokens are not kept.
    Off,
    /// There is no token: no credential, or Authgear's own cookies.
    None,
    Token(AccessToken),
}
