//! The future of [`Authorize`](super::Authorize).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use crate::macros::redacted_debug;
use crate::rejection::{AuthRejection, RejectionResponse, Responder};

pin_project! {
    /// The response of [`Authorize`](super::Authorize).
    #[must_use = "futures do nothing unless they are polled"]
    pub struct ResponseFuture<F, R> {
        #[pin]
        state: State<F>,
        responder: Responder<R>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Calling {
            #[pin]
            response: F,
        },
        Rejected {
            rejection: Option<AuthRejection>,
        },
    }
}

impl<F, R> ResponseFuture<F, R> {
    pub(super) fn calling(response: F, responder: Responder<R>) -> Self {
        Self {
            state: State::Calling { response },
            responder,
        }
    }

    pub(super) fn rejected(rejection: AuthRejection, responder: Responder<R>) -> Self {
        Self {
            state: State::Rejected {
                rejection: Some(rejection),
            },
            responder,
        }
    }
}

impl<F, R, B, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Response<B>, E>>,
    R: RejectionResponse<B>,
    B: Default,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.state.project() {
            StateProjection::Calling { response } => {
                let response = ready!(response.poll(cx))?;
                Poll::Ready(Ok(this.responder.review(response)))
            }
            StateProjection::Rejected { rejection } => match rejection.take() {
                Some(rejection) => Poll::Ready(Ok(this.responder.reject(rejection))),
                None => Poll::Pending,
            },
        }
    }
}

redacted_debug!(<F, R> ResponseFuture<F, R>);
