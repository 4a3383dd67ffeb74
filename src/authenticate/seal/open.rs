//! [`OpenLayer`] and [`Open`].

use std::fmt;
use std::task::{Context, Poll};

use http::Request;
use tower::{Layer, Service};

use super::sealed_request::Judgement;
use crate::authenticate::authentication::AuthgearId;
use crate::authenticate::request_record::RequestRecord;
use crate::macros::redacted_debug;

/// Marks its inner service as open, from [`Authgear::open`](crate::Authgear::open).
///
/// It only informs the [seal](crate::SealLayer). It checks no credential, and an inner layer still refuses.
/// Use it on open routes, and not on whole applications.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is added to a router or a service"]
pub struct OpenLayer {
    authgear_id: AuthgearId,
}

impl OpenLayer {
    pub(crate) fn new(authgear_id: AuthgearId) -> Self {
        Self { authgear_id }
    }
}

impl<S> Layer<S> for OpenLayer {
    type Service = Open<S>;

    fn layer(&self, inner: S) -> Open<S> {
        Open {
            inner,
            authgear_id: self.authgear_id.clone(),
        }
    }
}

redacted_debug!(OpenLayer);

/// The service that [`OpenLayer`] wraps around another.
#[derive(Clone)]
#[must_use = "a service does nothing until it is called"]
pub struct Open<S> {
    inner: S,
    authgear_id: AuthgearId,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Open<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        if let Some(record) = RequestRecord::of(request.extensions()) {
            record.judge(&self.authgear_id, Judgement::Open);
        }
        self.inner.call(request)
    }
}

redacted_debug!(<S: fmt::Debug> Open<S> { inner });
