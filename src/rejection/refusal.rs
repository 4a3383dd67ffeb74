//! The table of refusals: one exhaustive match.

use http::StatusCode;

use super::challenge::Form;
use crate::error::AuthErrorKind as Kind;

/// How one kind of error is told.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) challenge: Option<Form>,
}

pub(super) fn refusal(kind: Kind) -> Refusal {
    let (status, code, challenge) = match kind {
        // RFC 6750 §3.1: without authentication information, no error code.
        Kind::MissingCredential => (
            StatusCode::UNAUTHORIZED,
            "missing_credential",
            Some(Form::Bare),
        ),
        Kind::MalformedHeader | Kind::MultipleCredentials => (
            StatusCode::BAD_REQUEST,
            "invalid_request",
            Some(Form::InvalidRequest),
        ),
        Kind::TokenTooLong
        | Kind::MalformedToken
        | Kind::MalformedTokenHeader
        | Kind::WrongTokenType
        | Kind::AlgorithmNotAllowed
        | Kind::UnsupportedTokenHeader
        | Kind::MissingKeyId
        | Kind::MalformedClaims
        | Kind::MissingIssuer
        | Kind::WrongIssuer
        | Kind::MissingAudience
        | Kind::WrongAudience
        | Kind::MissingExpiry
        | Kind::Expired
        | Kind::NotYetValid
        | Kind::IssuedInFuture
        | Kind::MissingSubject
        | Kind::SubjectMismatch
        | Kind::BoundToken
        | Kind::ClientNotAllowed
        | Kind::MalformedCustomClaims
        | Kind::Revoked
        | Kind::IssuedTooLongAgo
        | Kind::MissingIssuedAt
        | Kind::UnknownKey
        | Kind::KeyMismatch
        | Kind::BadSignature
        | Kind::SessionInvalid
        | Kind::SessionMismatch
        | Kind::MalformedIdentity
        | Kind::TokenNotTaken => (
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            Some(Form::InvalidToken),
        ),
        Kind::InsufficientScope => (
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            Some(Form::InsufficientScope),
        ),
        // RFC 9470 §3: the token is good, and another one is needed.
        Kind::AuthenticationTooOld | Kind::AuthenticationTooWeak => (
            StatusCode::UNAUTHORIZED,
            "insufficient_user_authentication",
            Some(Form::InsufficientAuthentication),
        ),
        Kind::UserRequired
        | Kind::MachineRequired
        | Kind::RoleMissing
        | Kind::NotVerified
        | Kind::AnonymousUser
        | Kind::ConditionNotMet => (StatusCode::FORBIDDEN, "forbidden", None),
        Kind::CrossOrigin => (StatusCode::FORBIDDEN, "cross_origin_request", None),
        Kind::KeysUnavailable
        | Kind::SessionUnavailable
        | Kind::RevocationsUnavailable
        | Kind::UntellableUser => (
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            None,
        ),
        Kind::LayerMissing | Kind::OtherClaims | Kind::OtherAuthgear | Kind::InvalidRequirement => {
            (StatusCode::INTERNAL_SERVER_ERROR, "server_error", None)
        }
    };
    Refusal {
        status,
        code,
        challenge,
    }
}
