//! Detects a refused CORS preflight, the usual sign of a `CorsLayer` on the wrong side.

use http::{Method, Request, header};

use crate::error::AuthErrorKind;
use crate::telemetry;

/// Logs advice if this refused request is a preflight. A browser sends no credential with a preflight (Fetch
/// §4.8), and shows the page only a failure.
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
