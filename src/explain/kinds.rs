//! The check that gives a kind of refusal.

use super::report::CheckName;
use crate::error::AuthErrorKind;

/// The check that gives this kind of refusal.
pub(super) fn check_of(kind: AuthErrorKind) -> CheckName {
    use AuthErrorKind as Kind;
    match kind {
        Kind::MissingCredential
        | Kind::MalformedAuthorizationHeader
        | Kind::MultipleCredentials
        | Kind::TokenTooLong
        | Kind::MalformedToken
        | Kind::OpaqueToken
        | Kind::PlaceholderToken => CheckName::Shape,
        Kind::MalformedTokenHeader
        | Kind::WrongTokenType
        | Kind::AlgorithmNotAllowed
        | Kind::UnsupportedTokenHeader
        | Kind::MissingKeyId => CheckName::Header,
        Kind::MalformedClaims | Kind::SenderConstrainedToken => CheckName::Claims,
        Kind::MissingIssuer | Kind::WrongIssuer => CheckName::Issuer,
        Kind::MissingAudience | Kind::WrongAudience => CheckName::Audience,
        Kind::MissingExpiry | Kind::Expired | Kind::NotYetValid | Kind::IssuedInFuture => {
            CheckName::Times
        }
        Kind::MissingSubject | Kind::SubjectMismatch | Kind::ClientNotAllowed => CheckName::Client,
        Kind::UnknownKey | Kind::KeysUnavailable => CheckName::Key,
        Kind::KeyAlgorithmMismatch | Kind::BadSignature => CheckName::Signature,
        Kind::Revoked
        | Kind::OlderThanRevocationRetention
        | Kind::MissingIssuedAt
        | Kind::RevocationsUnavailable => CheckName::Revocation,
        Kind::MalformedCustomClaims => CheckName::CustomClaims,
        Kind::SessionInvalid | Kind::SessionMismatch | Kind::SessionUnavailable => {
            CheckName::Session
        }
        // Except for the first, the verifier never returns these kinds for a token: they are about a route,
        // or about another credential.
        Kind::TokensNotAccepted
        | Kind::MalformedIdentityHeaders
        | Kind::UserRequired
        | Kind::ClientRequired
        | Kind::CrossOriginRequest
        | Kind::InsufficientScope
        | Kind::RoleMissing
        | Kind::IssuerNotAllowed
        | Kind::NotVerified
        | Kind::AnonymousUser
        | Kind::ConditionNotMet
        | Kind::AuthenticationTooOld
        | Kind::AuthenticationTooWeak
        | Kind::UserIdNotHeaderSafe
        | Kind::LayerMissing
        | Kind::ClaimsTypeMismatch
        | Kind::AuthgearMismatch
        | Kind::AccessTokenNotKept
        | Kind::UnprotectedRoute
        | Kind::InvalidRequirement => CheckName::Mode,
    }
}
