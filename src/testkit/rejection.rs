//! Rejections made by hand, for a test of your own responder.

use std::time::Duration;

use http::StatusCode;

use crate::error::{AuthError, AuthErrorKind, ChallengeHints};
use crate::rejection::AuthRejection;

/// A rejection of this kind, with everything that a real one can contain: `Retry-After` of 1 s for status
/// 503, the scope `example:scope` for `InsufficientScope`, a `max_age` of 300 s for
/// `AuthenticationTooOld`. It has no realm and no resource metadata, because a layer adds them.
///
/// ```
/// use axum::body::Body;
/// use axum::response::{IntoResponse, Response};
/// use axum_authgear::{AuthErrorKind, AuthRejection, testkit};
///
/// fn respond(rejection: &AuthRejection) -> Response<Body> {
///     (rejection.status(), rejection.code()).into_response()
/// }
///
/// for kind in AuthErrorKind::ALL {
///     let rejection = testkit::auth_rejection(*kind);
///     assert!(respond(&rejection).status().as_u16() >= 400);
/// }
/// ```
#[must_use]
pub fn auth_rejection(kind: AuthErrorKind) -> AuthRejection {
    let error = match AuthRejection::unlogged(kind, None).status() {
        StatusCode::SERVICE_UNAVAILABLE => {
            AuthError::unavailable(kind, Duration::from_secs(1), None)
        }
        _ => AuthError::denied(
            kind,
            ChallengeHints {
                scope: (kind == AuthErrorKind::InsufficientScope)
                    .then(|| "example:scope".to_owned()),
                max_age: (kind == AuthErrorKind::AuthenticationTooOld).then_some(300),
                ..ChallengeHints::default()
            },
        ),
    };
    AuthRejection::unlogged(error, None)
}
