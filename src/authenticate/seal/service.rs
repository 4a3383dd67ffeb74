//! [`Seal`].

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::HttpBody;
use axum::extract::MatchedPath;
use http::{Request, Response};
use tower::Service;

use super::future::{ResponseFuture, Sealed};
use super::sealed_request::SealedRequest;
use super::settings::SealSettings;
use crate::authenticate::preflight::is_preflight;
use crate::authenticate::request_record::RequestRecord;
use crate::macros::redacted_debug;
use crate::rejection::{JsonRejectionResponse, RejectionResponse};

/// The service that [`SealLayer`](crate::SealLayer) wraps around another.
#[derive(Clone)]
#[must_use = "a service does nothing until it is called"]
pub struct Seal<S, R = JsonRejectionResponse> {
    pub(super) inner: S,
    pub(super) settings: Arc<SealSettings>,
    pub(super) responder: R,
}

impl<S, R, B, ResBody> Service<Request<B>> for Seal<S, R>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    R: RejectionResponse<ResBody> + Clone,
    ResBody: HttpBody + Default,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let is_preflight = is_preflight(&request);
        let method = request.method().clone();
        let extensions = request.extensions_mut();
        let route = extensions.get::<MatchedPath>().cloned();
        let seal = RequestRecord::seal(extensions, |outer| {
            SealedRequest::new(self.settings.authgear, outer, method, route)
        });
        let sealed = Sealed {
            request: seal,
            settings: Arc::clone(&self.settings),
            is_preflight,
            responder: self.responder.clone(),
        };
        ResponseFuture::new(self.inner.call(request), sealed)
    }
}

redacted_debug!(<S: fmt::Debug, R> Seal<S, R> { inner, settings });
