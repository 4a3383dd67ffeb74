//! A CORS preflight that is refused: the usual sign of a `CorsLayer` on the wrong side.

use http::{Method, Request, header};

use crate::error::AuthErrorKind;
use crate::telemetry;

/// Says so if this request, refused for this reason, is a preflight. A browser sends no credential with
/// one (Fetch §4.8), and shows the page nothing but a failure.
pub(crate) fn note<B>(request: &Request<B>, kind: AuthErrorKind) {
    let is_preflight = kind == AuthErrorKind::MissingCredential
        && request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if is_preflight {
        telemetry::preflight_refused();
    }
}
