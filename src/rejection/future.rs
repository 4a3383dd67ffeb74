//! The future of a layer's answer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use super::{AuthRejection, RejectionResponse, Responder};
use crate::macros::redacted_debug;

pin_project! {
    /// The response of the service inside, or a refusal.
    #[must_use = "futures do nothing unless they are polled"]
    pub struct ResponseFuture<F, R> {
        #[pin]
        response: Option<F>,
        // Taken when it is answered; only without a response.
        rejection: Option<AuthRejection>,
        responder: Responder<R>,
    }
}

impl<F, R> ResponseFuture<F, R> {
    pub(crate) fn new(outcome: Result<F, AuthRejection>, responder: Responder<R>) -> Self {
        let (response, rejection) = match outcome {
            Ok(response) => (Some(response), None),
            Err(rejection) => (None, Some(rejection)),
        };
        Self {
            response,
            rejection,
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
        if let Some(response) = this.response.as_pin_mut() {
            let response = ready!(response.poll(cx))?;
            return Poll::Ready(Ok(this.responder.review(response)));
        }
        match this.rejection.take() {
            Some(rejection) => Poll::Ready(Ok(this.responder.reject(rejection))),
            // Polled again after it was ready.
            None => Poll::Pending,
        }
    }
}

redacted_debug!(<F, R> ResponseFuture<F, R>);
