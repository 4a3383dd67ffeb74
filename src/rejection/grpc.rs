//! Refusals for gRPC clients: trailers-only responses.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::AuthRejection;

const GRPC: &[u8] = b"application/grpc";

/// Whether this is a gRPC request: `application/grpc`, with or without a suffix or parameters.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.as_bytes().get(..GRPC.len()))
        .is_some_and(|start| start.eq_ignore_ascii_case(GRPC))
}

/// `INVALID_ARGUMENT`, `UNAUTHENTICATED`, `PERMISSION_DENIED`, `UNAVAILABLE` or `INTERNAL`.
pub(super) fn code(status: StatusCode) -> u16 {
    match status {
        StatusCode::BAD_REQUEST => 3,
        StatusCode::UNAUTHORIZED => 16,
        StatusCode::FORBIDDEN => 7,
        StatusCode::SERVICE_UNAVAILABLE => 14,
        _ => 13,
    }
}

/// The refusal as a gRPC status, as a trailers-only response.
pub(crate) fn response<B: Default>(rejection: &AuthRejection) -> Response<B> {
    let mut response = Response::new(B::default());
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    headers.insert(
        HeaderName::from_static("grpc-status"),
        HeaderValue::from(code(rejection.status())),
    );
    // The descriptions are printable ASCII without `%`, so they need no encoding.
    headers.insert(
        HeaderName::from_static("grpc-message"),
        HeaderValue::from_static(rejection.description()),
    );
    response
}
