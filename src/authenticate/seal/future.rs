//! The future of [`Seal`](crate::Seal).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::HttpBody;
use http::{Method, Response, StatusCode, header};
use pin_project_lite::pin_project;

use super::sealed_request::{Judgement, SealedRequest};
use super::settings::SealSettings;
use crate::authenticate::account::method_name;
use crate::error::AuthErrorKind;
use crate::macros::redacted_debug;
use crate::rejection::{AuthRejection, RejectionResponse, Responder};
use crate::telemetry;

pin_project! {
    /// The response of [`Seal`](crate::Seal).
    #[must_use = "futures do nothing unless they are polled"]
    pub struct ResponseFuture<F, R> {
        #[pin]
        response: F,
        sealed: Sealed<R>,
    }
}

/// The state of a seal while a request is inside.
pub(super) struct Sealed<R> {
    pub(super) request: Arc<SealedRequest>,
    pub(super) settings: Arc<SealSettings>,
    pub(super) is_preflight: bool,
    pub(super) responder: R,
}

impl<F, R> ResponseFuture<F, R> {
    pub(super) fn new(response: F, sealed: Sealed<R>) -> Self {
        Self { response, sealed }
    }
}

impl<F, R, B, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Response<B>, E>>,
    R: RejectionResponse<B> + Clone,
    B: HttpBody + Default,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.response.poll(cx))?;
        let answer = if this.sealed.request.lets_out(response.status()) {
            response
        } else {
            this.sealed.inspect(response)
        };
        Poll::Ready(Ok(answer))
    }
}

impl<R: Clone> Sealed<R> {
    /// A response that nothing has judged: it is sent only if its route is in the list of open routes, or if
    /// no route was served.
    #[cold]
    fn inspect<B: HttpBody + Default>(&self, response: Response<B>) -> Response<B>
    where
        R: RejectionResponse<B>,
    {
        let route = self.request.route();
        let is_listed = |route: &str| self.settings.open_routes.iter().any(|open| open == route);
        if route.is_some_and(is_listed) || self.is_empty(&response) {
            return response;
        }
        if self.settings.reported.is_first(route.unwrap_or_default()) {
            let met_optional_layer = self.request.judgement() == Judgement::Optional;
            telemetry::unprotected_route(
                method_name(&self.request.method),
                route,
                met_optional_layer,
            );
        }
        let responder = Responder {
            renderer: self.responder.clone(),
            as_grpc: false,
            is_head: self.request.method == Method::HEAD,
            has_last_word: true,
            challenge: None,
            passed: None,
            issuer: None,
        };
        responder.reject(AuthRejection::unlogged(
            AuthErrorKind::UnprotectedRoute,
            None,
        ))
    }

    /// Whether the response only reports that nothing was found: the router's own response, or the one to a
    /// preflight if preflights are open.
    fn is_empty<B: HttpBody>(&self, response: &Response<B>) -> bool {
        let may_be = match response.status() {
            StatusCode::NOT_FOUND => self.request.route().is_none(),
            StatusCode::METHOD_NOT_ALLOWED => true,
            status => self.settings.opens_preflights && self.is_preflight && status.is_success(),
        };
        // A response to HEAD has no body, but keeps its length.
        let length = response.headers().get(header::CONTENT_LENGTH);
        may_be
            && response.body().size_hint().exact() == Some(0)
            && length.is_none_or(|length| length == "0")
    }
}

redacted_debug!(<F, R> ResponseFuture<F, R>);
