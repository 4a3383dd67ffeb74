//! [`Authorize`].

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use tower::Service;

use super::future::ResponseFuture;
use super::requirement::Requirement;
use crate::authenticate::inner_requirements::{InnerRequirement, inside, report};
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
    pub(super) settings: Arc<AuthorizeSettings<C>>,
    pub(super) responder: R,
}

/// The requirement of one layer, and the format of its refusals.
pub(super) struct AuthorizeSettings<C> {
    pub(super) requirement: Requirement<C>,
    pub(super) authgear_id: AuthgearId,
    pub(super) issuer: Option<Arc<str>>,
    pub(super) speaks_grpc: bool,
    /// Whether its format was set, so that no outer layer changes it.
    pub(super) has_last_word: bool,
}

impl<S, C, R, B, ResBody> Service<Request<B>> for Authorize<S, C, R>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
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
        let settings = &self.settings;
        let challenge = settings.authgear_id.challenge();
        let outcome = self.authorize(&request).map_err(|error| {
            preflight::note(&request, error.kind());
            AuthRejection::new(error, challenge.clone())
        });
        let responder = Responder {
            renderer: self.responder.clone(),
            as_grpc: settings.speaks_grpc && is_grpc(request.headers()),
            is_head: request.method() == Method::HEAD,
            has_last_word: settings.has_last_word,
            challenge,
            passed: None,
            issuer: settings.issuer.clone().filter(|_| telemetry::is_debug()),
        };
        ResponseFuture::new(outcome.map(|()| self.inner.call(request)), responder)
    }
}

impl<S: Clone, C: Send + Sync + 'static, R> Authorize<S, C, R> {
    fn authorize<B>(&self, request: &Request<B>) -> Result<(), AuthError> {
        let authentication =
            Authentication::of_request(request.extensions()).ok_or(AuthErrorKind::LayerMissing)?;
        // Users of another project can have roles with the same names.
        if !authentication.counts_for(&self.settings.authgear_id) {
            return Err(AuthErrorKind::AuthgearMismatch.into());
        }
        let Some(notes) = authentication.notes() else {
            return self.check(authentication);
        };
        notes.checked(self.settings.requirement.text());
        self.check(authentication)
            .inspect_err(|error| notes.refused(error.kind()))
    }

    fn check(&self, authentication: &Authentication) -> Result<(), AuthError> {
        let Some(principal) = authentication.principal::<C>()? else {
            let whole = self.whole();
            let scopes = whole.initial_scopes().into_iter();
            let hints = self.settings.authgear_id.challenge_hints(scopes);
            return Err(
                AuthError::from(AuthErrorKind::MissingCredential).with_hints(hints.as_ref())
            );
        };
        // If it is met here, the inner layers still check theirs.
        self.settings
            .requirement
            .check(&principal)
            .or_else(|denial| self.whole().check(&principal).and(Err(denial)))
    }

    /// The requirements of this layer and the inner ones as one: for refusals only.
    fn whole(&self) -> Requirement<C> {
        let AuthorizeSettings {
            requirement,
            authgear_id,
            ..
        } = &*self.settings;
        inside(&self.inner, authgear_id)
            .into_iter()
            .filter_map(|inner| inner.requirement.downcast::<Requirement<C>>().ok())
            .fold(requirement.clone(), |whole, inner| whole.and(*inner))
    }
}

impl<S: Clone, C: 'static, R: Clone> Clone for Authorize<S, C, R> {
    fn clone(&self) -> Self {
        let AuthorizeSettings {
            requirement,
            authgear_id,
            ..
        } = &*self.settings;
        report(|| InnerRequirement {
            authgear_id: authgear_id.clone(),
            requirement: Box::new(requirement.clone()),
            scopes: requirement
                .initial_scopes()
                .into_iter()
                .map(Into::into)
                .collect(),
        });
        Self {
            inner: self.inner.clone(),
            settings: Arc::clone(&self.settings),
            responder: self.responder.clone(),
        }
    }
}

redacted_debug!(<S: fmt::Debug, C, R> Authorize<S, C, R> { inner, settings });

clone_without_bounds!(<C> AuthorizeSettings<C> {
    requirement, authgear_id, issuer, speaks_grpc, has_last_word
});

redacted_debug!(<C> AuthorizeSettings<C> { requirement, speaks_grpc });
