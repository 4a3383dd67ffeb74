//! [`Authenticate`].

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use tower::Service;

use super::authenticator::{Authenticator, Step};
use super::future::{Held, ResponseFuture};
use crate::rejection::{JsonResponse, Refuser, RejectionResponse, is_grpc};
use crate::telemetry::Outcome;
use crate::user::NoClaims;

/// The service that [`AuthenticateLayer`](crate::AuthenticateLayer) wraps around another.
#[must_use = "a service does nothing until it is called"]
pub struct Authenticate<S, C = NoClaims, R = JsonResponse> {
    pub(super) inner: S,
    pub(super) authenticator: Arc<Authenticator<C>>,
    pub(super) settings: Settings,
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
        let word = self.authenticator.hear(&mut request);
        let mut refuser = Refuser {
            responder: self.responder.clone(),
            as_grpc: self.settings.speaks_grpc && is_grpc(request.headers()),
            is_head: request.method() == Method::HEAD,
            has_last_word: true,
            challenge: self.authenticator.challenge(),
            passed: None,
        };
        let attempt = self.authenticator.attempt();
        let set_cookies = self.authenticator.set_cookies();
        let step = attempt.in_scope(|| {
            self.authenticator.begin(
                &request,
                word,
                attempt.began(),
                self.settings.is_optional,
                set_cookies.as_ref(),
            )
        });
        match step {
            Step::Known => ResponseFuture::calling(self.inner.call(request), None, refuser),
            Step::Pass(authentication) => {
                refuser.passed = Some(self.authenticator.tell(attempt, &authentication));
                request.extensions_mut().insert(authentication);
                ResponseFuture::calling(self.inner.call(request), set_cookies, refuser)
            }
            Step::Refuse(error) => {
                attempt.end(Outcome::Refused(error.kind()));
                ResponseFuture::refused(self.authenticator.reject(error), set_cookies, refuser)
            }
            Step::Wait(pending) => {
                // The service that was polled ready is the one to be called later.
                let next = self.inner.clone();
                let ready = mem::replace(&mut self.inner, next);
                let authenticator = Arc::clone(&self.authenticator);
                let held = Held {
                    request,
                    service: ready,
                    authenticator,
                    attempt,
                };
                ResponseFuture::waiting(pending, held, set_cookies, refuser)
            }
        }
    }
}

impl<S: Clone, C, R: Clone> Clone for Authenticate<S, C, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            authenticator: Arc::clone(&self.authenticator),
            settings: self.settings,
            responder: self.responder.clone(),
        }
    }
}

impl<S: fmt::Debug, C, R> fmt::Debug for Authenticate<S, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticate")
            .field("inner", &self.inner)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// How one layer differs from another of the same `Authgear`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settings {
    pub(super) is_optional: bool,
    pub(super) speaks_grpc: bool,
}
