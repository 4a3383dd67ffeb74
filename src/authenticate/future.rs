//! The future of [`Authenticate`](crate::Authenticate).

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, header};
use pin_project_lite::pin_project;
use tower::Service;

use super::account::AccountGuard;
use super::authenticator::{Authenticator, Decision};
use super::issuer_filter::IssuerFilter;
use crate::credential::KeptToken;
use crate::rejection::{RejectionResponse, Responder, ResponseFuture as AnswerFuture};
use crate::telemetry::AuthenticationSpan;
use crate::verify::{PendingVerification, SetCookies};

pin_project! {
    /// The response of [`Authenticate`](crate::Authenticate).
    #[must_use = "futures do nothing unless they are polled"]
    pub struct ResponseFuture<S, B, C, R>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B, C, R>,
        set_cookies: Option<Arc<SetCookies>>,
        account: Option<AccountGuard>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, B, C, R> {
        Answering {
            #[pin]
            answer: AnswerFuture<F, R>,
        },
        Waiting {
            pending: PendingVerification<C>,
            // Boxed, because few requests wait and every future has this size. Taken when the wait is over.
            suspended: Option<Box<Suspended<S, B, C, R>>>,
        },
    }
}

/// The state that continues after a wait.
pub(super) struct Suspended<S, B, C, R> {
    pub(super) issuers: Option<IssuerFilter>,
    pub(super) request: Request<B>,
    pub(super) service: S,
    pub(super) authenticator: Arc<Authenticator<C>>,
    pub(super) span: AuthenticationSpan,
    pub(super) token: KeptToken,
    pub(super) responder: Responder<R>,
}

impl<S: Service<Request<B>>, B, C, R> ResponseFuture<S, B, C, R> {
    pub(super) fn answering(
        answer: AnswerFuture<S::Future, R>,
        set_cookies: Option<Arc<SetCookies>>,
        account: Option<AccountGuard>,
    ) -> Self {
        Self {
            state: State::Answering { answer },
            set_cookies,
            account,
        }
    }

    pub(super) fn waiting(
        pending: PendingVerification<C>,
        suspended: Suspended<S, B, C, R>,
        set_cookies: Option<Arc<SetCookies>>,
        account: Option<AccountGuard>,
    ) -> Self {
        let suspended = Some(Box::new(suspended));
        Self {
            state: State::Waiting { pending, suspended },
            set_cookies,
            account,
        }
    }
}

impl<S, B, C, R, ResBody> Future for ResponseFuture<S, B, C, R>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    C: Send + Sync + 'static,
    R: RejectionResponse<ResBody>,
    ResBody: Default,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Answering { answer } => {
                    let response = ready!(answer.poll(cx))?;
                    give_account(this.account, &response);
                    return Poll::Ready(Ok(with_cookies(response, this.set_cookies.as_deref())));
                }
                StateProjection::Waiting { pending, suspended } => {
                    let outcome = match suspended {
                        Some(suspended) => suspended.span.in_scope(|| pending.as_mut().poll(cx)),
                        None => pending.as_mut().poll(cx),
                    };
                    let outcome = ready!(outcome);
                    let Some(mut suspended) = suspended.take() else {
                        return Poll::Pending;
                    };
                    let token = mem::replace(&mut suspended.token, KeptToken::None);
                    let mut decision = suspended.authenticator.conclude(outcome, || token);
                    if let Some(filter) = &suspended.issuers {
                        let account = this.account.as_mut();
                        (suspended.request, decision) =
                            filter.apply(suspended.request, decision, account);
                    }
                    let Suspended {
                        mut request,
                        mut service,
                        authenticator,
                        span,
                        mut responder,
                        ..
                    } = *suspended;
                    let outcome = match decision {
                        Decision::Pass(authentication) => Ok(authentication),
                        Decision::Reject(error) => Err(error),
                        // A conclusion is one of the two above.
                        Decision::Known | Decision::Wait(..) => return Poll::Pending,
                    };
                    let account = this.account.as_mut();
                    let outcome = match authenticator.admit(&mut request, outcome, span, account) {
                        Ok(passed) => {
                            responder.passed = Some(passed);
                            Ok(service.call(request))
                        }
                        Err(error) => Err(authenticator.reject(error)),
                    };
                    let answer = AnswerFuture::new(outcome, responder);
                    State::Answering { answer }
                }
            };
            this.state.set(next);
        }
    }
}

/// The response is available: the account is logged now, and not after the connection has sent it.
pub(super) fn give_account<B>(account: &mut Option<AccountGuard>, response: &Response<B>) {
    if let Some(mut account) = account.take() {
        account.answered(response);
    }
}

/// Forwards the cookies that the resolver sets or clears.
pub(super) fn with_cookies<B>(
    mut response: Response<B>,
    set_cookies: Option<&SetCookies>,
) -> Response<B> {
    for field in set_cookies.map(SetCookies::fields).unwrap_or_default() {
        let headers = response.headers_mut();
        headers.append(header::SET_COOKIE, field.clone());
    }
    response
}

impl<S: Service<Request<B>>, B, C, R> fmt::Debug for ResponseFuture<S, B, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
