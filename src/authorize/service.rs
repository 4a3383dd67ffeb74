//! [`Authorize`].

use std::fmt;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use tower::Service;

use super::future::ResponseFuture;
use super::layer::AuthorizeLayer;
use super::principal_ref::Caller;
use crate::authenticate::Authentication;
use crate::error::{AuthError, AuthErrorKind};
use crate::rejection::{AuthRejection, JsonResponse, Refuser, RejectionResponse, is_grpc};
use crate::user::NoClaims;

/// The service that [`AuthorizeLayer`] wraps around another.
#[must_use = "a service does nothing until it is called"]
pub struct Authorize<S, C = NoClaims, R = JsonResponse> {
    pub(super) inner: S,
    pub(super) layer: AuthorizeLayer<C, R>,
}

impl<S, C, R, B, ResBody> Service<Request<B>> for Authorize<S, C, R>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    C: Send + Sync + 'static,
    R: RejectionResponse<ResBody> + Clone,
    ResBody: Default,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let challenge = self.layer.authority.challenge();
        let outcome = self
            .layer
            .authorize(&request)
            .map_err(|error| AuthRejection::new(error, challenge.clone()));
        let refuser = Refuser {
            responder: self.layer.responder.clone(),
            as_grpc: self.layer.settings.speaks_grpc && is_grpc(request.headers()),
            is_head: request.method() == Method::HEAD,
            has_last_word: self.layer.settings.has_last_word,
            challenge,
            passed: None,
        };
        match outcome {
            Ok(()) => ResponseFuture::calling(self.inner.call(request), refuser),
            Err(rejection) => ResponseFuture::refused(rejection, refuser),
        }
    }
}

impl<C: Send + Sync + 'static, R> AuthorizeLayer<C, R> {
    fn authorize<B>(&self, request: &Request<B>) -> Result<(), AuthError> {
        let authentication = request
            .extensions()
            .get::<Authentication>()
            .ok_or(AuthErrorKind::LayerMissing)?;
        // Another project's users have roles of the same names.
        if !authentication.counts_for(&self.authority) {
            return Err(AuthErrorKind::OtherAuthgear.into());
        }
        let principal = authentication
            .principal::<C>()?
            .ok_or(AuthErrorKind::MissingCredential)?;
        Caller::from(&principal).meets(&self.requirement)
    }
}

impl<S: Clone, C, R: Clone> Clone for Authorize<S, C, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
        }
    }
}

impl<S: fmt::Debug, C, R> fmt::Debug for Authorize<S, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorize")
            .field("inner", &self.inner)
            .field("layer", &self.layer)
            .finish()
    }
}
