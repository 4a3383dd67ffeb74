//! The token of a request, for an application that needs it after the verification.

use std::fmt;
use std::sync::Arc;

use crate::secret::Secret;

/// The access token by which the caller of this request was verified, as it came: for a call to
/// another service in the user's name.
///
/// Requires [`keep_access_tokens`](crate::AuthgearBuilder::keep_access_tokens); without it the
/// extractor refuses every request with 500. A request has no token if it has no credential, or if its
/// credential is Authgear's own cookies: the extractor then refuses it with 401, and
/// `Option<AccessToken>` is `None`.
///
/// It is not read again from the request's headers: it is the very token that was verified, whatever
/// other layers have done to the headers since. `Debug` does not show it, it has no `Display`, and
/// its memory is overwritten when its last clone is dropped.
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
/// # What speaks against passing a token on
///
/// - Whoever receives it can call *this* API, and every other API of its audience, as the user, until
///   the token expires. Send it only to services that you trust as much as this one, over TLS.
/// - The receiver accepts it only if it accepts its audience. A service that does so without being
///   named in `aud` cannot tell its own callers from yours.
/// - A server of the Model Context Protocol must not pass on the token that it received from its
///   client (MCP, *Authorization*, "Token Passthrough").
///
/// A token of the service's own (client credentials), with the user's id beside it, has none of these
/// problems. Prefer it where the other service trusts this one.
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

/// What a request's authentication has of its token.
#[derive(Clone)]
pub(crate) enum KeptToken {
    /// Tokens are not kept.
    Off,
    /// There is none: no credential, or Authgear's own cookies.
    None,
    Token(AccessToken),
}
