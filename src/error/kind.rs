//! [`AuthErrorKind`]: why a request or a token was refused.

use std::sync::OnceLock;

/// Makes the enum and its texts of one table.
macro_rules! kinds {
    ($(#[$of_enum:meta])* pub enum $name:ident {
        $($(#[$of_kind:meta])* $kind:ident = $stable:literal: $sentence:literal,)*
    }) => {
        $(#[$of_enum])*
        pub enum $name {
            $($(#[$of_kind])* $kind,)*
        }

        impl $name {
            /// All kinds of this version, in the order of their declaration: to test a responder of
            /// one's own with each.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The stable name, in snake case: what metrics and logs call it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $stable,)*
                }
            }

            /// One fixed, lower-case sentence, safe to show to anyone.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$kind => $sentence,)*
                }
            }
        }
    };
}

kinds! {
    /// The kinds of [`AuthError`](crate::AuthError).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum AuthErrorKind {
        /// The request carries no credential of ours.
        MissingCredential = "missing_credential": "the request carries no access token: send it in the field `Authorization: Bearer TOKEN`",
        /// `Authorization: Bearer` is not followed by spaces and one `b64token` (RFC 6750 §2.1).
        MalformedAuthorizationHeader = "malformed_authorization_header": "the authorization header is malformed: send `Bearer`, a space and the access token, and nothing else",
        /// More than one credential of a source: two `Authorization` fields, or two values of a cookie.
        MultipleCredentials = "multiple_credentials": "the request carries more than one credential",
        /// The token is longer than 8 KiB.
        TokenTooLong = "token_too_long": "the access token is too long",
        /// The token is one word of letters and digits, no JWT: Authgear issues opaque access tokens until
        /// *Issue JWT as access token* is turned on for the client.
        /// [How to cure it](crate::docs::troubleshooting#tokens).
        OpaqueToken = "opaque_token": "the access token is opaque, not a JWT: turn on Issue JWT as access token for the client in Authgear, or let this API use the session resolver",
        /// `undefined`, `null` or the like, as a client sends that has no token yet.
        /// [How to cure it](crate::docs::troubleshooting#tokens).
        PlaceholderToken = "placeholder_token": "the client sent a word such as undefined or null where the access token belongs: sign in and wait for the token before the request",
        /// The token is not a compact JWS: three parts of unpadded base64url.
        MalformedToken = "malformed_token": "the access token is malformed",
        /// The header is not a JSON object with the members that it must have, each once.
        MalformedTokenHeader = "malformed_token_header": "the header of the access token is malformed",
        /// `typ` is not `at+jwt` (RFC 9068 §4): an ID token, for example.
        /// [How to cure it](crate::docs::troubleshooting#tokens).
        WrongTokenType = "wrong_token_type": "the token is not an access token: send the access token, not the ID token",
        /// `alg` is not in the configured list.
        AlgorithmNotAllowed = "algorithm_not_allowed": "the algorithm of the access token is not allowed",
        /// The header asks for `crit`, `zip` or `b64` (RFC 7515 §4.1.11, RFC 7797).
        UnsupportedTokenHeader = "unsupported_token_header": "the access token uses an unsupported extension",
        /// The header names no key.
        MissingKeyId = "missing_key_id": "the access token names no key",
        /// The claims are not a JSON object with members of the right types, each once.
        MalformedClaims = "malformed_claims": "the claims of the access token are malformed",
        /// The token has no `iss`.
        MissingIssuer = "missing_issuer": "the access token names no issuer",
        /// `iss` is not the endpoint.
        /// [How to cure it](crate::docs::troubleshooting#tokens).
        WrongIssuer = "wrong_issuer": "the access token is from another issuer",
        /// The token has no `aud`.
        MissingAudience = "missing_audience": "the access token names no audience",
        /// None of the token's audiences is this API's.
        /// [How to cure it](crate::docs::troubleshooting#tokens).
        WrongAudience = "wrong_audience": "the access token is for another audience",
        /// The token has no `exp`.
        MissingExpiry = "missing_expiry": "the access token has no expiry",
        /// The token has expired.
        /// [How to cure it](crate::docs::troubleshooting#tokens).
        Expired = "expired": "the access token has expired",
        /// `nbf` lies in the future.
        NotYetValid = "not_yet_valid": "the access token is not valid yet",
        /// `iat` lies in the future.
        /// [How to cure it](crate::docs::troubleshooting#tokens).
        IssuedInFuture = "issued_in_future": "the access token was issued in the future",
        /// The token has no `sub`, or an empty one.
        MissingSubject = "missing_subject": "the access token names no subject",
        /// `sub` is a `client_id_…` that is not the token's client.
        SubjectMismatch = "subject_mismatch": "the subject of the access token is not its client",
        /// The token is bound to a key (`cnf`), and no proof of possession is checked here.
        SenderConstrainedToken = "sender_constrained_token": "the access token is bound to a key",
        /// The token's client is not in the list of allowed clients.
        /// [How to cure it](crate::docs::troubleshooting#tokens).
        ClientNotAllowed = "client_not_allowed": "the client of the access token is not allowed",
        /// The custom claims do not have the shape that this API asks for.
        MalformedCustomClaims = "malformed_custom_claims": "the custom claims of the access token are malformed",
        /// The user or the token was ended, by a webhook or by the application.
        Revoked = "revoked": "the access token has been revoked",
        /// The token was issued longer ago than ended users are remembered
        /// ([`revocation_retention`](crate::AuthgearBuilder::revocation_retention)).
        OlderThanRevocationRetention = "older_than_revocation_retention": "the access token was issued too long ago",
        /// The user's token has no `iat`, and revocation is on: nothing says whether it was issued
        /// before a revocation, or longer ago than these are remembered.
        MissingIssuedAt = "missing_issued_at": "the access token does not say when it was issued",
        /// No key of that name is known, and there is reason to believe that none will be.
        UnknownKey = "unknown_key": "the access token is signed by an unknown key",
        /// The key cannot be used with the token's algorithm.
        KeyAlgorithmMismatch = "key_algorithm_mismatch": "the key does not fit the algorithm of the access token",
        /// The signature is not the key's.
        BadSignature = "bad_signature": "the signature of the access token is invalid",
        /// The session that the credential stands for does not exist, or not any more.
        SessionInvalid = "session_invalid": "the session is not or no longer valid",
        /// The token is one user's, and its session another's.
        SessionMismatch = "session_mismatch": "the session is of another user than the access token",
        /// The gateway has proved itself, and what it says of the user makes no sense.
        MalformedIdentityHeaders = "malformed_identity_headers": "the identity headers of the gateway are malformed",
        /// A token was given to [`Authgear::verify`](crate::Authgear::verify) where none is read: behind
        /// a gateway.
        TokensNotAccepted = "tokens_not_accepted": "access tokens are not taken here",
        /// A machine's token where a user is needed.
        UserRequired = "user_required": "a user is required",
        /// A user's token where a machine is needed.
        ClientRequired = "client_required": "a machine is required",
        /// A cookie credential on an unsafe request from another origin.
        /// [How to cure it](crate::docs::troubleshooting#browsers).
        CrossOriginRequest = "cross_origin_request": "a cookie was sent from another origin",
        /// The token lacks a scope that is required.
        InsufficientScope = "insufficient_scope": "the access token lacks a required scope",
        /// The user lacks a role that is required.
        RoleMissing = "role_missing": "the user lacks a required role",
        /// The user has no verified identity, and one is required.
        NotVerified = "not_verified": "the user is not verified",
        /// The user is an anonymous one.
        AnonymousUser = "anonymous_user": "the user is anonymous",
        /// The user or machine is of a project that does not count on this route
        /// ([`AuthenticateLayer::issuers`](crate::AuthenticateLayer::issuers)), or is not issued by
        /// the one that is required.
        IssuerNotAllowed = "issuer_not_allowed": "the issuer of the credential is not allowed here",
        /// A condition of the application's own does not hold for the user.
        ConditionNotMet = "condition_not_met": "the user may not do this",
        /// The user authenticated too long ago, or at an unknown time (RFC 9470).
        AuthenticationTooOld = "authentication_too_old": "the user must authenticate again",
        /// The user is not known to have authenticated in the way that is required (RFC 9470).
        AuthenticationTooWeak = "authentication_too_weak": "the user must authenticate in another way",
        /// The keys are out of reach, or too old to be trusted.
        /// [How to cure it](crate::docs::troubleshooting#endpoint-and-network).
        KeysUnavailable = "keys_unavailable": "the keys to verify access tokens are unavailable",
        /// What other replicas know of ended users has been out of reach for longer than is allowed.
        RevocationsUnavailable = "revocations_unavailable": "the list of revoked access tokens is unavailable",
        /// The resolver is out of reach, overloaded, or gives answers that make no sense.
        /// [How to cure it](crate::docs::troubleshooting#endpoint-and-network).
        SessionUnavailable = "session_unavailable": "sessions cannot be checked at the moment",
        /// The user's id cannot be told in a header.
        UserIdNotHeaderSafe = "user_id_not_header_safe": "the id of the user cannot be told in a header",
        /// The handler, a requirement or a middleware wants a user, but no authentication layer ran
        /// before it: there is none, or it stands in the wrong order.
        /// [How to cure it](crate::docs::troubleshooting#wiring).
        LayerMissing = "layer_missing": "no authentication layer ran before this: add `.layer(authgear.layer())` after the route, and after any `require` or `from_fn` layer that needs the user (axum runs the layer that is added last first)",
        /// The authentication layer that ran reads other custom claims than the handler asks for.
        /// [How to cure it](crate::docs::troubleshooting#wiring).
        ClaimsTypeMismatch = "claims_type_mismatch": "the authentication layer reads other custom claims: extract the type that the builder's `claims` names",
        /// The authentication layer that ran is of another `Authgear` than the requirement.
        /// [How to cure it](crate::docs::troubleshooting#wiring).
        AuthgearMismatch = "authgear_mismatch": "the authentication layer is of another `Authgear`: make layer and requirement with the same one",
        /// The handler wants the access token, and the layer does not keep it.
        AccessTokenNotKept = "access_token_not_kept": "the access token was not kept: add `.keep_access_tokens()` to the builder",
        /// Nothing has judged the request, and its route was not named open: the [seal](crate::SealLayer)
        /// has replaced the answer.
        UnprotectedRoute = "unprotected_route": "nothing protects this route: add `.layer(authgear.layer())` around it, or name it open with `.layer(authgear.open())`",
        /// A requirement that a handler makes cannot be used; the error's source says why.
        /// [How to cure it](crate::docs::troubleshooting#wiring).
        InvalidRequirement = "invalid_requirement": "the requirement is invalid: use only scopes that RFC 6749 allows",
    }
}

/// What is the same for all errors of a kind, made when the first of them comes: a flood of bad
/// requests should not cost more than it must.
pub(crate) struct PerKind<T>([OnceLock<T>; KINDS]);

/// The number of kinds.
const KINDS: usize = AuthErrorKind::ALL.len();

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
