//! [`ResponseFuture`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::Service;

use super::authenticator::{Authenticator, Step};
use crate::rejection::{AuthRejection, Refuser, RejectionResponse};
use crate::verify::PendingVerification;

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
            // Boxed, because few requests wait and every future is as large as this; taken when
            // the wait is over.
            held: Option<Box<Held<S, B, C>>>,
        },
    }
}

/// What is needed to go on after a wait.
struct Held<S, B, C> {
    request: Request<B>,
    service: S,
    authenticator: Arc<Authenticator<C>>,
}

impl<S: Service<Request<B>>, B, C, R> ResponseFuture<S, B, C, R> {
    pub(super) fn calling(response: S::Future, refuser: Refuser<R>) -> Self {
        Self {
            state: State::Calling { response },
            refuser,
        }
    }

    pub(super) fn refused(rejection: AuthRejection, refuser: Refuser<R>) -> Self {
        Self {
            state: State::Refused {
                rejection: Some(rejection),
            },
            refuser,
        }
    }

    pub(super) fn waiting(
        pending: PendingVerification<C>,
        request: Request<B>,
        service: S,
        authenticator: Arc<Authenticator<C>>,
        refuser: Refuser<R>,
    ) -> Self {
        Self {
            state: State::Waiting {
                pending,
                held: Some(Box::new(Held {
                    request,
                    service,
                    authenticator,
                })),
            },
            refuser,
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
                    return Poll::Ready(Ok(this.refuser.review(response)));
                }
                StateProjection::Refused { rejection } => match rejection.take() {
                    Some(rejection) => return Poll::Ready(Ok(this.refuser.refuse(rejection))),
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
                        Step::Known | Step::Wait(_) => return Poll::Pending,
                    }
                }
            };
            this.state.set(next);
        }
    }
}

impl<S: Service<Request<B>>, B, C, R> fmt::Debug for ResponseFuture<S, B, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
