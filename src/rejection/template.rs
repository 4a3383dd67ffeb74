//! The table of refusals: one exhaustive match.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::challenge::{self, Form};
use crate::error::{AuthErrorKind as Kind, PerKind};

/// The response to one kind of error.
pub(super) struct Template {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) challenge: Option<Form>,
}

pub(super) fn template(kind: Kind) -> Template {
    let (status, code, challenge) = match kind {
        // RFC 6750 §3.1: without authentication information, no error code.
        Kind::MissingCredential => (
            StatusCode::UNAUTHORIZED,
            "missing_credential",
            Some(Form::Bare),
        ),
        Kind::MalformedAuthorizationHeader | Kind::MultipleCredentials => (
            StatusCode::BAD_REQUEST,
            "invalid_request",
            Some(Form::InvalidRequest),
        ),
        Kind::TokenTooLong
        | Kind::OpaqueToken
        | Kind::PlaceholderToken
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
        | Kind::SenderConstrainedToken
        | Kind::ClientNotAllowed
        | Kind::MalformedCustomClaims
        | Kind::Revoked
        | Kind::OlderThanRevocationRetention
        | Kind::MissingIssuedAt
        | Kind::UnknownKey
        | Kind::KeyAlgorithmMismatch
        | Kind::BadSignature
        | Kind::SessionInvalid
        | Kind::SessionMismatch
        | Kind::MalformedIdentityHeaders
        | Kind::TokensNotAccepted => (
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            Some(Form::InvalidToken),
        ),
        Kind::InsufficientScope => (
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            Some(Form::InsufficientScope),
        ),
        // RFC 9470 §3: the token is valid, but another one is needed.
        Kind::AuthenticationTooOld | Kind::AuthenticationTooWeak => (
            StatusCode::UNAUTHORIZED,
            "insufficient_user_authentication",
            Some(Form::InsufficientAuthentication),
        ),
        Kind::UserRequired
        | Kind::ClientRequired
        | Kind::RoleMissing
        | Kind::IssuerNotAllowed
        | Kind::NotVerified
        | Kind::AnonymousUser
        | Kind::ConditionNotMet => (StatusCode::FORBIDDEN, "forbidden", None),
        Kind::CrossOriginRequest => (StatusCode::FORBIDDEN, "cross_origin_request", None),
        Kind::KeysUnavailable
        | Kind::SessionUnavailable
        | Kind::RevocationsUnavailable
        | Kind::UserIdNotHeaderSafe => (
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            None,
        ),
        Kind::LayerMissing
        | Kind::ClaimsTypeMismatch
        | Kind::AuthgearMismatch
        | Kind::AccessTokenNotKept
        | Kind::InvalidRequirement
        | Kind::UnprotectedRoute => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", None),
    };
    Template {
        status,
        code,
        challenge,
    }
}

static TEXTS: PerKind<FixedTexts> = PerKind::new();

/// The parts that all refusals of a kind share, made once, to keep a flood of bad tokens cheap.
pub(super) struct FixedTexts {
    /// The JSON of the body.
    pub(super) body: Bytes,
    /// The challenge without configured parameters and without hints.
    pub(super) challenge: Option<HeaderValue>,
}

impl FixedTexts {
    /// Calls `pick` with the texts of this kind.
    pub(super) fn of<T>(kind: Kind, pick: impl FnOnce(&Self) -> T) -> T {
        TEXTS.with(kind, Self::new, pick)
    }

    fn new(kind: Kind) -> Self {
        #[derive(Serialize)]
        struct Content {
            error: &'static str,
            error_description: &'static str,
        }

        let refusal = template(kind);
        let content = Content {
            error: refusal.code,
            error_description: kind.description(),
        };
        Self {
            // Two strings: this cannot fail.
            body: serde_json::to_vec(&content).unwrap_or_default().into(),
            challenge: refusal
                .challenge
                .and_then(|form| challenge::value(form, kind.description(), None, None)),
        }
    }
}
