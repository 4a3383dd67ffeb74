//! Minting: every kind of token that Authgear issues, and those that it never would.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::fake::{FakeAuthgear, Shared};
use super::keys::SigningKey;
use super::random;
use super::session::{ACCESS_TOKEN_LIFETIME, Grant, Session, SessionState};
use super::user::User;

impl FakeAuthgear {
    /// An access token of the user, from a session of its own (opened when the token is signed):
    /// see [`TokenBuilder`] for the defaults.
    pub fn token(&self, user: &User) -> TokenBuilder {
        let source = Source::NewSession(user.clone());
        TokenBuilder::new(self.shared(), Kind::Access, source)
    }

    /// An M2M access token (client credentials) of the client for the resource: `sub` is
    /// `client_id_<client>`, `aud` the resource, `scope` empty, and there is no user in it.
    pub fn machine_token(
        &self,
        client_id: impl Into<String>,
        resource: impl Into<String>,
    ) -> TokenBuilder {
        let kind = Kind::Machine {
            resource: resource.into(),
        };
        TokenBuilder::new(self.shared(), kind, Source::Nobody).client_id(client_id)
    }

    /// An ID token of the user, which must never pass as an access token. It lives for 300 s.
    pub fn id_token(&self, user: &User) -> TokenBuilder {
        let source = Source::NewSession(user.clone());
        TokenBuilder::new(self.shared(), Kind::Id, source)
    }

    /// The session behind an access token that this fake signed, or an opaque one.
    #[must_use]
    pub fn session_of(&self, token: &str) -> Option<Session> {
        let hash = jti(token).unwrap_or_else(|| random::hash(token));
        let id = self.shared().state().sessions.session_of(&hash)?.to_owned();
        Some(Session::new(Arc::clone(self.shared()), id))
    }
}

/// A token in the making; [`sign`](Self::sign) makes it.
///
/// The defaults are those of a first-party web client right after a sign-in with a password:
///
/// | claim | access token | M2M token | ID token |
/// |---|---|---|---|
/// | `iss` | the endpoint | the endpoint | the endpoint |
/// | `aud` | `[endpoint]` | `[resource]` | `[client]` |
/// | `sub` | the user's id | `client_id_<client>` | the user's id |
/// | `client_id` | `spa` | the client | |
/// | `iat` | now, by the fake's clock | now | now |
/// | `exp` | `iat` + 1,800 s | `iat` + 1,800 s | `iat` + 300 s |
/// | `auth_time` | `iat`, or the session's | | as there |
/// | `amr` | `pwd`, `x_primary_password`; none of an anonymous user | | as there |
/// | `scope` | `openid offline_access https://authgear.com/scopes/full-access` | empty | |
/// | `jti` | a new one | a new one | |
/// | `…/claims/user/*` | as the user is now | | as there |
///
/// The methods that set one member are applied last, in the order of their calls:
/// [`claim`](Self::claim), [`remove_claim`](Self::remove_claim), [`header`](Self::header),
/// [`remove_header`](Self::remove_header).
#[derive(Clone)]
#[must_use]
pub struct TokenBuilder {
    shared: Arc<Shared>,
    kind: Kind,
    source: Source,
    client_id: String,
    scope: String,
    issued_at: u64,
    expires_at: Option<u64>,
    lifetime: u64,
    auth_time: Option<u64>,
    amr: Option<Vec<String>>,
    profile: bool,
    kid: Option<String>,
    claims: Vec<Change>,
    header: Vec<Change>,
    raw_claims: Option<String>,
    raw_header: Option<String>,
    signer: Signer,
    tampered: bool,
}

#[derive(Clone)]
enum Kind {
    Access,
    Machine { resource: String },
    Id,
}

#[derive(Clone)]
enum Source {
    NewSession(User),
    Session(String),
    Nobody,
}

#[derive(Clone)]
enum Signer {
    /// The key that signs when the token is made.
    Current,
    Key(SigningKey),
    Hs256(hmac::Key),
    Nobody,
}

#[derive(Clone)]
struct Change {
    name: String,
    value: Option<Value>,
}

impl TokenBuilder {
    fn new(shared: &Arc<Shared>, kind: Kind, source: Source) -> Self {
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
            signer: Signer::Current,
            tampered: false,
        }
    }

    pub(super) fn of_session(shared: &Arc<Shared>, id: &str) -> Self {
        Self::new(shared, Kind::Access, Source::Session(id.to_owned()))
    }

    pub(super) fn id_of_session(shared: &Arc<Shared>, id: &str) -> Self {
        Self::new(shared, Kind::Id, Source::Session(id.to_owned()))
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

    /// When the token was issued, in Unix seconds; its end moves along.
    pub fn issued_at(mut self, unix_seconds: u64) -> Self {
        self.issued_at = unix_seconds;
        self
    }

    /// When the token ends, in Unix seconds, whatever its lifetime.
    pub fn expires_at(mut self, unix_seconds: u64) -> Self {
        self.expires_at = Some(unix_seconds);
        self
    }

    /// How long the token lives from `iat`, in whole seconds.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime.as_secs();
        self.expires_at = None;
        self
    }

    /// When the user authenticated, in Unix seconds; so the session says too when this token opens
    /// one.
    pub fn auth_time(mut self, unix_seconds: u64) -> Self {
        self.auth_time = Some(unix_seconds);
        self
    }

    /// How the user authenticated; none of it leaves the claim out.
    pub fn amr<I>(mut self, amr: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.amr = Some(amr.into_iter().map(Into::into).collect());
        self
    }

    /// As for a third-party client that the user consented to: client `partner`, scope
    /// `…/full-userinfo` in the place of `…/full-access`, and the user's profile among the claims.
    pub fn third_party(mut self) -> Self {
        self.profile = true;
        self.scope(FULL_USERINFO).client_id("partner")
    }

    /// As a refresh makes it: without `amr`.
    pub fn refreshed(self) -> Self {
        self.amr([] as [&str; 0])
    }

    /// Sets a claim to any value.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.push(Change::set(name, value));
        self
    }

    /// Leaves a claim out.
    pub fn remove_claim(mut self, name: impl Into<String>) -> Self {
        self.claims.push(Change::remove(name));
        self
    }

    /// Sets a member of the JOSE header to any value.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.header.push(Change::set(name, value));
        self
    }

    /// Leaves a member of the JOSE header out.
    pub fn remove_header(mut self, name: impl Into<String>) -> Self {
        self.header.push(Change::remove(name));
        self
    }

    /// Puts these bytes in the place of the header, as they are: for duplicate members, arrays, and
    /// what is no JSON at all.
    pub fn raw_header(mut self, bytes: &str) -> Self {
        self.raw_header = Some(bytes.to_owned());
        self
    }

    /// Puts these bytes in the place of the claims, as they are. The resolver then knows the token
    /// only where they hold a `jti`.
    pub fn raw_claims(mut self, bytes: &str) -> Self {
        self.raw_claims = Some(bytes.to_owned());
        self
    }

    /// Signs with this key, and names it in the header, in the place of the fake's.
    pub fn signed_by(mut self, key: &SigningKey) -> Self {
        self.signer = Signer::Key(key.clone());
        self
    }

    /// Signs with the fake's listed key of that `kid`, not with the one that signs now.
    ///
    /// # Panics
    ///
    /// When no key of that `kid` is listed.
    pub fn signed_with(self, kid: &str) -> Self {
        let key = self.shared.state().keys.find(kid).cloned();
        let key = key.unwrap_or_else(|| panic!("no key of kid {kid} is listed"));
        self.signed_by(&key)
    }

    /// Names this `kid` in the header, whichever key signs.
    pub fn kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// Signs by HMAC-SHA256 with this secret, and says `alg: HS256`.
    pub fn hs256(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.signer = Signer::Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref()));
        self
    }

    /// Leaves the signature empty, while the header names algorithm and key as before
    /// (`.header("alg", "none")` makes it honest).
    pub fn unsigned(mut self) -> Self {
        self.signer = Signer::Nobody;
        self
    }

    /// Changes one bit of the signature.
    pub fn tamper_signature(mut self) -> Self {
        self.tampered = true;
        self
    }

    /// Makes the token, and makes it known to the resolver.
    ///
    /// # Panics
    ///
    /// When the fake has no signing key left, and when the user or session is none of this fake's.
    #[must_use]
    pub fn sign(self) -> String {
        let claims = self.claims();
        let named = self.named_key();
        let header = match &self.raw_header {
            Some(bytes) => bytes.clone(),
            None => self.header_text(&named),
        };
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode_to_string(header),
            URL_SAFE_NO_PAD.encode_to_string(claims)
        );
        let mut signature = self.signature(&named, message.as_bytes());
        if self.tampered
            && let Some(byte) = signature.last_mut()
        {
            *byte ^= 1;
        }
        format!("{message}.{}", URL_SAFE_NO_PAD.encode_to_string(signature))
    }

    fn typ(&self) -> &'static str {
        match self.kind {
            Kind::Access | Kind::Machine { .. } => "at+jwt",
            Kind::Id => "JWT",
        }
    }

    fn current_key(&self) -> SigningKey {
        let key = self.shared.state().keys.signing().cloned();
        key.expect("a key is listed: add one before tokens are signed")
    }

    /// The key that the header names, whether or not it signs.
    fn named_key(&self) -> SigningKey {
        match &self.signer {
            Signer::Key(key) => key.clone(),
            Signer::Current | Signer::Hs256(_) | Signer::Nobody => self.current_key(),
        }
    }

    fn header_text(&self, named: &SigningKey) -> String {
        let algorithm = match self.signer {
            Signer::Hs256(_) => "HS256",
            Signer::Current | Signer::Key(_) | Signer::Nobody => named.algorithm(),
        };
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!(algorithm));
        let kid = self.kid.as_deref().unwrap_or(named.kid());
        header.insert("kid".to_owned(), json!(kid));
        header.insert("typ".to_owned(), json!(self.typ()));
        json_text(apply(header, &self.header))
    }

    fn signature(&self, named: &SigningKey, message: &[u8]) -> Vec<u8> {
        match &self.signer {
            Signer::Current | Signer::Key(_) => named.sign(message),
            Signer::Hs256(key) => hmac::sign(key, message).as_ref().to_vec(),
            Signer::Nobody => Vec::new(),
        }
    }

    /// The claims' bytes; the session and the token in it are known from here on.
    fn claims(&self) -> String {
        let mut claims = self.plain_claims();
        let session = self.session();
        if let Some((_, session)) = &session {
            self.user_claims(&mut claims, session);
        }
        let claims = apply(claims, &self.claims);
        let text = self.raw_claims.clone().unwrap_or_else(|| json_text(claims));
        if let (Kind::Access, Some((id, _))) = (&self.kind, session) {
            self.register(id, &text);
        }
        text
    }

    /// What every token has, and what a client's has.
    fn plain_claims(&self) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("iss", json!(self.shared.endpoint));
        set("iat", json!(self.issued_at));
        let expires_at = self.expires_at.unwrap_or(self.issued_at + self.lifetime);
        set("exp", json!(expires_at));
        match &self.kind {
            Kind::Access => set("aud", json!([self.shared.endpoint])),
            Kind::Machine { resource } => {
                set("sub", json!(format!("client_id_{}", self.client_id)));
                set("aud", json!([resource]))
            }
            Kind::Id => set("aud", json!([self.client_id])),
        };
        if let Kind::Access | Kind::Machine { .. } = self.kind {
            set("client_id", json!(self.client_id));
            set("jti", json!(random::hash(&random::token())));
            set("scope", json!(self.scope));
        }
        claims
    }

    fn user_claims(&self, claims: &mut Map<String, Value>, session: &SessionState) {
        let user = match &self.source {
            Source::NewSession(user) => Some(user.clone()),
            _ => None,
        };
        let state = self.shared.state();
        let account = state.accounts.find(&session.user_id);
        // A user who was deleted has tokens still; they say what the handle says.
        let user = account.map(|account| account.user.clone()).or(user);
        let user = user.expect("the session's user is one of this fake's");
        let updated_at = account.map_or(self.issued_at, |account| account.updated_at.as_secs());
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("sub", json!(user.id()));
        let auth_time = self.auth_time.or(session.authenticated_at);
        if let Some(auth_time) = auth_time {
            set("auth_time", json!(auth_time));
        }
        let amr = match &self.amr {
            Some(amr) => amr.clone(),
            None if user.anonymous => Vec::new(),
            None => vec!["pwd".to_owned(), "x_primary_password".to_owned()],
        };
        if !amr.is_empty() {
            set("amr", json!(amr));
        }
        for (name, value) in user.claims() {
            set(name, value);
        }
        if let Kind::Id = self.kind {
            let sid = format!("offline_grant:{}", session.grant_id);
            set("sid", json!(URL_SAFE_NO_PAD.encode_to_string(sid)));
        }
        if self.profile {
            claims.extend(user.standard_attributes(updated_at));
        }
    }

    /// The session of the token, opened here if it is to have its own.
    fn session(&self) -> Option<(String, SessionState)> {
        let mut state = self.shared.state();
        let id = match &self.source {
            Source::Nobody => return None,
            Source::Session(id) => id.clone(),
            Source::NewSession(user) => {
                let auth_time = self.auth_time.unwrap_or(self.issued_at);
                state
                    .sessions
                    .open(SessionState::new(user.id(), Some(auth_time)))
            }
        };
        let session = state.sessions.find(&id).cloned();
        Some((id, session.expect("sessions are never forgotten")))
    }

    fn register(&self, session: String, claims: &str) {
        let Ok(claims) = serde_json::from_str::<Map<String, Value>>(claims) else {
            return;
        };
        let Some(jti) = claims.get("jti").and_then(Value::as_str) else {
            return;
        };
        let expires_at = claims.get("exp").and_then(Value::as_u64);
        let grant = Grant::access(&session, expires_at.unwrap_or(u64::MAX));
        self.shared
            .state()
            .sessions
            .grant_hashed(jti.to_owned(), grant);
    }
}

/// Prints the kind alone.
impl fmt::Debug for TokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuilder")
            .field("typ", &self.typ())
            .finish_non_exhaustive()
    }
}

impl Change {
    fn set(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self {
            name: name.into(),
            value: Some(value.into()),
        }
    }

    fn remove(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: None,
        }
    }
}

fn apply(mut members: Map<String, Value>, changes: &[Change]) -> Map<String, Value> {
    for change in changes {
        match &change.value {
            Some(value) => members.insert(change.name.clone(), value.clone()),
            None => members.remove(&change.name),
        };
    }
    members
}

fn json_text(members: Map<String, Value>) -> String {
    Value::Object(members).to_string()
}

/// The `jti` of what looks like a JWT.
fn jti(token: &str) -> Option<String> {
    let claims = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode_to_vec(claims).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&claims).ok()?;
    claims.get("jti")?.as_str().map(str::to_owned)
}

const FULL_ACCESS: &str = "openid offline_access https://authgear.com/scopes/full-access";
const FULL_USERINFO: &str = "openid offline_access https://authgear.com/scopes/full-userinfo";
