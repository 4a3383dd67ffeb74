//! [`ResponseFuture`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, header};
use pin_project_lite::pin_project;
use tower::Service;

use super::authenticator::{Authenticator, Step};
use crate::rejection::{AuthRejection, RejectionResponse, grpc_response};
use crate::telemetry;
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
        refuser: Refuser<R>,
        set_cookies: Option<Arc<SetCookies>>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, B, C> {
        Calling {
            #[pin]
            response: F,
        },
        Refused {
            rejection: Option<AuthRejection>,
        },
        Waiting {
            pending: PendingVerification<C>,
            // Taken when the wait is over.
            held: Option<Held<S, B, C>>,
        },
    }
}

/// What is needed to go on after a wait.
pub(super) struct Held<S, B, C> {
    pub(super) request: Request<B>,
    pub(super) service: S,
    pub(super) authenticator: Arc<Authenticator<C>>,
}

impl<S: Service<Request<B>>, B, C, R> ResponseFuture<S, B, C, R> {
    pub(super) fn calling(response: S::Future, refuser: Refuser<R>) -> Self {
        Self {
            state: State::Calling { response },
            refuser,
            set_cookies: None,
        }
    }

    pub(super) fn refused(rejection: AuthRejection, refuser: Refuser<R>) -> Self {
        Self {
            state: State::Refused {
                rejection: Some(rejection),
            },
            refuser,
            set_cookies: None,
        }
    }

    pub(super) fn waiting(
        pending: PendingVerification<C>,
        held: Held<S, B, C>,
        set_cookies: Option<Arc<SetCookies>>,
        refuser: Refuser<R>,
    ) -> Self {
        Self {
            state: State::Waiting {
                pending,
                held: Some(held),
            },
            refuser,
            set_cookies,
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
                    let response = this.refuser.review(response);
                    return Poll::Ready(Ok(with_cookies(response, this.set_cookies.as_deref())));
                }
                StateProjection::Refused { rejection } => match rejection.take() {
                    Some(rejection) => {
                        let response = this.refuser.refuse(rejection);
                        let cookies = this.set_cookies.as_deref();
                        return Poll::Ready(Ok(with_cookies(response, cookies)));
                    }
                    None => return Poll::Pending,
                },
                StateProjection::Waiting { pending, held } => {
                    let outcome = ready!(pending.as_mut().poll(cx));
                    let Some(mut held) = held.take() else {
                        return Poll::Pending;
                    };
                    match held.authenticator.conclude(outcome) {
                        Step::Pass(authentication) => {
                            held.request.extensions_mut().insert(authentication);
                            State::Calling {
                                response: held.service.call(held.request),
                            }
                        }
                        Step::Refuse(error) => State::Refused {
                            rejection: Some(held.authenticator.reject(error)),
                        },
                        // A conclusion is one of the two above.
                        Step::Known | Step::Wait(..) => return Poll::Pending,
                    }
                }
            };
            this.state.set(next);
        }
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

/// Makes the responses of one layer.
pub(super) struct Refuser<R> {
    pub(super) responder: R,
    pub(super) as_grpc: bool,
}

impl<R> Refuser<R> {
    fn refuse<B: Default>(&self, mut rejection: AuthRejection) -> Response<B>
    where
        R: RejectionResponse<B>,
    {
        telemetry::refused(rejection.kind());
        let mut response = if self.as_grpc {
            grpc_response(&rejection)
        } else {
            self.responder.response(&rejection)
        };
        rejection.is_final = true;
        response.extensions_mut().insert(rejection);
        response
    }

    /// Makes the refusal of an extractor, which knows no layer, one of this layer.
    fn review<B: Default>(&self, mut response: Response<B>) -> Response<B>
    where
        R: RejectionResponse<B>,
    {
        match response.extensions_mut().get::<AuthRejection>() {
            Some(rejection) if !rejection.is_final => {
                let mut refusal = self.refuse(rejection.clone());
                // What others inside have added stays.
                for (name, value) in response.headers() {
                    let is_ours = [
                        header::CONTENT_TYPE,
                        header::CONTENT_LENGTH,
                        header::WWW_AUTHENTICATE,
                        header::RETRY_AFTER,
                    ]
                    .contains(name);
                    if !is_ours {
                        refusal.headers_mut().append(name, value.clone());
                    }
                }
                refusal
            }
            _ => response,
        }
    }
}

impl<S: Service<Request<B>>, B, C, R> fmt::Debug for ResponseFuture<S, B, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
