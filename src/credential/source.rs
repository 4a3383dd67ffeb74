//! A place to look for a token that the crate does not know of.

use std::sync::Arc;

use crate::macros::redacted_debug;
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
/// It sees headers alone: a token in the query string ends up in logs and in the browser's history
/// (RFC 6750 §5.3). Do not read a cookie with it: nothing then protects against cross-site request
/// forgery; [`token_cookie`](crate::AuthgearBuilder::token_cookie) does.
#[derive(Clone)]
pub struct TokenSource {
    find: Arc<Find>,
}

impl TokenSource {
    /// A source that calls `find`, which returns the token as it came, or `None` if there is none.
    ///
    /// What it returns is a request's credential: if it is no good, the request is refused.
    pub fn new(find: impl Fn(&HeaderMap) -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            find: Arc::new(find),
        }
    }

    pub(super) fn find(&self, headers: &HeaderMap) -> Option<String> {
        (self.find)(headers)
    }
}

redacted_debug!(TokenSource);
