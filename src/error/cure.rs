//! What the operator of the API can do about a kind of refusal.

use super::AuthErrorKind as Kind;

/// One line for the log, if the description does not say it: the client sees the description, and
/// needs no names of options.
pub(crate) fn cure(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::OpaqueToken => {
            "turn on `Issue JWT as access token` for the client in Authgear, or use `session_resolver`"
        }
        Kind::WrongTokenType => {
            "the client must send its access token: the ID token is for the client itself"
        }
        Kind::AlgorithmNotAllowed => "the builder's `algorithms` lists the allowed ones",
        Kind::WrongIssuer | Kind::MissingIssuer => {
            "the endpoint must equal the token's `iss`: is the token of another project, or of this \
             project under another host?"
        }
        Kind::WrongAudience | Kind::MissingAudience => {
            "name this API's resource with `audience` (of the builder, or of the `ProtectedResource`): a \
             machine's token is for a resource, a user's for the endpoint"
        }
        Kind::Expired | Kind::NotYetValid | Kind::IssuedInFuture => {
            "if new tokens are refused, the clock of this machine is wrong: synchronize it"
        }
        Kind::ClientNotAllowed => "if the client is yours, name it with the builder's `client_ids`",
        Kind::UnknownKey => "is the token of another project, or was its key removed?",
        Kind::UserRequired => "extract `Principal` or `AuthClient` where machines may call",
        Kind::CrossOriginRequest => {
            "if the page is yours, name its origin with the builder's `trusted_origins`"
        }
        Kind::KeysUnavailable => "the warning `keys could not be fetched` gives the reason",
        Kind::SessionUnavailable => "the warning `the resolver failed` gives the reason",
        Kind::SessionInvalid => {
            "if every credential is refused, the resolver receives another host or scheme than the endpoint's"
        }
        _ => return None,
    })
}
