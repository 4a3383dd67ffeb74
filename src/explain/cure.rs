//! The fix for a refusal, in one line.

use super::facts::{Facts, Rules};
use super::report::Likeness;
use super::text::{quoted, time};
use crate::error::AuthErrorKind;

/// The fix for a refusal, as far as the token shows its reason.
pub(super) fn cure(kind: AuthErrorKind, facts: &Facts) -> String {
    use AuthErrorKind as Kind;
    let reading = &facts.reading;
    match (kind, &facts.rules) {
        (Kind::TokensNotAccepted, _) => {
            "access tokens are not read behind a gateway: send the request through it, or build \
             without `.gateway(…)`"
                .to_owned()
        }
        (Kind::WrongIssuer, Some(rules)) => wrong_issuer(facts, rules),
        (Kind::WrongAudience, Some(rules)) => wrong_audience(facts, rules),
        (Kind::Expired, _) => match reading.seconds("iat").zip(reading.seconds("exp")) {
            Some((issued_at, expires_at)) if expires_at <= issued_at => {
                "its `exp` is not after its `iat`: ask the issuer for another token".to_owned()
            }
            _ => format!(
                "get a new token (refresh, or sign in again); if it is new, this machine's clock \
                 ({} Unix seconds) is ahead: synchronise it",
                facts.now.as_secs()
            ),
        },
        (Kind::IssuedInFuture | Kind::NotYetValid, _) => {
            let claim = if kind == Kind::NotYetValid {
                "nbf"
            } else {
                "iat"
            };
            let ahead = reading.seconds(claim).unwrap_or_default() - facts.now.as_secs_f64();
            format!(
                "this machine's clock is {} behind the issuer's: synchronise it (NTP), or wait",
                time(ahead)
            )
        }
        (Kind::ClientNotAllowed, _) => match reading.text("client_id") {
            Some(client) => format!(
                "if {} is your application, add it to `.client_ids([…])`",
                quoted(client)
            ),
            None => "the token names no client: use a token of one of your applications".to_owned(),
        },
        (Kind::SessionInvalid, None) => session_without_rules(facts),
        _ => match shape(kind, facts.likeness, facts.rules.is_some()) {
            Some(cure) => cure.to_owned(),
            None => plain(kind).to_owned(),
        },
    }
}

/// The fix for a text that cannot be parsed as a token, or is another kind of token.
fn shape(kind: AuthErrorKind, likeness: Likeness, reads_tokens: bool) -> Option<&'static str> {
    use AuthErrorKind as Kind;
    let is_about_shape = matches!(
        kind,
        Kind::MalformedAuthorizationHeader
            | Kind::MalformedToken
            | Kind::OpaqueToken
            | Kind::PlaceholderToken
            | Kind::TokenTooLong
            | Kind::MalformedTokenHeader
            | Kind::MalformedClaims
            | Kind::WrongTokenType
            | Kind::AlgorithmNotAllowed
            | Kind::MissingKeyId
            | Kind::SessionInvalid
    );
    let is_cut_off = likeness == Likeness::CutOff && kind == Kind::BadSignature;
    if !is_about_shape && !is_cut_off && kind_is_known(kind) {
        return None;
    }
    Some(match likeness {
        Likeness::Nothing => "there is no token: send one after `Bearer `",
        Likeness::IdToken => {
            "send the `access_token` of the sign-in, not the `id_token`, which is only for \
             the application"
        }
        Likeness::OpaqueToken if reads_tokens => {
            "turn on \"Issue JWT as access token\" for the application in Authgear's portal and \
             sign in again, or verify by `.session_resolver(…)`"
        }
        Likeness::RefreshToken => {
            "send the access token; a refresh token is a secret between the application and \
             Authgear's token endpoint"
        }
        Likeness::EncryptedToken => {
            "it is encrypted for another receiver: send the signed access token of Authgear"
        }
        Likeness::UnsignedToken => {
            "the part after the second dot is missing: send the token unchanged"
        }
        Likeness::CutOff => {
            "copy the whole token: logs and terminals cut it off, and its end is the signature"
        }
        Likeness::Broken => "remove the blanks and line breaks: a token has none",
        Likeness::Reencoded => {
            "send the token unchanged: it was encoded a second time (base64 or URL encoding)"
        }
        Likeness::HeaderField => {
            "pass only the token that follows `Bearer `, without the header's name"
        }
        Likeness::Quoted => "remove the quotes around the token",
        Likeness::Placeholder => {
            "the program sent the name of a value instead of a token: sign in first, and wait for \
             the token"
        }
        Likeness::Json => "send only the value of the member `access_token`",
        Likeness::Url => "this is an address: send the access token of the sign-in",
        Likeness::Pem => "this is a key: keep it secret, and send an access token",
        Likeness::OtherCredential => {
            "this is a credential of another service: keep it secret, and send an access token of \
             this project"
        }
        _ => return None,
    })
}

/// Whether [`plain`] has a sentence for the kind.
fn kind_is_known(kind: AuthErrorKind) -> bool {
    plain(kind) != OTHER
}

fn plain(kind: AuthErrorKind) -> &'static str {
    use AuthErrorKind as Kind;
    match kind {
        Kind::MalformedAuthorizationHeader => {
            "a token has only letters, digits and `-._~+/`: copy it again"
        }
        Kind::TokenTooLong => "send an access token: Authgear's are far shorter than 8 KiB",
        Kind::MalformedToken => "copy the whole token, three parts with two dots, and nothing else",
        Kind::MalformedTokenHeader | Kind::MalformedClaims => {
            "it was changed, or Authgear did not issue it: copy it again"
        }
        Kind::WrongTokenType => "send an access token (`typ` is `at+jwt`), not another kind of JWT",
        Kind::AlgorithmNotAllowed => {
            "Authgear signs with RS256; name another algorithm with `.algorithms([…])` only where \
             the issuer uses it"
        }
        Kind::UnsupportedTokenHeader => {
            "remove `crit`, `zip` and `b64` from the header: Authgear sets none of them"
        }
        Kind::MissingKeyId => "Authgear names the key in `kid`: get the token from Authgear",
        Kind::SenderConstrainedToken => {
            "ask for a token without DPoP or client certificate: no proof of possession is \
             checked here"
        }
        Kind::MissingIssuer | Kind::MissingAudience | Kind::MissingExpiry => {
            "an access token of Authgear has this claim: get one from Authgear"
        }
        Kind::MissingSubject | Kind::SubjectMismatch => {
            "`sub` is a user's id or `client_id_` and the client: a hook of the project may have \
             changed it"
        }
        Kind::UnknownKey => {
            "sign in again: the key was removed, or it belongs to another project that uses this \
             issuer's name"
        }
        Kind::KeyAlgorithmMismatch => {
            "the key of that name is for another algorithm: get a new token from Authgear"
        }
        Kind::BadSignature => {
            "the token was changed after it was signed: copy the whole token again"
        }
        Kind::KeysUnavailable => {
            "the keys cannot be fetched now: check that this machine reaches the endpoint, then try \
             again in a minute"
        }
        Kind::Revoked => "get a new token: the user, the client or this token was revoked here",
        Kind::OlderThanRevocationRetention => {
            "get a new token, or raise `.revocation_retention(…)` above the lifetime of tokens"
        }
        Kind::MissingIssuedAt => {
            "revocation needs `iat`, which Authgear's tokens have: get one from Authgear"
        }
        Kind::RevocationsUnavailable => "check that this machine reaches Redis, then try again",
        Kind::MalformedCustomClaims => {
            "compare the claims with the type of `.claims::<T>()`: make a claim optional \
             if a token can lack it"
        }
        Kind::SessionInvalid => "sign in again: the session has ended, or the user was disabled",
        Kind::SessionMismatch => {
            "the resolver names another user than the token: is its URL of the same project?"
        }
        Kind::SessionUnavailable => "check that this machine reaches the resolver, then try again",
        _ => OTHER,
    }
}

const OTHER: &str = "get a new access token from Authgear, and send it unchanged";

fn wrong_issuer(facts: &Facts, rules: &Rules) -> String {
    let found = facts.reading.text("iss").unwrap_or_default();
    let Some(issuer) = &rules.issuer else {
        return format!(
            "it is of none of these projects: sign in at one of them, or, if the project {} is yours, \
             add it",
            quoted(found)
        );
    };
    let is_spelled_otherwise = is_spelled_alike(found, issuer);
    if facts.is_signed_by_project && is_spelled_otherwise {
        format!(
            "write the endpoint as the token has it: `Authgear::builder({})`",
            quoted(found)
        )
    } else if facts.is_signed_by_project {
        format!(
            "the same project signed it under another domain, its former one or a custom one: sign in \
             again, and build with the endpoint that discovery names{}",
            former_issuer(found, facts.has_session)
        )
    } else if is_spelled_otherwise {
        format!(
            "spell the endpoint as the issuer does: `Authgear::builder({})`",
            quoted(found)
        )
    } else {
        format!(
            "it is of another project: sign in at {}, or build with the endpoint {} if that is \
             yours",
            quoted(issuer),
            quoted(found)
        )
    }
}

/// Whether two issuers differ only in spelling.
pub(super) fn is_spelled_alike(one: &str, other: &str) -> bool {
    spelling(one) == spelling(other)
}

/// The option for a former issuer, except in modes with the resolver.
fn former_issuer(found: &str, has_session: bool) -> String {
    if has_session {
        String::new()
    } else {
        format!(", or add `.former_issuer({})`", quoted(found))
    }
}

/// The part of an issuer that does not depend on spelling.
fn spelling(issuer: &str) -> String {
    let lower = issuer.trim().trim_end_matches('/').to_lowercase();
    let host = lower
        .strip_prefix("https://")
        .or_else(|| lower.strip_prefix("http://"))
        .unwrap_or(&lower);
    let host = host
        .strip_suffix(":443")
        .or_else(|| host.strip_suffix(":80"));
    host.unwrap_or_else(|| lower.split("://").last().unwrap_or_default())
        .trim_end_matches('.')
        .to_owned()
}

fn wrong_audience(facts: &Facts, rules: &Rules) -> String {
    let audiences = facts.reading.audiences();
    let found = audiences.first().map_or("", |audience| audience);
    let issuer = rules.issuer.as_deref().unwrap_or_default();
    if found.is_empty() {
        return format!("ask for a token for {}", quoted(issuer));
    }
    if facts.reading.is_of_machine() {
        return format!(
            "a machine's token is for a resource: add `.audience({})`, and `.audience({})` for \
             users",
            quoted(found),
            quoted(issuer)
        );
    }
    if is_spelled_alike(found, issuer) {
        return format!(
            "a user's token is for the endpoint: add `.audience({})`",
            quoted(found)
        );
    }
    format!(
        "if {} is this API, add `.audience(…)` with it; else get a token for this API",
        quoted(found)
    )
}

/// The resolver gives no reason for a missing session, but the token may show it.
fn session_without_rules(facts: &Facts) -> String {
    let expires_at = facts.reading.seconds("exp");
    let is_over = expires_at.is_some_and(|at| at <= facts.now.as_secs_f64());
    match facts.likeness {
        Likeness::ClientToken => {
            "the resolver knows no machines: use `.live_sessions(…)`, or verify the JWT".to_owned()
        }
        Likeness::UserToken if is_over => {
            "get a new token: it has expired, and the resolver has no leeway".to_owned()
        }
        Likeness::UserToken => {
            "sign in again; if that does not help, the resolver receives another host than the \
             endpoint's, or belongs to another project"
                .to_owned()
        }
        likeness => shape(AuthErrorKind::SessionInvalid, likeness, false)
            .unwrap_or_else(|| plain(AuthErrorKind::SessionInvalid))
            .to_owned(),
    }
}
