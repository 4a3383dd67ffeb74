//! Users and their sessions.

use std::sync::Arc;

use super::FakeAuthgear;
use crate::testkit::session::Session;
use crate::testkit::state::accounts::{Account, User};
use crate::testkit::state::sessions::SessionState;

impl FakeAuthgear {
    /// Adds a user. Pass the returned handle to the other methods.
    pub fn add_user(&self, user: User) -> User {
        let account = Account::new(user.clone(), self.shared().instant());
        let accounts = &mut self.shared().state().accounts;
        accounts.insert(user.id().to_owned(), account);
        user
    }

    /// Changes a user, at once for new tokens and for the resolver. No webhook is sent. The id stays.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn update_user(&self, user: &User, change: impl FnOnce(User) -> User) {
        self.change(user, |account| {
            let changed = change(account.user.clone());
            account.user = changed.with_id(user.id());
        });
    }

    /// Replaces the user's roles: see [`update_user`](Self::update_user).
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn set_roles<I>(&self, user: &User, roles: I)
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.update_user(user, |user| user.roles(roles));
    }

    /// Signs the user in: begins a session, authenticated now by the fake's clock.
    ///
    /// It also works for a user who may not sign in. The resolver then answers that the session is not
    /// valid.
    #[must_use]
    pub fn sign_in(&self, user: &User) -> Session {
        self.sign_in_at(user, self.shared().now())
    }

    /// As [`sign_in`](Self::sign_in), authenticated at that time (Unix seconds).
    #[must_use]
    pub fn sign_in_at(&self, user: &User, authenticated_at: u64) -> Session {
        let now = self.shared().instant();
        let mut state = self.shared().state();
        if let Some(account) = state.accounts.get_mut(user.id()) {
            account.last_login_at = Some(now);
        }
        let session = SessionState::new(user.clone(), Some(authenticated_at));
        let id = state.sessions.open(session);
        Session::new(Arc::clone(self.shared()), id)
    }

    /// Ends a session, with all its tokens and cookies.
    ///
    /// # Panics
    ///
    /// When the session is one of another fake.
    pub fn end_session(&self, session: &Session) {
        self.change_session(session, SessionState::end);
    }

    /// Ends all sessions of a user, as the Admin API can. No webhook is sent.
    pub fn end_all_sessions(&self, user: &User) {
        self.shared().state().sessions.end_all_of(user.id());
    }

    /// Revokes the refresh token: the session's access tokens and its `app_session` cookie end. Its
    /// `session` cookie stays valid.
    ///
    /// # Panics
    ///
    /// When the session is one of another fake.
    pub fn revoke_refresh_token(&self, session: &Session) {
        self.change_session(session, |session| session.grant_lives = false);
    }

    /// Sets the authentication methods that the resolver reports for the session. Default: none, as
    /// Authgear reports for every session.
    ///
    /// # Panics
    ///
    /// When the session is one of another fake.
    pub fn set_session_amr<I>(&self, session: &Session, amr: I)
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let amr = amr.into_iter().map(Into::into).collect();
        self.change_session(session, |session| session.amr = amr);
    }

    /// Sets the authentication time that the resolver reports for the session (Unix seconds). `None`
    /// leaves the header out.
    ///
    /// # Panics
    ///
    /// When the session is one of another fake.
    pub fn set_session_authenticated_at(&self, session: &Session, time: impl Into<Option<u64>>) {
        let time = time.into();
        self.change_session(session, |session| session.authenticated_at = time);
    }

    fn change_session(&self, session: &Session, change: impl FnOnce(&mut SessionState)) {
        let mut state = self.shared().state();
        change(state.sessions.find_mut(session.id()));
    }

    /// Changes an account. No webhook is sent.
    pub(in crate::testkit) fn change(&self, user: &User, change: impl FnOnce(&mut Account)) {
        let now = self.shared().instant();
        let mut state = self.shared().state();
        let account = state.account(user);
        change(account);
        account.updated_at = now;
    }
}
