//! [`Authenticate`].

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use tower::Service;

use super::authenticator::{Authenticator, Decision};
use super::future::{ResponseFuture, Suspended};
use super::issuer_filter::IssuerFilter;
use super::preflight;
use crate::error::{AuthErrorKind, ChallengeHints};
use crate::macros::{clone_without_bounds, redacted_debug};
use crate::rejection::{JsonRejectionResponse, RejectionResponse, Responder, is_grpc};
use crate::telemetry::{self, RequestOutcome};
use crate::user::NoClaims;

/// The service that [`AuthenticateLayer`](crate::AuthenticateLayer) wraps around another.
#[must_use = "a service does nothing until it is called"]
pub struct Authenticate<S, C = NoClaims, R = JsonRejectionResponse> {
    pub(super) inner: S,
    pub(super) authenticator: Arc<Authenticator<C>>,
    /// What the layers further inside ask a client without a token for.
    pub(super) required_scopes: Option<Arc<ChallengeHints>>,
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
            Some(filter) => filter.apply(request, decision),
        };
        match decision {
            Decision::Known => {
                ResponseFuture::calling(self.inner.call(request), None, responder, None)
            }
            Decision::Pass(mut authentication) => {
                responder.passed = Some(self.authenticator.record(span, &authentication));
                if let Some(account) = &mut account {
                    authentication = account.passed::<C>(authentication);
                }
                authentication.keep_in(request.extensions_mut());
                let response = self.inner.call(request);
                ResponseFuture::calling(response, set_cookies, responder, account)
            }
            Decision::Reject(error) => {
                preflight::note(&request, error.kind());
                span.end(RequestOutcome::Rejected(error.kind()));
                let extensions = request.extensions();
                self.authenticator
                    .note_refusal(extensions, account.as_mut(), error.kind());
                let hints = (error.kind() == AuthErrorKind::MissingCredential)
                    .then_some(self.required_scopes.as_ref())
                    .flatten();
                let rejection = self.authenticator.reject(error.with_hints(hints));
                ResponseFuture::rejected(rejection, set_cookies, responder, account)
            }
            Decision::Wait(pending, token) => {
                // The service that was polled ready is the one to be called later.
                let next = self.inner.clone();
                let ready = mem::replace(&mut self.inner, next);
                let authenticator = Arc::clone(&self.authenticator);
                let suspended = Suspended {
                    issuers: self.settings.issuers.clone(),
                    request,
                    service: ready,
                    authenticator,
                    span,
                    token,
                };
                ResponseFuture::waiting(pending, suspended, set_cookies, responder, account)
            }
        }
    }
}

clone_without_bounds!(<S: Clone, C, R: Clone> Authenticate<S, C, R> { inner, authenticator, required_scopes, settings, responder });

redacted_debug!(<S: fmt::Debug, C, R> Authenticate<S, C, R> { inner, settings });

/// How one layer differs from another of the same `Authgear`.
#[derive(Clone, Debug, Default)]
pub(super) struct AuthenticateSettings {
    /// `None`: all of them.
    pub(super) issuers: Option<IssuerFilter>,
    pub(super) is_optional: bool,
    pub(super) speaks_grpc: bool,
}
