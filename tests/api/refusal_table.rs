//! What each refusal must look like, letter by letter: a second opinion, written out by hand.

use axum_authgear::AuthErrorKind::{self, *};
use http::header;

use crate::support::Answer;

/// Status, the whole challenge, code and sentence of each kind of refusal.
#[rustfmt::skip]
const TABLE: &[(AuthErrorKind, u16, Challenge, &str, &str)] = &[
    (MissingCredential, 401, Challenge::Bare, "missing_credential", "the request carries no access token: send it in the field `Authorization: Bearer TOKEN`"),

    (MalformedAuthorizationHeader, 400, Challenge::Request, "invalid_request", "the authorization header is malformed: send `Bearer`, a space and the access token, and nothing else"),
    (MultipleCredentials, 400, Challenge::Request, "invalid_request", "the request carries more than one credential"),

    (TokenTooLong, 401, Challenge::Token, "invalid_token", "the access token is too long"),
    (OpaqueToken, 401, Challenge::Token, "invalid_token", "the access token is opaque, not a JWT: turn on Issue JWT as access token for the client in Authgear, or let this API use the session resolver"),
    (PlaceholderToken, 401, Challenge::Token, "invalid_token", "the client sent a word such as undefined or null where the access token belongs: sign in and wait for the token before the request"),
    (MalformedToken, 401, Challenge::Token, "invalid_token", "the access token is malformed"),
    (MalformedTokenHeader, 401, Challenge::Token, "invalid_token", "the header of the access token is malformed"),
    (WrongTokenType, 401, Challenge::Token, "invalid_token", "the token is not an access token: send the access token, not the ID token"),
    (AlgorithmNotAllowed, 401, Challenge::Token, "invalid_token", "the algorithm of the access token is not allowed"),
    (UnsupportedTokenHeader, 401, Challenge::Token, "invalid_token", "the access token uses an unsupported extension"),
    (MissingKeyId, 401, Challenge::Token, "invalid_token", "the access token names no key"),
    (MalformedClaims, 401, Challenge::Token, "invalid_token", "the claims of the access token are malformed"),
    (MissingIssuer, 401, Challenge::Token, "invalid_token", "the access token names no issuer"),
    (WrongIssuer, 401, Challenge::Token, "invalid_token", "the access token is from another issuer"),
    (MissingAudience, 401, Challenge::Token, "invalid_token", "the access token names no audience"),
    (WrongAudience, 401, Challenge::Token, "invalid_token", "the access token is for another audience"),
    (MissingExpiry, 401, Challenge::Token, "invalid_token", "the access token has no expiry"),
    (Expired, 401, Challenge::Token, "invalid_token", "the access token has expired"),
    (NotYetValid, 401, Challenge::Token, "invalid_token", "the access token is not valid yet"),
    (IssuedInFuture, 401, Challenge::Token, "invalid_token", "the access token was issued in the future"),
    (MissingSubject, 401, Challenge::Token, "invalid_token", "the access token names no subject"),
    (SubjectMismatch, 401, Challenge::Token, "invalid_token", "the subject of the access token is not its client"),
    (SenderConstrainedToken, 401, Challenge::Token, "invalid_token", "the access token is bound to a key"),
    (ClientNotAllowed, 401, Challenge::Token, "invalid_token", "the client of the access token is not allowed"),
    (MalformedCustomClaims, 401, Challenge::Token, "invalid_token", "the custom claims of the access token are malformed"),
    (MissingIssuedAt, 401, Challenge::Token, "invalid_token", "the access token does not say when it was issued"),

    (UnknownKey, 401, Challenge::Token, "invalid_token", "the access token is signed by an unknown key"),
    (KeyAlgorithmMismatch, 401, Challenge::Token, "invalid_token", "the key does not fit the algorithm of the access token"),
    (BadSignature, 401, Challenge::Token, "invalid_token", "the signature of the access token is invalid"),

    (UserRequired, 403, Challenge::None, "forbidden", "a user is required"),
    (ClientRequired, 403, Challenge::None, "forbidden", "a machine is required"),
    (CrossOriginRequest, 403, Challenge::None, "cross_origin_request", "a cookie was sent from another origin"),

    (KeysUnavailable, 503, Challenge::None, "temporarily_unavailable", "the keys to verify access tokens are unavailable"),

    (LayerMissing, 500, Challenge::None, "server_error", "no authentication layer ran before this: add `.layer(authgear.layer())` after the route, and after any `require` or `from_fn` layer that needs the user (axum runs the layer that is added last first)"),
    (ClaimsTypeMismatch, 500, Challenge::None, "server_error", "the authentication layer reads other custom claims: extract the type that the builder's `claims` names"),
];

#[derive(Clone, Copy)]
enum Challenge {
    None,
    /// RFC 6750 §3.1: no error code where there was no credential.
    Bare,
    Request,
    Token,
}

/// Asserts that this is the refusal of that kind: status, challenge, body and every header.
#[track_caller]
pub fn assert_refused(what: &str, answer: &Answer, kind: AuthErrorKind) {
    let (_, status, challenge, code, sentence) = TABLE
        .iter()
        .find(|(own, ..)| *own == kind)
        .expect("a kind of the table");
    assert_eq!(answer.kind, Some(kind), "{what}: {answer:?}");
    assert_eq!(answer.status, *status, "{what}: {answer:?}");
    let challenge = match challenge {
        Challenge::None => None,
        Challenge::Bare => Some("Bearer".to_owned()),
        Challenge::Request => Some(r#"Bearer error="invalid_request""#.to_owned()),
        Challenge::Token => Some(format!(
            r#"Bearer error="invalid_token", error_description="{sentence}""#
        )),
    };
    assert_eq!(answer.challenge(), challenge.as_deref(), "{what}");
    assert_eq!(
        answer.body,
        format!(r#"{{"error":"{code}","error_description":"{sentence}"}}"#),
        "{what}"
    );
    let mut names = vec![header::CONTENT_TYPE.as_str()];
    if challenge.is_some() {
        names.push(header::WWW_AUTHENTICATE.as_str());
    }
    if *status == 503 {
        names.push(header::RETRY_AFTER.as_str());
        let seconds: u64 = answer.header("retry-after").parse().expect("whole seconds");
        assert!((1..=60).contains(&seconds), "{what}: {seconds}");
    }
    names.sort_unstable();
    // axum's router says how long the body is.
    let mut found: Vec<_> = answer
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| *name != "content-length")
        .collect();
    found.sort_unstable();
    assert_eq!(found, names, "{what}");
    assert_eq!(answer.header("content-type"), "application/json", "{what}");
}

/// Asserts that the request reached its handler, which answered with this body.
#[track_caller]
pub fn assert_passed(what: &str, answer: &Answer, body: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (200, body),
        "{what}: {answer:?}"
    );
    assert_eq!(answer.kind, None, "{what}");
}
