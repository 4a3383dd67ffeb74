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
        // Except for the first, the verifier never returns the other kinds for a token: they are about a
        // route, or about another credential.
        _ => CheckName::Mode,
    }
}
