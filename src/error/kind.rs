//! [`AuthErrorKind`]: why a request or a token was refused.

use std::sync::OnceLock;

/// The kinds of [`AuthError`](crate::AuthError).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthErrorKind {
    /// The request carries no credential of ours.
    MissingCredential,
    /// `Authorization: Bearer` is not followed by spaces and one `b64token` (RFC 6750 §2.1).
    MalformedAuthorizationHeader,
    /// More than one credential of a source: two `Authorization` fields, or two values of a cookie.
    MultipleCredentials,

    /// The token is longer than 8 KiB.
    TokenTooLong,
    /// The token is not a compact JWS: three parts of unpadded base64url.
    MalformedToken,
    /// The header is not a JSON object with the members that it must have, each once.
    MalformedTokenHeader,
    /// `typ` is not `at+jwt` (RFC 9068 §4): an ID token, for example.
    WrongTokenType,
    /// `alg` is not in the configured list.
    AlgorithmNotAllowed,
    /// The header asks for `crit`, `zip` or `b64` (RFC 7515 §4.1.11, RFC 7797).
    UnsupportedTokenHeader,
    /// The header names no key.
    MissingKeyId,

    /// The claims are not a JSON object with members of the right types, each once.
    MalformedClaims,
    /// The token has no `iss`.
    MissingIssuer,
    /// `iss` is not the endpoint.
    WrongIssuer,
    /// The token has no `aud`.
    MissingAudience,
    /// None of the token's audiences is this API's.
    WrongAudience,
    /// The token has no `exp`.
    MissingExpiry,
    /// The token has expired.
    Expired,
    /// `nbf` lies in the future.
    NotYetValid,
    /// `iat` lies in the future.
    IssuedInFuture,
    /// The token has no `sub`, or an empty one.
    MissingSubject,
    /// `sub` is a `client_id_…` that is not the token's client.
    SubjectMismatch,
    /// The token is bound to a key (`cnf`), and no proof of possession is checked here.
    SenderConstrainedToken,
    /// The token's client is not in the list of allowed clients.
    ClientNotAllowed,
    /// The custom claims do not have the shape that this API asks for.
    MalformedCustomClaims,

    /// The user or the token was ended, by a webhook or by the application.
    Revoked,
    /// The token was issued longer ago than ended users are remembered
    /// ([`revocation_retention`](crate::AuthgearBuilder::revocation_retention)).
    OlderThanRevocationRetention,
    /// The user's token has no `iat`, and revocation is on: nothing says whether it was issued
    /// before a revocation, or longer ago than these are remembered.
    MissingIssuedAt,

    /// No key of that name is known, and there is reason to believe that none will be.
    UnknownKey,
    /// The key cannot be used with the token's algorithm.
    KeyAlgorithmMismatch,
    /// The signature is not the key's.
    BadSignature,

    /// The session that the credential stands for does not exist, or not any more.
    SessionInvalid,
    /// The token is one user's, and its session another's.
    SessionMismatch,
    /// The gateway has proved itself, and what it says of the user makes no sense.
    MalformedIdentityHeaders,
    /// A token was given to [`Authgear::verify`](crate::Authgear::verify) where none is read: behind
    /// a gateway.
    TokensNotAccepted,

    /// A machine's token where a user is needed.
    UserRequired,
    /// A user's token where a machine is needed.
    ClientRequired,
    /// A cookie credential on an unsafe request from another origin.
    CrossOriginRequest,

    /// The token lacks a scope that is required.
    InsufficientScope,
    /// The user lacks a role that is required.
    RoleMissing,
    /// The user has no verified identity, and one is required.
    NotVerified,
    /// The user is an anonymous one.
    AnonymousUser,
    /// A condition of the application's own does not hold for the user.
    ConditionNotMet,
    /// The user authenticated too long ago, or at an unknown time (RFC 9470).
    AuthenticationTooOld,
    /// The user is not known to have authenticated in the way that is required (RFC 9470).
    AuthenticationTooWeak,

    /// The keys are out of reach, or too old to be trusted.
    KeysUnavailable,
    /// What other replicas know of ended users has been out of reach for longer than is allowed.
    RevocationsUnavailable,

    /// The resolver is out of reach, overloaded, or gives answers that make no sense.
    SessionUnavailable,
    /// The user's id cannot be told in a header.
    UserIdNotHeaderSafe,

    /// The handler wants a user, but no authentication layer ran before it.
    LayerMissing,
    /// The authentication layer that ran reads other custom claims than the handler asks for.
    ClaimsTypeMismatch,
    /// The authentication layer that ran is of another `Authgear` than the requirement.
    AuthgearMismatch,
    /// A requirement that a handler makes cannot be used; the error's source says why.
    InvalidRequirement,
}

impl AuthErrorKind {
    /// One fixed, lower-case sentence, safe to show to anyone.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::MissingCredential => "the request carries no access token",
            Self::MalformedAuthorizationHeader => "the authorization header is malformed",
            Self::MultipleCredentials => "the request carries more than one credential",
            Self::TokenTooLong => "the access token is too long",
            Self::MalformedToken => "the access token is malformed",
            Self::MalformedTokenHeader => "the header of the access token is malformed",
            Self::WrongTokenType => "the token is not an access token",
            Self::AlgorithmNotAllowed => "the algorithm of the access token is not allowed",
            Self::UnsupportedTokenHeader => "the access token uses an unsupported extension",
            Self::MissingKeyId => "the access token names no key",
            Self::MalformedClaims => "the claims of the access token are malformed",
            Self::MissingIssuer => "the access token names no issuer",
            Self::WrongIssuer => "the access token is from another issuer",
            Self::MissingAudience => "the access token names no audience",
            Self::WrongAudience => "the access token is for another audience",
            Self::MissingExpiry => "the access token has no expiry",
            Self::Expired => "the access token has expired",
            Self::NotYetValid => "the access token is not valid yet",
            Self::IssuedInFuture => "the access token was issued in the future",
            Self::MissingSubject => "the access token names no subject",
            Self::SubjectMismatch => "the subject of the access token is not its client",
            Self::SenderConstrainedToken => "the access token is bound to a key",
            Self::ClientNotAllowed => "the client of the access token is not allowed",
            Self::MalformedCustomClaims => "the custom claims of the access token are malformed",
            Self::Revoked => "the access token has been revoked",
            Self::OlderThanRevocationRetention => "the access token was issued too long ago",
            Self::MissingIssuedAt => "the access token does not say when it was issued",
            Self::UnknownKey => "the access token is signed by an unknown key",
            Self::KeyAlgorithmMismatch => "the key does not fit the algorithm of the access token",
            Self::BadSignature => "the signature of the access token is invalid",
            Self::SessionInvalid => "the session is not or no longer valid",
            Self::SessionMismatch => "the session is of another user than the access token",
            Self::MalformedIdentityHeaders => "the identity headers of the gateway are malformed",
            Self::TokensNotAccepted => "access tokens are not taken here",
            Self::UserRequired => "a user is required",
            Self::ClientRequired => "a machine is required",
            Self::CrossOriginRequest => "a cookie was sent from another origin",
            Self::InsufficientScope => "the access token lacks a required scope",
            Self::RoleMissing => "the user lacks a required role",
            Self::NotVerified => "the user is not verified",
            Self::AnonymousUser => "the user is anonymous",
            Self::ConditionNotMet => "the user may not do this",
            Self::AuthenticationTooOld => "the user must authenticate again",
            Self::AuthenticationTooWeak => "the user must authenticate in another way",
            Self::KeysUnavailable => "the keys to verify access tokens are unavailable",
            Self::RevocationsUnavailable => "the list of revoked access tokens is unavailable",
            Self::SessionUnavailable => "sessions cannot be checked at the moment",
            Self::UserIdNotHeaderSafe => "the id of the user cannot be told in a header",
            Self::LayerMissing => {
                "no authentication layer ran: add `.layer(authgear.layer())` around this route"
            }
            Self::ClaimsTypeMismatch => {
                "the authentication layer reads other custom claims: extract the type that the builder's `claims` names"
            }
            Self::AuthgearMismatch => {
                "the authentication layer is of another `Authgear`: make layer and requirement with the same one"
            }
            Self::InvalidRequirement => {
                "the requirement is invalid: use only scopes that RFC 6749 allows"
            }
        }
    }
}

/// What is the same for all errors of a kind, made when the first of them comes: a flood of bad
/// requests should not cost more than it must.
pub(crate) struct PerKind<T>([OnceLock<T>; KINDS]);

/// The number of kinds.
const KINDS: usize = AuthErrorKind::InvalidRequirement as usize + 1;

impl<T> PerKind<T> {
    pub(crate) const fn new() -> Self {
        Self([const { OnceLock::new() }; KINDS])
    }

    /// Uses what there is for `kind`.
    pub(crate) fn with<U>(
        &self,
        kind: AuthErrorKind,
        make: impl FnOnce(AuthErrorKind) -> T,
        work: impl FnOnce(&T) -> U,
    ) -> U {
        match self.0.get(kind as usize) {
            Some(slot) => work(slot.get_or_init(|| make(kind))),
            None => work(&make(kind)),
        }
    }
}
