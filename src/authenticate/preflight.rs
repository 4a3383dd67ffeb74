//! A CORS preflight that is refused: the usual sign of a `CorsLayer` on the wrong side.

use http::{Method, Request, header};

use crate::error::AuthErrorKind;
use crate::telemetry;

/// Says so if this request, refused for this reason, is a preflight. A browser sends no credential with
/// one (Fetch §4.8), and shows the page nothing but a failure.
pub(crate) fn note<B>(request: &Request<B>, kind: AuthErrorKind) {
    if kind == AuthErrorKind::MissingCredential && is_preflight(request) {
        telemetry::preflight_refused();
    }
}

pub(super) fn is_preflight<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}
