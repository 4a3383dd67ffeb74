//! [`AuthErrorKind`]: why a request or a token was refused.

use std::sync::OnceLock;

/// Makes the enum and its texts from one table.
macro_rules! kinds {
    ($(#[$of_enum:meta])* pub enum $name:ident {
        $($(#[$of_kind:meta])* $kind:ident = $stable:literal: $sentence:literal,)*
    }) => {
        $(#[$of_enum])*
        pub enum $name {
            $($(#[$of_kind])* $kind,)*
        }

        impl $name {
            /// All kinds of this version, in the order of their declaration. Use it to test a custom
            /// responder with each kind.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The stable name in snake case, which metrics and logs use.
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
        /// The request carries no credential.
        MissingCredential = "missing_credential": "the request carries no access token: send it in the field `Authorization: Bearer TOKEN`",
        /// `Authorization: Bearer` is not followed by spaces and one `b64token` (RFC 6750 §2.1).
        MalformedAuthorizationHeader = "malformed_authorization_header": "the authorization header is malformed: send `Bearer`, a space and the access token, and nothing else",
        /// One source has more than one credential: two `Authorization` fields, or two values of a cookie.
        MultipleCredentials = "multiple_credentials": "the request carries more than one credential",
        /// The token is longer than 8 KiB.
        TokenTooLong = "token_too_long": "the access token is too long",
        /// The token is one word of letters and digits, and no JWT. Authgear issues opaque access tokens until
        /// *Issue JWT as access token* is turned on for the client.
        /// [How to cure it](crate::docs::troubleshooting#tokens).
        OpaqueToken = "opaque_token": "the access token is opaque, not a JWT: turn on Issue JWT as access token for the client in Authgear, or let this API use the session resolver",
        /// `undefined`, `null` or a similar word, from a client that has no token yet.
        /// [How to cure it](crate::docs::troubleshooting#tokens).
        PlaceholderToken = "placeholder_token": "the client sent a word such as undefined or null where the access token belongs: sign in and wait for the token before the request",
        /// The token is not a compact JWS (three parts of unpadded base64url).
        MalformedToken = "malformed_token": "the access token is malformed",
        /// The header is not a JSON object with each required member once.
        MalformedTokenHeader = "malformed_token_header": "the header of the access token is malformed",
        /// `typ` is not `at+jwt` (RFC 9068 §4): an ID token, for example.
        /// [How to cure it](crate::docs::troubleshooting#tokens).
        WrongTokenType = "wrong_token_type": "the token is not an access token: send the access token, not the ID token",
        /// `alg` is not in the configured list.
        AlgorithmNotAllowed = "algorithm_not_allowed": "the algorithm of the access token is not allowed",
        /// The header asks for `crit`, `zip` or `b64` (RFC 7515 §4.1.11, RFC 7797).
        UnsupportedTokenHeader = "unsupported_token_header": "the access token uses an unsupported extension",
        /// The header has no `kid`.
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
        /// `sub` is a `client_id_…`, but not of the token's client.
        SubjectMismatch = "subject_mismatch": "the subject of the access token is not its client",
        /// The token is bound to a key (`cnf`), and no proof of possession is checked here.
        SenderConstrainedToken = "sender_constrained_token": "the access token is bound to a key",
        /// The token's client is not in the list of allowed clients.
        /// [How to cure it](crate::docs::troubleshooting#tokens).
        ClientNotAllowed = "client_not_allowed": "the client of the access token is not allowed",
        /// The custom claims cannot be read as the type in the builder's `claims`.
        MalformedCustomClaims = "malformed_custom_claims": "the custom claims of the access token are malformed",
        /// A webhook or the application revoked the token, or all tokens of its user or client.
        Revoked = "revoked": "the access token has been revoked",
        /// The token was issued longer ago than revocations are remembered
        /// ([`revocation_retention`](crate::AuthgearBuilder::revocation_retention)).
        OlderThanRevocationRetention = "older_than_revocation_retention": "the access token was issued too long ago",
        /// The user's token has no `iat`, and revocation is on: it could be older than a
        /// revocation, or than the retention.
        MissingIssuedAt = "missing_issued_at": "the access token does not say when it was issued",
        /// The project has no key with the token's `kid`.
        UnknownKey = "unknown_key": "the access token is signed by an unknown key",
        /// The key cannot be used with the token's algorithm.
        KeyAlgorithmMismatch = "key_algorithm_mismatch": "the key does not fit the algorithm of the access token",
        /// The signature is not the key's.
        BadSignature = "bad_signature": "the signature of the access token is invalid",
        /// The session of the credential does not exist, or has ended.
        SessionInvalid = "session_invalid": "the session does not exist or has ended",
        /// The token and its session belong to different users.
        SessionMismatch = "session_mismatch": "the session and the access token belong to different users",
        /// The gateway sent a correct proof and malformed identity headers, or with several projects no issuer.
        MalformedIdentityHeaders = "malformed_identity_headers": "the identity headers of the gateway are malformed",
        /// [`Authgear::verify`](crate::Authgear::verify) was called in the mode gateway, which reads no
        /// tokens.
        TokensNotAccepted = "tokens_not_accepted": "access tokens are not accepted here",
        /// A machine's token where a user is required.
        UserRequired = "user_required": "a user is required",
        /// A user's token where a machine is required.
        ClientRequired = "client_required": "a machine is required",
        /// A cookie credential on an unsafe request from another origin.
        /// [How to cure it](crate::docs::troubleshooting#browsers).
        CrossOriginRequest = "cross_origin_request": "a cookie was sent from another origin",
        /// The token lacks a required scope.
        InsufficientScope = "insufficient_scope": "the access token lacks a required scope",
        /// The user lacks a required role.
        RoleMissing = "role_missing": "the user lacks a required role",
        /// The user has no verified identity, but one is required.
        NotVerified = "not_verified": "the user is not verified",
        /// The user is anonymous, but must not be.
        AnonymousUser = "anonymous_user": "the user is anonymous",
        /// The route does not accept the project of the user or machine
        /// ([`AuthenticateLayer::issuers`](crate::AuthenticateLayer::issuers)), or a requirement names
        /// another project.
        IssuerNotAllowed = "issuer_not_allowed": "the issuer of the credential is not allowed here",
        /// A custom condition does not hold for the user.
        ConditionNotMet = "condition_not_met": "the user may not do this",
        /// The user authenticated too long ago, or at an unknown time (RFC 9470).
        AuthenticationTooOld = "authentication_too_old": "the user must authenticate again",
        /// The user did not authenticate in the required way, or the way is unknown (RFC 9470).
        AuthenticationTooWeak = "authentication_too_weak": "the user must authenticate in another way",
        /// The keys cannot be fetched, and there are none or they are too old.
        /// [How to cure it](crate::docs::troubleshooting#endpoint-and-network).
        KeysUnavailable = "keys_unavailable": "the keys to verify access tokens are unavailable",
        /// The revocations of other replicas have been unreachable for longer than
        /// `RedisConfig::max_staleness`.
        RevocationsUnavailable = "revocations_unavailable": "the list of revoked access tokens is unavailable",
        /// The resolver is unreachable, overloaded, or gives malformed answers.
        /// [How to cure it](crate::docs::troubleshooting#endpoint-and-network).
        SessionUnavailable = "session_unavailable": "sessions cannot be checked at the moment",
        /// The user's id has characters that a header field cannot have.
        UserIdNotHeaderSafe = "user_id_not_header_safe": "the id of the user cannot be written into a header",
        /// The handler, a requirement or a middleware needs the user, but no authentication layer ran
        /// before it: there is no layer, or the order is wrong.
        /// [How to cure it](crate::docs::troubleshooting#wiring).
        LayerMissing = "layer_missing": "no authentication layer ran before this: add `.layer(authgear.layer())` after the route, and after any `require` or `from_fn` layer that needs the user (axum runs the layer that is added last first)",
        /// The authentication layer reads other custom claims than the handler extracts.
        /// [How to cure it](crate::docs::troubleshooting#wiring).
        ClaimsTypeMismatch = "claims_type_mismatch": "the authentication layer reads other custom claims: extract the type that the builder's `claims` names",
        /// The authentication layer and the requirement belong to different `Authgear`s.
        /// [How to cure it](crate::docs::troubleshooting#wiring).
        AuthgearMismatch = "authgear_mismatch": "the authentication layer belongs to another `Authgear`: make the layer and the requirement with the same one",
        /// The handler extracts the access token, but the layer does not keep it.
        AccessTokenNotKept = "access_token_not_kept": "the access token was not kept: add `.keep_access_tokens()` to the builder",
        /// No layer decided about the request, and its route is not named open: the [seal](crate::SealLayer)
        /// replaced the response.
        UnprotectedRoute = "unprotected_route": "nothing protects this route: add `.layer(authgear.layer())` around it, or name it open with `.layer(authgear.open())`",
        /// A requirement in a handler is invalid. The error's source gives the reason.
        /// [How to cure it](crate::docs::troubleshooting#wiring).
        InvalidRequirement = "invalid_requirement": "the requirement is invalid: use only scopes that RFC 6749 allows",
    }
}

/// A value that all errors of a kind share, made for the first of them: this keeps a flood of bad
/// requests cheap.
pub(crate) struct PerKind<T>([OnceLock<T>; KINDS]);

/// The number of kinds.
const KINDS: usize = AuthErrorKind::ALL.len();

impl<T> PerKind<T> {
    pub(crate) const fn new() -> Self {
        Self([const { OnceLock::new() }; KINDS])
    }

    /// Calls `work` with the value of `kind`.
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
