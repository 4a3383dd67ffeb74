//! [`Authorize`].

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use tower::Service;

use super::future::ResponseFuture;
use super::principal_ref::PrincipalRef;
use super::requirement::Requirement;
use crate::authenticate::inner_requirements::{InnerRequirement, report};
use crate::authenticate::{Authentication, AuthgearId, preflight};
use crate::error::{AuthError, AuthErrorKind};
use crate::macros::{clone_without_bounds, redacted_debug};
use crate::rejection::{
    AuthRejection, JsonRejectionResponse, RejectionResponse, Responder, is_grpc,
};
use crate::telemetry;
use crate::user::NoClaims;

/// The service that [`AuthorizeLayer`](super::AuthorizeLayer) wraps around another.
#[must_use = "a service does nothing until it is called"]
pub struct Authorize<S, C = NoClaims, R = JsonRejectionResponse> {
    pub(super) inner: S,
    pub(super) settings: AuthorizeSettings<C, R>,
}

/// What one layer requires, and how its refusals are answered.
pub(super) struct AuthorizeSettings<C, R> {
    pub(super) requirement: Requirement<C>,
    /// That, and those of the layers further inside, if there are any: for refusals alone.
    pub(super) whole: Option<Requirement<C>>,
    pub(super) authgear_id: AuthgearId,
    pub(super) issuer: Option<Arc<str>>,
    pub(super) speaks_grpc: bool,
    /// Whether it has been told how to answer, so that no other layer does it.
    pub(super) has_last_word: bool,
    pub(super) responder: R,
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
        let challenge = self.settings.authgear_id.challenge();
        let outcome = self.settings.authorize(&request).map_err(|error| {
            preflight::note(&request, error.kind());
            AuthRejection::new(error, challenge.clone())
        });
        let responder = Responder {
            renderer: self.settings.responder.clone(),
            as_grpc: self.settings.speaks_grpc && is_grpc(request.headers()),
            is_head: request.method() == Method::HEAD,
            has_last_word: self.settings.has_last_word,
            challenge,
            passed: None,
            issuer: self
                .settings
                .issuer
                .clone()
                .filter(|_| telemetry::is_debug()),
        };
        match outcome {
            Ok(()) => ResponseFuture::calling(self.inner.call(request), responder),
            Err(rejection) => ResponseFuture::rejected(rejection, responder),
        }
    }
}

impl<C: Send + Sync + 'static, R> AuthorizeSettings<C, R> {
    fn authorize<B>(&self, request: &Request<B>) -> Result<(), AuthError> {
        let authentication =
            Authentication::of_request(request.extensions()).ok_or(AuthErrorKind::LayerMissing)?;
        // Another project's users have roles of the same names.
        if !authentication.counts_for(&self.authgear_id) {
            return Err(AuthErrorKind::AuthgearMismatch.into());
        }
        let Some(notes) = authentication.notes() else {
            return self.check(authentication);
        };
        notes.checked(self.requirement.text());
        self.check(authentication)
            .inspect_err(|error| notes.refused(error.kind()))
    }

    fn check(&self, authentication: &Authentication) -> Result<(), AuthError> {
        let Some(principal) = authentication.principal::<C>()? else {
            let scopes = self.whole().initial_scopes().into_iter();
            let hints = self.authgear_id.challenge_hints(scopes);
            return Err(
                AuthError::from(AuthErrorKind::MissingCredential).with_hints(hints.as_ref())
            );
        };
        let caller = PrincipalRef::from(&principal);
        // What is met here is checked further inside all the same.
        self.requirement
            .check(caller)
            .or_else(|denial| self.whole().check(caller).and(Err(denial)))
    }

    fn whole(&self) -> &Requirement<C> {
        self.whole.as_ref().unwrap_or(&self.requirement)
    }
}

impl<S: Clone, C: 'static, R: Clone> Clone for Authorize<S, C, R> {
    fn clone(&self) -> Self {
        report(|| InnerRequirement {
            authgear_id: self.settings.authgear_id.clone(),
            requirement: Box::new(self.settings.requirement.clone()),
            scopes: self
                .settings
                .requirement
                .initial_scopes()
                .into_iter()
                .map(Into::into)
                .collect(),
        });
        Self {
            inner: self.inner.clone(),
            settings: self.settings.clone(),
        }
    }
}

impl<S: fmt::Debug, C, R> fmt::Debug for Authorize<S, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorize")
            .field("inner", &self.inner)
            .field("settings", &self.settings)
            .finish()
    }
}

clone_without_bounds!(<C, R: Clone> AuthorizeSettings<C, R> { requirement, whole, authgear_id, issuer, speaks_grpc, has_last_word, responder });

redacted_debug!(<C, R> AuthorizeSettings<C, R> { requirement, speaks_grpc });
