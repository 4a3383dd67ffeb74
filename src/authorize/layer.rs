//! [`AuthorizeLayer`].

use std::sync::Arc;

use tower::Layer;

use super::requirement::Requirement;
use super::service::{Authorize, AuthorizeSettings};
use crate::authenticate::AuthgearId;
use crate::macros::{clone_without_bounds, redacted_debug};
use crate::rejection::JsonRejectionResponse;
use crate::user::NoClaims;

/// Lets only those callers pass who meet a requirement, from
/// [`Authgear::require`](crate::Authgear::require).
///
/// It reads what the authentication layer of the same [`Authgear`](crate::Authgear) found out, so
/// that one must be around it; without it every request is a 500. A request that an
/// [`optional`](crate::AuthenticateLayer::optional) layer let pass without a credential is refused
/// with 401.
///
/// Where layers of requirements stand around each other, a refusal is about all of them, as
/// [`Requirement::and`] has it: one challenge names the scopes that are missing for the whole route.
///
/// Its refusals are answered as the authentication layer around it does, unless it is told
/// otherwise with [`grpc`](Self::grpc) or [`respond_with`](Self::respond_with).
#[must_use = "a layer does nothing until it is added to a router or a service"]
pub struct AuthorizeLayer<C = NoClaims, R = JsonRejectionResponse> {
    // axum may make the service of a route anew for each request: a layer is cheap to apply.
    settings: Arc<AuthorizeSettings<C>>,
    responder: R,
}

impl<C> AuthorizeLayer<C> {
    pub(crate) fn new(
        requirement: Requirement<C>,
        authgear_id: AuthgearId,
        issuer: Option<Arc<str>>,
    ) -> Self {
        Self {
            settings: Arc::new(AuthorizeSettings {
                requirement,
                authgear_id,
                issuer,
                speaks_grpc: false,
                has_last_word: false,
            }),
            responder: JsonRejectionResponse,
        }
    }
}

impl<C, R> AuthorizeLayer<C, R> {
    /// Answers requests of `content-type: application/grpc…` with a trailers-only `grpc-status`,
    /// as [`AuthenticateLayer::grpc`](crate::AuthenticateLayer::grpc) does.
    pub fn grpc(mut self) -> Self {
        let settings = Arc::make_mut(&mut self.settings);
        settings.speaks_grpc = true;
        settings.has_last_word = true;
        self
    }

    /// Makes the responses to refused requests with `responder`, which may be a closure; see
    /// [`RejectionResponse`](crate::RejectionResponse).
    ///
    /// It also answers for refusals of extractors and handlers further inside, unless something
    /// inside has made the response its own: has changed its *status*
    /// (`Err((StatusCode::NOT_FOUND, rejection))`), or replaced its *body*. Compressing or wrapping the body, or
    /// reading it and putting it back, replaces nothing. Header fields that were added inside stay,
    /// but for those that describe the old body: `Content-*`, `ETag`, `Last-Modified`, digests.
    pub fn respond_with<T>(mut self, responder: T) -> AuthorizeLayer<C, T> {
        Arc::make_mut(&mut self.settings).has_last_word = true;
        AuthorizeLayer {
            settings: self.settings,
            responder,
        }
    }
}

impl<S: Clone, C: 'static, R: Clone> Layer<S> for AuthorizeLayer<C, R> {
    type Service = Authorize<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Authorize {
            inner,
            settings: Arc::clone(&self.settings),
            responder: self.responder.clone(),
        }
    }
}

clone_without_bounds!(<C, R: Clone> AuthorizeLayer<C, R> { settings, responder });

redacted_debug!(<C, R> AuthorizeLayer<C, R> { settings });
