//! What whoever runs the API can do about a kind of refusal.

use super::AuthErrorKind as Kind;

/// One line for the log, where the description alone does not say it: a client is shown that one, and
/// does not need the names of options.
pub(crate) fn cure(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::OpaqueToken => {
            "turn on `Issue JWT as access token` for the client in Authgear, or use `session_resolver`"
        }
        Kind::WrongTokenType => {
            "the client must send its access token: an ID token is for the client"
        }
        Kind::AlgorithmNotAllowed => "the builder's `algorithms` names what is allowed",
        Kind::WrongIssuer | Kind::MissingIssuer => {
            "the endpoint must equal the token's `iss`: is the token of another project, or of this \
             project under another host?"
        }
        Kind::WrongAudience | Kind::MissingAudience => {
            "name this API's resource with `audience` (of the builder, or of the `ProtectedResource`): a \
             machine's token is for a resource, a user's for the endpoint"
        }
        Kind::Expired | Kind::NotYetValid | Kind::IssuedInFuture => {
            "if new tokens are refused, this machine's clock is wrong: synchronize it"
        }
        Kind::ClientNotAllowed => "name the client with the builder's `client_ids`, if it is yours",
        Kind::UnknownKey => "is the token of another project, or was its key removed?",
        Kind::UserRequired => "extract `Principal` or `AuthClient` where machines may call",
        Kind::CrossOriginRequest => {
            "name the page's origin with the builder's `trusted_origins`, if it is yours"
        }
        Kind::KeysUnavailable => "the warning `keys could not be fetched` says why",
        Kind::SessionUnavailable => "the warning `the resolver failed` says why",
        Kind::SessionInvalid => {
            "if each credential is refused, the resolver sees another host or scheme than the endpoint's"
        }
        _ => return None,
    })
}
