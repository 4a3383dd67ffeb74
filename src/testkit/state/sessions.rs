//! The sessions of a fake, and the credentials that stand for them.

use std::collections::HashMap;

use super::accounts::User;
use crate::testkit::random;

/// What the fake knows about a session.
#[derive(Clone)]
pub(in crate::testkit) struct SessionState {
    /// The user as it was at the sign-in. Of a deleted user nothing else is left.
    pub(in crate::testkit) user: User,
    pub(in crate::testkit) grant_id: String,
    pub(in crate::testkit) authenticated_at: Option<u64>,
    pub(in crate::testkit) amr: Vec<String>,
    pub(in crate::testkit) secret: String,
    /// The session cookie is still valid.
    cookie_lives: bool,
    /// The refresh token is still valid.
    pub(in crate::testkit) grant_lives: bool,
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

    /// The resolver's headers about the session.
    pub(in crate::testkit) fn headers(&self) -> impl Iterator<Item = (String, String)> {
        let time = self.authenticated_at.map(|time| time.to_string());
        let headers = [
            ("amr", Some(self.amr.join(" "))),
            ("authenticated-at", time),
        ];
        let headers = headers.into_iter();
        headers.filter_map(|(name, value)| Some((format!("x-authgear-session-{name}"), value?)))
    }

    pub(in crate::testkit) fn end(&mut self) {
        self.cookie_lives = false;
        self.grant_lives = false;
    }
}

/// A token of a session.
#[derive(Clone)]
pub(in crate::testkit) struct Grant {
    pub(in crate::testkit) session: String,
    /// `Some`: an access token that ends then. `None`: an `app_session` token.
    pub(in crate::testkit) expires_at: Option<u64>,
}

/// All sessions, and their tokens by hash.
#[derive(Default)]
pub(in crate::testkit) struct Sessions {
    sessions: HashMap<String, SessionState>,
    pub(in crate::testkit) grants: HashMap<String, Grant>,
}

impl Sessions {
    pub(in crate::testkit) fn open(&mut self, session: SessionState) -> String {
        let id = random::uuid();
        self.sessions.insert(id.clone(), session);
        id
    }

    pub(in crate::testkit) fn find(&self, id: &str) -> &SessionState {
        let session = self.sessions.get(id);
        session.expect("the session is one of this fake's")
    }

    pub(in crate::testkit) fn find_mut(&mut self, id: &str) -> &mut SessionState {
        let session = self.sessions.get_mut(id);
        session.expect("the session is one of this fake's")
    }

    pub(in crate::testkit) fn end_all_of(&mut self, user_id: &str) {
        let sessions = self.sessions.values_mut();
        sessions
            .filter(|session| session.user.id() == user_id)
            .for_each(SessionState::end);
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
        let session = self.sessions.get(id);
        session.filter(|session| session.cookie_lives && session.secret == secret)
    }

    fn by_grant(&self, grant: &Grant) -> Option<&SessionState> {
        Some(self.find(&grant.session)).filter(|session| session.grant_lives)
    }
}

pub(in crate::testkit) const ACCESS_TOKEN_LIFETIME: u64 = 1_800;
