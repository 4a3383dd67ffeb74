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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_options_with_both_headers_is_a_preflight() {
        let both = [header::ORIGIN, header::ACCESS_CONTROL_REQUEST_METHOD];
        let is = |method: Method, headers: &[header::HeaderName]| {
            let mut request = Request::new(());
            *request.method_mut() = method;
            for name in headers {
                let value = header::HeaderValue::from_static("GET");
                request.headers_mut().insert(name, value);
            }
            is_preflight(&request)
        };
        assert!(is(Method::OPTIONS, &both));
        for headers in [&both[..0], &both[..1], &both[1..]] {
            assert!(!is(Method::OPTIONS, headers), "{headers:?}");
        }
        for method in [Method::GET, Method::HEAD, Method::POST] {
            assert!(!is(method.clone(), &both), "{method}");
        }
    }
}
