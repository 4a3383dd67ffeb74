//! Which check a kind of refusal belongs to.

use super::report::CheckName;
use crate::error::AuthErrorKind;

/// Where a kind of refusal is found.
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
        // But for the first, no verifier gives them for a token: they are about a route, or about
        // another credential.
        // No other kind is about a token.
        _ => CheckName::Mode,
    }
}
