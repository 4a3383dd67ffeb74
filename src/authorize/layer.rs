//! [`AuthorizeLayer`].

use std::sync::Arc;

use tower::Layer;

use super::requirement::Requirement;
use super::service::{Authorize, AuthorizeSettings};
use crate::authenticate::AuthgearId;
use crate::macros::{clone_without_bounds, redacted_debug};
use crate::rejection::JsonRejectionResponse;
use crate::user::NoClaims;

/// Accepts only callers who meet a requirement, from [`Authgear::require`](crate::Authgear::require).
///
/// It uses the result of the authentication layer of the same [`Authgear`](crate::Authgear), which must be
/// around it. Without that layer, every request is answered with 500. A request without a credential that an
/// [`optional`](crate::AuthenticateLayer::optional) layer accepted is refused with 401.
///
/// If several of these layers are around each other, a refusal covers all of them, as [`Requirement::and`]
/// does: one challenge names the scopes that are missing for the whole route.
///
/// Its refusals have the format of the authentication layer around it, unless [`grpc`](Self::grpc) or
/// [`respond_with`](Self::respond_with) sets another one.
#[must_use = "a layer does nothing until it is added to a router or a service"]
pub struct AuthorizeLayer<C = NoClaims, R = JsonRejectionResponse> {
    // axum can make the service of a route again for each request, so a layer is cheap to apply.
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
    /// It also makes the responses to refusals of inner extractors and handlers, unless an inner service has
    /// changed the response's *status* (`Err((StatusCode::NOT_FOUND, rejection))`) or replaced its *body*.
    /// Compressing or wrapping the body, or reading it and putting it back, does not replace it. Header
    /// fields that were added inside stay, except those that describe the old body: `Content-*`, `ETag`,
    /// `Last-Modified`, digests.
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
