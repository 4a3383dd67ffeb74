//! The response to a refusal.

use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::{Response, header};

use super::AuthRejection;
use super::original::{JSON, Original};
use super::template::FixedTexts;

/// Builds the response to a refused request.
///
/// Closures `Fn(&AuthRejection) -> Response<B>` implement it. The layer adds the [`AuthRejection`] to the
/// response's extensions. If the status is that of the rejection, the layer also adds `WWW-Authenticate`
/// and `Retry-After`, unless the response has them: clients need them to step up, and to find the
/// authorization server.
///
/// ```
/// use axum::{body::Body, response::{IntoResponse, Redirect}};
/// use axum_authgear::{AuthErrorKind, AuthRejection};
///
/// # fn check(authgear: axum_authgear::Authgear) {
/// let layer = authgear.layer().respond_with(|rejection: &AuthRejection| match rejection.kind() {
///     AuthErrorKind::MissingCredential => Redirect::to("/login").into_response(),
///     _ => rejection.clone().into_response(),
/// });
/// # }
/// ```
pub trait RejectionResponse<B> {
    /// The response to `rejection`.
    fn response(&self, rejection: &AuthRejection) -> Response<B>;
}

impl<B, F> RejectionResponse<B> for F
where
    F: Fn(&AuthRejection) -> Response<B>,
{
    fn response(&self, rejection: &AuthRejection) -> Response<B> {
        self(rejection)
    }
}

/// The default: status, `WWW-Authenticate`, `Retry-After`, and
/// `{"error": "<code>", "error_description": "<one fixed sentence>"}`.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonRejectionResponse;

impl<B: From<Bytes>> RejectionResponse<B> for JsonRejectionResponse {
    fn response(&self, rejection: &AuthRejection) -> Response<B> {
        let bytes = FixedTexts::of(rejection.kind(), |texts| texts.body.clone());
        let mut response = if rejection.is_final {
            without_body(rejection, B::from(bytes))
        } else {
            let (body, original) = Original::body(bytes);
            let mut response = without_body(rejection, body);
            response.extensions_mut().insert(original);
            response
        };
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
        response
    }
}

/// Like [`JsonRejectionResponse`], but without a body, for stacks whose body type cannot be made from
/// bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyRejectionResponse;

impl<B: Default> RejectionResponse<B> for EmptyRejectionResponse {
    fn response(&self, rejection: &AuthRejection) -> Response<B> {
        without_body(rejection, B::default())
    }
}

pub(super) fn without_body<B>(rejection: &AuthRejection, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = rejection.status();
    let headers = response.headers_mut();
    if let Some(challenge) = rejection.challenge() {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(wait) = rejection.retry_after() {
        headers.insert(header::RETRY_AFTER, wait.as_secs().into());
    }
    response
}

impl IntoResponse for AuthRejection {
    fn into_response(self) -> Response<Body> {
        let mut response = JsonRejectionResponse.response(&self);
        response.extensions_mut().insert(self);
        response
    }
}
