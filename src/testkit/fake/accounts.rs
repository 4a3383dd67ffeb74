//! Users and their sessions, as a test arranges them.

use std::sync::Arc;

use super::FakeAuthgear;
use crate::testkit::session::Session;
use crate::testkit::state::accounts::{Account, User};
use crate::testkit::state::sessions::SessionState;

impl FakeAuthgear {
    /// Adds a user. The returned handle names it to the other methods.
    pub fn add_user(&self, user: User) -> User {
        let account = Account::new(user.clone(), self.shared().instant());
        let accounts = &mut self.shared().state().accounts;
        accounts.insert(user.id().to_owned(), account);
        user
    }

    /// Changes what a user is, at once for new tokens and for the resolver; no webhook tells of it.
    /// The id stays what it is.
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

    /// Gives the user these direct roles: see [`update_user`](Self::update_user).
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

    /// Signs the user in: a session, authenticated now by the fake's clock.
    ///
    /// That works for every user, also one whom Authgear would turn away: the resolver then says
    /// that the session is not valid.
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

    /// Ends a session: all its tokens and cookies.
    pub fn end_session(&self, session: &Session) {
        self.change_session(session, SessionState::end);
    }

    /// Ends all sessions of a user, as the Admin API can. No webhook tells of it.
    pub fn end_all_sessions(&self, user: &User) {
        self.shared().state().sessions.end_all_of(user.id());
    }

    /// Revokes the refresh token: the session's access tokens and its `app_session` cookie end;
    /// its `session` cookie lives on.
    pub fn revoke_refresh_token(&self, session: &Session) {
        self.change_session(session, |session| session.grant_lives = false);
    }

    /// What the resolver says of how the session was authenticated. Default: nothing, as Authgear
    /// answers for every session.
    pub fn set_session_amr<I>(&self, session: &Session, amr: I)
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let amr = amr.into_iter().map(Into::into).collect();
        self.change_session(session, |session| session.amr = amr);
    }

    /// What the resolver says of when the session was authenticated (Unix seconds); `None` leaves
    /// the header out, as of a session whose time is not known.
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
