//! Sessions, and the credentials that stand for them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::fake::Shared;
use super::random;
use super::token::TokenBuilder;
use super::user::User;

/// One sign-in of a user: the browser's session cookie at Authgear, and the refresh token of the
/// client that it signed in to, with the tokens made from it.
///
/// Cheap to clone. It stands for the session and does not keep it alive:
/// [`FakeAuthgear::end_session`](super::FakeAuthgear::end_session) ends it.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    id: String,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, id: String) -> Self {
        Self { shared, id }
    }

    /// The session's id, as the `session` cookie begins.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A user access token of this session. Each call begins another one.
    pub fn token(&self) -> TokenBuilder {
        TokenBuilder::of_session(&self.shared, &self.id)
    }

    /// An ID token of this session.
    pub fn id_token(&self) -> TokenBuilder {
        TokenBuilder::id_of_session(&self.shared, &self.id)
    }

    /// A new opaque access token of this session: what a client gets that is not configured for
    /// JWTs. 32 characters; it lives 1,800 s.
    #[must_use]
    pub fn opaque_token(&self) -> String {
        let token = random::token();
        let expires_at = self.shared.now() + ACCESS_TOKEN_LIFETIME;
        let grant = Grant::access(&self.id, expires_at);
        self.shared.state().sessions.grant(&token, grant);
        token
    }

    /// The cookies that a browser would hold of this session. Each call makes new ones for
    /// `app_session` and `app_access_token`; older ones stay good.
    #[must_use]
    pub fn cookies(&self) -> SessionCookies {
        let app_session = random::token();
        let secret = {
            let mut state = self.shared.state();
            let grant = Grant::app_session(&self.id);
            state.sessions.grant(&app_session, grant);
            state.sessions.secret(&self.id)
        };
        let cookie = |name: &str, value| SessionCookie {
            name: format!("{}{name}", self.shared.cookie_prefix),
            value,
        };
        SessionCookies {
            session: cookie("session", format!("{}.{secret}", self.id)),
            app_session: cookie("app_session", app_session),
            app_access_token: cookie("app_access_token", self.token().sign()),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The cookies of one [`Session`], any of which is enough for the resolver. It takes the first good
/// one of those that come: `app_session`, `app_access_token`, `session`.
#[derive(Clone, Debug)]
pub struct SessionCookies {
    session: SessionCookie,
    app_session: SessionCookie,
    app_access_token: SessionCookie,
}

impl SessionCookies {
    /// `session`: Authgear's own, which only the end of the session ends.
    #[must_use]
    pub fn session(&self) -> &SessionCookie {
        &self.session
    }

    /// `app_session`: an opaque token that ends with the refresh token.
    #[must_use]
    pub fn app_session(&self) -> &SessionCookie {
        &self.app_session
    }

    /// `app_access_token`: an access token, here a JWT.
    #[must_use]
    pub fn app_access_token(&self) -> &SessionCookie {
        &self.app_access_token
    }
}

/// A cookie's name, with the fake's prefix, and its value.
#[derive(Clone)]
pub struct SessionCookie {
    name: String,
    value: String,
}

impl SessionCookie {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// `name=value`, as in a `Cookie` header.
    #[must_use]
    pub fn pair(&self) -> String {
        format!("{}={}", self.name, self.value)
    }
}

/// Prints the name alone.
impl fmt::Debug for SessionCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCookie")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

pub(super) const ACCESS_TOKEN_LIFETIME: u64 = 1_800;

/// What the fake keeps of a session.
#[derive(Clone)]
pub(super) struct SessionState {
    /// As it was at the sign-in: what is left of one who is deleted.
    pub(super) user: User,
    pub(super) grant_id: String,
    pub(super) authenticated_at: Option<u64>,
    pub(super) amr: Vec<String>,
    secret: String,
    /// The session cookie's part, and the refresh token's.
    cookie_lives: bool,
    grant_lives: bool,
}

impl SessionState {
    pub(super) fn new(user: User, authenticated_at: Option<u64>) -> Self {
        Self {
            user,
            grant_id: random::uuid(),
            authenticated_at,
            amr: Vec::new(),
            secret: random::token(),
            cookie_lives: true,
            grant_lives: true,
        }
    }
}

/// A token of a session.
#[derive(Clone)]
pub(super) struct Grant {
    session: String,
    /// `Some`: an access token that ends then. `None`: an `app_session` token.
    expires_at: Option<u64>,
}

impl Grant {
    pub(super) fn access(session: &str, expires_at: u64) -> Self {
        Self {
            session: session.to_owned(),
            expires_at: Some(expires_at),
        }
    }

    fn app_session(session: &str) -> Self {
        Self {
            session: session.to_owned(),
            expires_at: None,
        }
    }
}

/// All sessions, and their tokens by hash.
#[derive(Default)]
pub(super) struct Sessions {
    sessions: HashMap<String, SessionState>,
    grants: HashMap<String, Grant>,
}

impl Sessions {
    pub(super) fn open(&mut self, session: SessionState) -> String {
        let id = random::uuid();
        self.sessions.insert(id.clone(), session);
        id
    }

    pub(super) fn find(&self, id: &str) -> Option<&SessionState> {
        self.sessions.get(id)
    }

    pub(super) fn find_mut(&mut self, id: &str) -> Option<&mut SessionState> {
        self.sessions.get_mut(id)
    }

    fn secret(&self, id: &str) -> String {
        self.sessions
            .get(id)
            .map_or_else(random::token, |session| session.secret.clone())
    }

    fn grant(&mut self, token: &str, grant: Grant) {
        self.grant_hashed(random::hash(token), grant);
    }

    pub(super) fn grant_hashed(&mut self, hash: String, grant: Grant) {
        self.grants.insert(hash, grant);
    }

    /// The session that an access token with this hash belongs to.
    pub(super) fn session_of(&self, hash: &str) -> Option<&str> {
        self.grants.get(hash).map(|grant| grant.session.as_str())
    }

    pub(super) fn end(&mut self, id: &str) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.cookie_lives = false;
            session.grant_lives = false;
        }
    }

    pub(super) fn revoke_refresh_token(&mut self, id: &str) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.grant_lives = false;
        }
    }

    pub(super) fn end_all_of(&mut self, user_id: &str) {
        for session in self.sessions.values_mut() {
            if session.user.id() == user_id {
                session.cookie_lives = false;
                session.grant_lives = false;
            }
        }
    }

    /// The living session of an access token's hash.
    pub(super) fn by_access_token(&self, hash: &str, now: u64) -> Option<&SessionState> {
        let grant = self.grants.get(hash)?;
        let lives = grant.expires_at.is_some_and(|end| now < end);
        self.by_grant(grant).filter(|_| lives)
    }

    /// The living session of an `app_session` token.
    pub(super) fn by_app_session(&self, token: &str) -> Option<&SessionState> {
        let grant = self.grants.get(&random::hash(token))?;
        self.by_grant(grant).filter(|_| grant.expires_at.is_none())
    }

    /// The living session of a `session` cookie's value.
    pub(super) fn by_cookie(&self, value: &str) -> Option<&SessionState> {
        let (id, secret) = value.split_once('.')?;
        self.sessions
            .get(id)
            .filter(|session| session.cookie_lives && session.secret == secret)
    }

    fn by_grant(&self, grant: &Grant) -> Option<&SessionState> {
        self.sessions
            .get(&grant.session)
            .filter(|session| session.grant_lives)
    }
}
