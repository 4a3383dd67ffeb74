//! The report, as data.

use std::fmt;

use crate::error::AuthErrorKind;

/// The report about a token, from [`Authgear::explain`](crate::Authgear::explain).
///
/// `Display` shows the whole report, one line for each check. It contains claims of the token.
#[derive(Clone)]
pub struct Explanation {
    pub(super) verdict: Verdict,
    pub(super) likeness: Likeness,
    pub(super) checks: Vec<Check>,
    pub(super) notes: Vec<String>,
}

impl Explanation {
    /// What the layer does with the token.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// What the text looks like. This is a guess, and decides nothing.
    #[must_use]
    pub fn likeness(&self) -> Likeness {
        self.likeness
    }

    /// The checks of this mode, in the order of the verifier. At most one has failed.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The fix in one line, if the token is not accepted.
    #[must_use]
    pub fn cure(&self) -> Option<&str> {
        self.checks.iter().find_map(Check::cure)
    }

    /// Further notes, one line each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Shows no text of the token.
impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explanation")
            .field("verdict", &self.verdict)
            .field("likeness", &self.likeness)
            .field("checks", &self.checks)
            .finish_non_exhaustive()
    }
}

/// What the layer does with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Accepts it. A route for users still refuses a machine's token (403).
    Good,
    /// Refuses it, for this reason.
    Refused(AuthErrorKind),
    /// Answers 503, because keys, sessions or revocations cannot be reached.
    Unknown(AuthErrorKind),
}

/// One check, and its result.
#[derive(Clone)]
pub struct Check {
    pub(super) name: CheckName,
    pub(super) status: CheckStatus,
    pub(super) expected: Option<String>,
    pub(super) found: Option<String>,
    pub(super) cure: Option<String>,
}

impl Check {
    /// Which check it is.
    #[must_use]
    pub fn name(&self) -> CheckName {
        self.name
    }

    /// The result.
    #[must_use]
    pub fn status(&self) -> CheckStatus {
        self.status
    }

    /// The expected value: configured, or fixed by the specification.
    #[must_use]
    pub fn expected(&self) -> Option<&str> {
        self.expected.as_deref()
    }

    /// The token's value, if it can be read. It is bounded, and control characters and text direction
    /// characters are escaped. Checks that were not reached also have it.
    #[must_use]
    pub fn found(&self) -> Option<&str> {
        self.found.as_deref()
    }

    /// The fix in one line, for a failed check.
    #[must_use]
    pub fn cure(&self) -> Option<&str> {
        self.cure.as_deref()
    }
}

/// Shows no text of the token.
impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckStatus {
    /// It holds.
    Passed,
    /// It does not hold, or cannot be made. The token is not accepted.
    Failed,
    /// An earlier check has failed.
    NotReached,
}

/// Makes an enum of names.
macro_rules! names {
    ($(#[$of_enum:meta])* pub enum $name:ident {
        $($(#[$of_variant:meta])* $variant:ident = $text:literal,)*
    }) => {
        $(#[$of_enum])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$of_variant])* $variant,)*
        }

        impl $name {
            /// Its name in the printed form.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

names! {
    /// The checks of a token, in their order. Each mode has some of them.
    pub enum CheckName {
        /// Whether this mode accepts tokens.
        Mode = "mode",
        /// Characters, length, and the three parts of a JWT (RFC 7515 §3.1).
        Shape = "shape",
        /// The JOSE header: `alg`, `typ`, `kid`, extensions.
        Header = "header",
        /// That the claims are a JSON object with members of the right types.
        Claims = "claims",
        /// `iss`.
        Issuer = "issuer",
        /// `aud`.
        Audience = "audience",
        /// `exp`, `nbf`, `iat`.
        Times = "times",
        /// `sub` and `client_id`.
        Client = "client",
        /// That the project has the key in `kid`.
        Key = "key",
        /// The signature, by that key.
        Signature = "signature",
        /// That the token was not revoked here.
        Revocation = "revocation",
        /// The custom claims that the application reads.
        CustomClaims = "custom claims",
        /// That the session is alive at Authgear.
        Session = "session",
    }
}

names! {
    /// What a text looks like.
    pub enum Likeness {
        /// Nothing.
        Nothing = "nothing at all",
        /// A user's access token.
        UserToken = "the access token of a user",
        /// A machine's access token (client credentials).
        ClientToken = "the access token of a machine",
        /// An ID token, which is for the application that signs users in.
        IdToken = "an ID token",
        /// An access token that only Authgear can read.
        OpaqueToken = "an opaque token",
        /// A refresh token.
        RefreshToken = "a refresh token",
        /// An encrypted token (RFC 7516).
        EncryptedToken = "an encrypted token (JWE)",
        /// A JWT of another kind.
        OtherJwt = "a JWT that is no access token",
        /// A JWT without a signature.
        UnsignedToken = "a JWT without a signature",
        /// The beginning of a token, as logs show it.
        CutOff = "a token that was cut off",
        /// A token with blanks or line breaks in it.
        Broken = "a token with blanks in it",
        /// A token that went through another base64 or a URL.
        Reencoded = "a token that was encoded once more",
        /// A whole header field.
        HeaderField = "a header field, not only its token",
        /// A text in quotes.
        Quoted = "a text in quotes",
        /// The text of an absent value: `undefined`, `null`, `$TOKEN`.
        Placeholder = "a variable without its value",
        /// JSON, such as the whole response of the token endpoint.
        Json = "a JSON document",
        /// A URL.
        Url = "a URL",
        /// A key or certificate (PEM).
        Pem = "a key or certificate",
        /// An API key, or a name and password.
        OtherCredential = "a credential of another kind",
        /// Something else.
        Unknown = "nothing that is known here",
    }
}
