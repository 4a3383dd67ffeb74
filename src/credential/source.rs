//! A custom source of tokens.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;

type Find = dyn Fn(&HeaderMap) -> Option<String> + Send + Sync;

/// A function that finds a token in a request's headers, for example in `Sec-WebSocket-Protocol`.
///
/// ```
/// use axum_authgear::{Authgear, TokenSource};
///
/// // `new WebSocket(url, ["chat", "token." + accessToken])`
/// let source = TokenSource::new(|headers| {
///     headers
///         .get("sec-websocket-protocol")?
///         .to_str()
///         .ok()?
///         .split(',')
///         .find_map(|protocol| protocol.trim().strip_prefix("token."))
///         .map(str::to_owned)
/// });
/// let builder = Authgear::builder("https://my-project.authgear.cloud").token_source(source);
/// ```
///
/// It sees only headers, because a token in the query string ends up in logs and in the browser's history
/// (RFC 6750 §5.3). Do not read a cookie with it, because it has no protection against cross-site request
/// forgery: use [`token_cookie`](crate::AuthgearBuilder::token_cookie).
#[derive(Clone)]
pub struct TokenSource {
    find: Arc<Find>,
}

impl TokenSource {
    /// A source that calls `find`, which returns the token, or `None` if there is none.
    ///
    /// The returned token is the request's credential: if it is invalid, the request is refused.
    pub fn new(find: impl Fn(&HeaderMap) -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            find: Arc::new(find),
        }
    }

    pub(super) fn find(&self, headers: &HeaderMap) -> Option<String> {
        (self.find)(headers)
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").finish_non_exhaustive()
    }
}
