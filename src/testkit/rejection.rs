//! Refusals made by hand: for a test of a responder of one's own.

use std::time::Duration;

use http::StatusCode;

use crate::error::{AuthError, AuthErrorKind, ChallengeHints};
use crate::rejection::AuthRejection;

/// A refusal of this kind, with all that a real one of the kind may bring: a time to wait for those of
/// status 503, the scope `example:scope` for `InsufficientScope`, a `max_age` of 300 s for
/// `AuthenticationTooOld`. It has no realm and no resource metadata, which a layer adds.
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
    let plain = AuthRejection::unlogged(kind, None);
    let error = match kind {
        AuthErrorKind::InsufficientScope => AuthError::denied(
            kind,
            ChallengeHints {
                scope: Some("example:scope".to_owned()),
                ..ChallengeHints::default()
            },
        ),
        AuthErrorKind::AuthenticationTooOld => AuthError::denied(
            kind,
            ChallengeHints {
                max_age: Some(300),
                ..ChallengeHints::default()
            },
        ),
        _ if plain.status() == StatusCode::SERVICE_UNAVAILABLE => {
            AuthError::unavailable(kind, Duration::from_secs(1), None)
        }
        _ => return plain,
    };
    AuthRejection::unlogged(error, None)
}
