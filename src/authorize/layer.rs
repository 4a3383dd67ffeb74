//! [`AuthorizeLayer`].

use std::sync::Arc;

use tower::Layer;

use super::requirement::Requirement;
use super::service::{Authorize, AuthorizeSettings};
use crate::authenticate::AuthgearId;
use crate::authenticate::inner_requirements::{InnerRequirement, inside};
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
    settings: AuthorizeSettings<C, R>,
}

impl<C> AuthorizeLayer<C> {
    pub(crate) fn new(
        requirement: Requirement<C>,
        authgear_id: AuthgearId,
        issuer: Option<Arc<str>>,
    ) -> Self {
        Self {
            settings: AuthorizeSettings {
                requirement,
                whole: None,
                authgear_id,
                issuer,
                speaks_grpc: false,
                has_last_word: false,
                responder: JsonRejectionResponse,
            },
        }
    }
}

impl<C, R> AuthorizeLayer<C, R> {
    /// Answers requests of `content-type: application/grpc…` with a trailers-only `grpc-status`,
    /// as [`AuthenticateLayer::grpc`](crate::AuthenticateLayer::grpc) does.
    pub fn grpc(mut self) -> Self {
        self.settings.speaks_grpc = true;
        self.settings.has_last_word = true;
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
    pub fn respond_with<T>(self, responder: T) -> AuthorizeLayer<C, T> {
        AuthorizeLayer {
            settings: AuthorizeSettings {
                requirement: self.settings.requirement,
                whole: None,
                authgear_id: self.settings.authgear_id,
                issuer: self.settings.issuer,
                speaks_grpc: self.settings.speaks_grpc,
                has_last_word: true,
                responder,
            },
        }
    }
}

impl<S: Clone, C: 'static, R: Clone> Layer<S> for AuthorizeLayer<C, R> {
    type Service = Authorize<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let mut settings = self.settings.clone();
        let inside = inside(&inner, &settings.authgear_id);
        settings.whole = together(&settings.requirement, inside);
        Authorize { inner, settings }
    }
}

/// This requirement and those further inside, if there are any, as one.
fn together<C: 'static>(
    own: &Requirement<C>,
    inside: Vec<InnerRequirement>,
) -> Option<Requirement<C>> {
    inside
        .into_iter()
        .filter_map(|inner| inner.requirement.downcast::<Requirement<C>>().ok())
        .fold(None, |whole, inner| {
            Some(whole.unwrap_or_else(|| own.clone()).and(*inner))
        })
}

clone_without_bounds!(<C, R: Clone> AuthorizeLayer<C, R> { settings });

redacted_debug!(<C, R> AuthorizeLayer<C, R> { settings });
