//! The sessions of a fake, and the credentials that stand for them.

use std::collections::HashMap;

use super::accounts::User;
use crate::testkit::random;

/// What the fake keeps of a session.
#[derive(Clone)]
pub(in crate::testkit) struct SessionState {
    /// As it was at the sign-in: what is left of one who is deleted.
    pub(in crate::testkit) user: User,
    pub(in crate::testkit) grant_id: String,
    pub(in crate::testkit) authenticated_at: Option<u64>,
    pub(in crate::testkit) amr: Vec<String>,
    secret: String,
    /// The session cookie's part, and the refresh token's.
    cookie_lives: bool,
    grant_lives: bool,
}

impl SessionState {
    pub(in crate::testkit) fn new(user: User, authenticated_at: Option<u64>) -> Self {
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
pub(in crate::testkit) struct Grant {
    session: String,
    /// `Some`: an access token that ends then. `None`: an `app_session` token.
    expires_at: Option<u64>,
}

impl Grant {
    pub(in crate::testkit) fn access(session: &str, expires_at: u64) -> Self {
        Self {
            session: session.to_owned(),
            expires_at: Some(expires_at),
        }
    }

    pub(in crate::testkit) fn app_session(session: &str) -> Self {
        Self {
            session: session.to_owned(),
            expires_at: None,
        }
    }
}

/// All sessions, and their tokens by hash.
#[derive(Default)]
pub(in crate::testkit) struct Sessions {
    sessions: HashMap<String, SessionState>,
    grants: HashMap<String, Grant>,
}

impl Sessions {
    pub(in crate::testkit) fn open(&mut self, session: SessionState) -> String {
        let id = random::uuid();
        self.sessions.insert(id.clone(), session);
        id
    }

    pub(in crate::testkit) fn find(&self, id: &str) -> Option<&SessionState> {
        self.sessions.get(id)
    }

    pub(in crate::testkit) fn find_mut(&mut self, id: &str) -> Option<&mut SessionState> {
        self.sessions.get_mut(id)
    }

    pub(in crate::testkit) fn secret(&self, id: &str) -> String {
        self.sessions
            .get(id)
            .map_or_else(random::token, |session| session.secret.clone())
    }

    pub(in crate::testkit) fn grant(&mut self, token: &str, grant: Grant) {
        self.grant_hashed(random::hash(token), grant);
    }

    pub(in crate::testkit) fn grant_hashed(&mut self, hash: String, grant: Grant) {
        self.grants.insert(hash, grant);
    }

    /// The session that an access token with this hash belongs to.
    pub(in crate::testkit) fn session_of(&self, hash: &str) -> Option<&str> {
        self.grants.get(hash).map(|grant| grant.session.as_str())
    }

    pub(in crate::testkit) fn end(&mut self, id: &str) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.cookie_lives = false;
            session.grant_lives = false;
        }
    }

    pub(in crate::testkit) fn revoke_refresh_token(&mut self, id: &str) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.grant_lives = false;
        }
    }

    pub(in crate::testkit) fn end_all_of(&mut self, user_id: &str) {
        for session in self.sessions.values_mut() {
            if session.user.id() == user_id {
                session.cookie_lives = false;
                session.grant_lives = false;
            }
        }
    }

    /// The living session of an access token's hash.
    pub(in crate::testkit) fn by_access_token(
        &self,
        hash: &str,
        now: u64,
    ) -> Option<&SessionState> {
        let grant = self.grants.get(hash)?;
        let lives = grant.expires_at.is_some_and(|end| now < end);
        self.by_grant(grant).filter(|_| lives)
    }

    /// The living session of an `app_session` token.
    pub(in crate::testkit) fn by_app_session(&self, token: &str) -> Option<&SessionState> {
        let grant = self.grants.get(&random::hash(token))?;
        self.by_grant(grant).filter(|_| grant.expires_at.is_none())
    }

    /// The living session of a `session` cookie's value.
    pub(in crate::testkit) fn by_cookie(&self, value: &str) -> Option<&SessionState> {
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

pub(in crate::testkit) const ACCESS_TOKEN_LIFETIME: u64 = 1_800;
