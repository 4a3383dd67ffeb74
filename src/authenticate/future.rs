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
use crate::rejection::{AuthRejection, RejectionResponse, Responder};
use crate::telemetry::{AuthenticationSpan, RequestOutcome};
use crate::verify::{PendingVerification, SetCookies};

pin_project! {
    /// The response of [`Authenticate`](crate::Authenticate).
    #[must_use = "futures do nothing unless they are polled"]
    pub struct ResponseFuture<S, B, C, R>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B, C>,
        responder: Responder<R>,
        set_cookies: Option<Arc<SetCookies>>,
        account: Option<AccountGuard>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, B, C> {
        Calling {
            #[pin]
            response: F,
        },
        Rejected {
            rejection: Option<AuthRejection>,
        },
        Waiting {
            pending: PendingVerification<C>,
            // Boxed, because few requests wait and every future is as large as this; taken when
            // the wait is over.
            suspended: Option<Box<Suspended<S, B, C>>>,
        },
    }
}

/// What is needed to go on after a wait.
pub(super) struct Suspended<S, B, C> {
    pub(super) issuers: Option<IssuerFilter>,
    pub(super) request: Request<B>,
    pub(super) service: S,
    pub(super) authenticator: Arc<Authenticator<C>>,
    pub(super) span: AuthenticationSpan,
    pub(super) token: KeptToken,
}

impl<S: Service<Request<B>>, B, C, R> ResponseFuture<S, B, C, R> {
    pub(super) fn calling(
        response: S::Future,
        set_cookies: Option<Arc<SetCookies>>,
        responder: Responder<R>,
        account: Option<AccountGuard>,
    ) -> Self {
        Self {
            state: State::Calling { response },
            responder,
            set_cookies,
            account,
        }
    }

    pub(super) fn rejected(
        rejection: AuthRejection,
        set_cookies: Option<Arc<SetCookies>>,
        responder: Responder<R>,
        account: Option<AccountGuard>,
    ) -> Self {
        Self {
            state: State::Rejected {
                rejection: Some(rejection),
            },
            responder,
            set_cookies,
            account,
        }
    }

    pub(super) fn waiting(
        pending: PendingVerification<C>,
        suspended: Suspended<S, B, C>,
        set_cookies: Option<Arc<SetCookies>>,
        responder: Responder<R>,
        account: Option<AccountGuard>,
    ) -> Self {
        Self {
            state: State::Waiting {
                pending,
                suspended: Some(Box::new(suspended)),
            },
            responder,
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
                StateProjection::Calling { response } => {
                    let response = ready!(response.poll(cx))?;
                    let response = this.responder.review(response);
                    give_account(this.account, &response);
                    return Poll::Ready(Ok(with_cookies(response, this.set_cookies.as_deref())));
                }
                StateProjection::Rejected { rejection } => match rejection.take() {
                    Some(rejection) => {
                        let response = this.responder.reject(rejection);
                        give_account(this.account, &response);
                        let cookies = this.set_cookies.as_deref();
                        return Poll::Ready(Ok(with_cookies(response, cookies)));
                    }
                    None => return Poll::Pending,
                },
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
                        (suspended.request, decision) = filter.apply(suspended.request, decision);
                    }
                    match decision {
                        Decision::Pass(mut authentication) => {
                            let outcome = suspended
                                .authenticator
                                .record(suspended.span, &authentication);
                            this.responder.passed = Some(outcome);
                            if let Some(account) = this.account.as_mut() {
                                authentication = account.passed::<C>(authentication);
                            }
                            authentication.keep_in(suspended.request.extensions_mut());
                            State::Calling {
                                response: suspended.service.call(suspended.request),
                            }
                        }
                        Decision::Reject(error) => {
                            suspended.span.end(RequestOutcome::Rejected(error.kind()));
                            suspended.authenticator.note_refusal(
                                suspended.request.extensions(),
                                this.account.as_mut(),
                                error.kind(),
                            );
                            State::Rejected {
                                rejection: Some(suspended.authenticator.reject(error)),
                            }
                        }
                        // A conclusion is one of the two above.
                        Decision::Known | Decision::Wait(..) => return Poll::Pending,
                    }
                }
            };
            this.state.set(next);
        }
    }
}

/// The answer is there: the account is given now, and not when the connection has taken it.
pub(super) fn give_account<B>(account: &mut Option<AccountGuard>, response: &Response<B>) {
    if let Some(mut account) = account.take() {
        account.answered(response);
    }
}

/// Passes on what the resolver wants the browser to keep, or to forget.
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
