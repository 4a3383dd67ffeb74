//! [`Authenticate`].

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use tower::Service;

use super::authentication::AuthgearId;
use super::authenticator::{Authenticator, Decision};
use super::future::{ResponseFuture, Suspended};
use super::inner_requirements::inside;
use super::issuer_filter::IssuerFilter;
use super::preflight;
use crate::error::{AuthErrorKind, ChallengeHints};
use crate::macros::{clone_without_bounds, redacted_debug};
use crate::rejection::{
    JsonRejectionResponse, RejectionResponse, Responder, ResponseFuture as AnswerFuture, is_grpc,
};
use crate::telemetry;
use crate::user::NoClaims;

/// The service that [`AuthenticateLayer`](crate::AuthenticateLayer) wraps around another.
#[must_use = "a service does nothing until it is called"]
pub struct Authenticate<S, C = NoClaims, R = JsonRejectionResponse> {
    pub(super) inner: S,
    pub(super) authenticator: Arc<Authenticator<C>>,
    pub(super) settings: AuthenticateSettings,
    pub(super) responder: R,
}

impl<S, C, R, B, ResBody> Service<Request<B>> for Authenticate<S, C, R>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    C: Send + Sync + 'static,
    R: RejectionResponse<ResBody> + Clone,
    ResBody: Default,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, C, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // Before anything else.
        let gateway_identity = self.authenticator.take_gateway_identity(&mut request);
        let mut responder = Responder {
            renderer: self.responder.clone(),
            as_grpc: self.settings.speaks_grpc && is_grpc(request.headers()),
            is_head: request.method() == Method::HEAD,
            has_last_word: true,
            challenge: self.authenticator.challenge(),
            passed: None,
            issuer: self
                .authenticator
                .issuer()
                .filter(|_| telemetry::is_debug())
                .cloned(),
        };
        let mut account = self.authenticator.account(&request);
        let span = self.authenticator.start_span();
        let set_cookies = self.authenticator.set_cookies();
        let decision = span.in_scope(|| {
            self.authenticator.begin(
                &request,
                gateway_identity,
                span.began(),
                self.settings.is_optional,
                set_cookies.as_ref(),
            )
        });
        let (mut request, decision) = match &self.settings.issuers {
            None => (request, decision),
            Some(filter) => filter.apply(request, decision, account.as_mut()),
        };
        let outcome = match decision {
            Decision::Pass(authentication) => Ok(authentication),
            Decision::Reject(error) => Err(error),
            Decision::Known => {
                let answer = AnswerFuture::new(Ok(self.inner.call(request)), responder);
                return ResponseFuture::answering(answer, None, None);
            }
            Decision::Wait(pending, token) => {
                // The service that was polled ready is the one that must be called later.
                let next = self.inner.clone();
                let suspended = Suspended {
                    issuers: self.settings.issuers.clone(),
                    request,
                    service: mem::replace(&mut self.inner, next),
                    authenticator: Arc::clone(&self.authenticator),
                    span,
                    token,
                    responder,
                };
                return ResponseFuture::waiting(pending, suspended, set_cookies, account);
            }
        };
        let authenticator = &self.authenticator;
        let outcome = match authenticator.admit(&mut request, outcome, span, account.as_mut()) {
            Ok(passed) => {
                responder.passed = Some(passed);
                Ok(self.inner.call(request))
            }
            Err(error) => {
                preflight::note(&request, error.kind());
                let hints = (error.kind() == AuthErrorKind::MissingCredential)
                    .then(|| required_scopes(&self.inner, authenticator.authgear_id()))
                    .flatten();
                Err(authenticator.reject(error.with_hints(hints.as_ref())))
            }
        };
        let answer = AnswerFuture::new(outcome, responder);
        ResponseFuture::answering(answer, set_cookies, account)
    }
}

/// The scopes that the inner layers require from a client without a token. It is computed only for such a
/// request: they are rare, and axum can make the service of a route again for each request.
fn required_scopes<S: Clone>(inner: &S, authgear_id: &AuthgearId) -> Option<Arc<ChallengeHints>> {
    let required = inside(inner, authgear_id);
    let scopes = required.iter().flat_map(|required| &required.scopes);
    authgear_id.challenge_hints(scopes.map(String::as_str))
}

clone_without_bounds!(<S: Clone, C, R: Clone> Authenticate<S, C, R> {
    inner, authenticator, settings, responder
});

redacted_debug!(<S: fmt::Debug, C, R> Authenticate<S, C, R> { inner, settings });

/// The settings that differ between layers of the same `Authgear`.
#[derive(Clone, Debug, Default)]
pub(super) struct AuthenticateSettings {
    /// `None`: all of them.
    pub(super) issuers: Option<IssuerFilter>,
    pub(super) is_optional: bool,
    pub(super) speaks_grpc: bool,
}
