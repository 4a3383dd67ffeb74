//! Tokens: every kind that Authgear issues, and those that it never issues.

mod mint;
pub(super) mod signing_key;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::Value;

use self::signing_key::SigningKey;
use super::state::Shared;
use super::state::accounts::User;
use super::state::sessions::ACCESS_TOKEN_LIFETIME;

/// Describes a token. [`sign`](Self::sign) makes it.
///
/// The defaults are those of a first-party web client after a sign-in with a password:
///
/// | claim | access token | M2M token | ID token |
/// |---|---|---|---|
/// | `iss` | the endpoint | the endpoint | the endpoint |
/// | `aud` | `[endpoint]` | `[resource]` | `[client]` |
/// | `sub` | the user's id | `client_id_<client>` | the user's id |
/// | `client_id` | `spa` | the client | |
/// | `iat` | now, by the fake's clock | now | now |
/// | `exp` | `iat` + 1,800 s | `iat` + 1,800 s | `iat` + 300 s |
/// | `auth_time` | `iat`, or the session's | | as for an access token |
/// | `amr` | `pwd`, `x_primary_password`; none for an anonymous user | | as for an access token |
/// | `scope` | `openid offline_access https://authgear.com/scopes/full-access` | empty | |
/// | `jti` | random | random | |
/// | `…/claims/user/*` | the user as it is now | | as for an access token |
///
/// The methods that set one member are applied last, in the order of their calls:
/// [`claim`](Self::claim), [`remove_claim`](Self::remove_claim), [`header`](Self::header),
/// [`remove_header`](Self::remove_header).
#[derive(Clone)]
#[must_use]
pub struct TokenBuilder {
    pub(super) shared: Arc<Shared>,
    pub(super) kind: Kind,
    pub(super) source: Source,
    pub(super) client_id: String,
    pub(super) scope: String,
    pub(super) issued_at: u64,
    pub(super) expires_at: Option<u64>,
    pub(super) lifetime: u64,
    pub(super) auth_time: Option<u64>,
    pub(super) amr: Option<Vec<String>>,
    pub(super) profile: bool,
    pub(super) kid: Option<String>,
    claims: Vec<Change>,
    header: Vec<Change>,
    raw_claims: Option<String>,
    raw_header: Option<String>,
    /// `None`: the fake's key that signs when the token is made.
    key: Option<SigningKey>,
    signature: Signature,
}

#[derive(Clone)]
pub(super) enum Kind {
    Access,
    Machine { resource: String },
    Id,
}

#[derive(Clone)]
pub(super) enum Source {
    NewSession(User),
    Session(String),
    Nobody,
}

/// A member to set, or with `None` to leave out.
type Change = (String, Option<Value>);

#[derive(Clone, Copy)]
enum Signature {
    Good,
    Tampered,
    Empty,
}

impl TokenBuilder {
    pub(in crate::testkit) fn new(shared: &Arc<Shared>, kind: Kind, source: Source) -> Self {
        let (scope, lifetime) = match kind {
            Kind::Access => (FULL_ACCESS, ACCESS_TOKEN_LIFETIME),
            Kind::Machine { .. } => ("", ACCESS_TOKEN_LIFETIME),
            Kind::Id => ("", 300),
        };
        Self {
            shared: Arc::clone(shared),
            kind,
            source,
            client_id: "spa".to_owned(),
            scope: scope.to_owned(),
            issued_at: shared.now(),
            expires_at: None,
            lifetime,
            auth_time: None,
            amr: None,
            profile: false,
            kid: None,
            claims: Vec::new(),
            header: Vec::new(),
            raw_claims: None,
            raw_header: None,
            key: None,
            signature: Signature::Good,
        }
    }

    /// The OAuth client.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = client_id.into();
        self
    }

    /// The scopes, separated by spaces.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// When the token was issued, in Unix seconds. The default expiry changes with it.
    pub fn issued_at(mut self, unix_seconds: u64) -> Self {
        self.issued_at = unix_seconds;
        self
    }

    /// When the token expires, in Unix seconds. It replaces [`lifetime`](Self::lifetime).
    pub fn expires_at(mut self, unix_seconds: u64) -> Self {
        self.expires_at = Some(unix_seconds);
        self
    }

    /// How long after `iat` the token expires, in whole seconds. It replaces
    /// [`expires_at`](Self::expires_at).
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime.as_secs();
        self.expires_at = None;
        self
    }

    /// When the user authenticated, in Unix seconds. If the token begins a session, the session has the
    /// same time.
    pub fn auth_time(mut self, unix_seconds: u64) -> Self {
        self.auth_time = Some(unix_seconds);
        self
    }

    /// How the user authenticated. An empty list leaves the claim out.
    pub fn amr<I>(mut self, amr: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.amr = Some(amr.into_iter().map(Into::into).collect());
        self
    }

    /// A token for a third-party client that has the user's consent: client `partner`, scope
    /// `…/full-userinfo` instead of `…/full-access`, and the user's profile among the claims.
    pub fn third_party(mut self) -> Self {
        self.profile = true;
        self.scope(FULL_USERINFO).client_id("partner")
    }

    /// A token from a refresh: without `amr`.
    pub fn refreshed(self) -> Self {
        self.amr([] as [&str; 0])
    }

    /// Sets a claim to any value.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.push((name.into(), Some(value.into())));
        self
    }

    /// Leaves a claim out.
    pub fn remove_claim(mut self, name: impl Into<String>) -> Self {
        self.claims.push((name.into(), None));
        self
    }

    /// Sets a member of the JOSE header to any value.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.header.push((name.into(), Some(value.into())));
        self
    }

    /// Leaves a member of the JOSE header out.
    pub fn remove_header(mut self, name: impl Into<String>) -> Self {
        self.header.push((name.into(), None));
        self
    }

    /// Replaces the header with this text as it is, for example with duplicate members, with an array, or
    /// with text that is not JSON.
    pub fn raw_header(mut self, bytes: &str) -> Self {
        self.raw_header = Some(bytes.to_owned());
        self
    }

    /// Replaces the claims with this text as it is. The resolver knows the token only if the claims have
    /// a `jti` and an `exp`.
    pub fn raw_claims(mut self, bytes: &str) -> Self {
        self.raw_claims = Some(bytes.to_owned());
        self
    }

    /// Signs with this key instead of the fake's, and names it in the header.
    pub fn signed_by(mut self, key: &SigningKey) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// Sets the `kid` in the header. It does not change the key that signs.
    pub fn kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// Signs by HMAC-SHA256 with this secret. The header has `alg: HS256` and the `kid` of the fake's
    /// current signing key.
    ///
    /// # Panics
    ///
    /// When the fake has no signing key left.
    pub fn hs256(mut self, secret: impl AsRef<[u8]>) -> Self {
        let named = self.shared.state().keys.signing();
        self.key = Some(SigningKey::hs256(secret.as_ref()).with_kid(named.kid()));
        self
    }

    /// Leaves the signature empty. The header names algorithm and key as before
    /// (`.header("alg", "none")` changes that).
    pub fn unsigned(mut self) -> Self {
        self.signature = Signature::Empty;
        self
    }

    /// Changes one bit of the signature.
    pub fn tamper_signature(mut self) -> Self {
        self.signature = Signature::Tampered;
        self
    }

    /// Makes the token. From now on the resolver knows it.
    ///
    /// # Panics
    ///
    /// When the fake has no signing key left.
    #[must_use]
    pub fn sign(self) -> String {
        let claims = self.claims_text();
        let current = || self.shared.state().keys.signing();
        let key = self.key.clone().unwrap_or_else(current);
        let header = self.header_text(&key);
        let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode_to_string(part));
        let message = message.join(".");
        let mut signature = key.sign(message.as_bytes());
        match (self.signature, signature.last_mut()) {
            (Signature::Tampered, Some(byte)) => *byte ^= 1,
            (Signature::Empty, _) => signature.clear(),
            _ => {}
        }
        format!("{message}.{}", URL_SAFE_NO_PAD.encode_to_string(signature))
    }
}

/// Prints only the type.
impl fmt::Debug for TokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuilder")
            .field("typ", &self.typ())
            .finish_non_exhaustive()
    }
}

const FULL_ACCESS: &str = "openid offline_access https://authgear.com/scopes/full-access";
const FULL_USERINFO: &str = "openid offline_access https://authgear.com/scopes/full-userinfo";
