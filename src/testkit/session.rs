//! Sessions and their credentials.

use std::fmt;
use std::sync::Arc;

use super::random;
use super::state::Shared;
use super::state::sessions::{ACCESS_TOKEN_LIFETIME, Grant};
use super::token::{Kind, Source, TokenBuilder};

/// One sign-in of a user: the browser's session cookie at Authgear, the refresh token of the client, and
/// the tokens made from it.
///
/// It is a handle and cheap to clone. [`FakeAuthgear::end_session`](super::FakeAuthgear::end_session)
/// ends the session.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    id: String,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, id: String) -> Self {
        Self { shared, id }
    }

    /// The session's id: the first part of the `session` cookie.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A new access token of this session.
    pub fn token(&self) -> TokenBuilder {
        TokenBuilder::new(&self.shared, Kind::Access, Source::Session(self.id.clone()))
    }

    /// A new ID token of this session.
    pub fn id_token(&self) -> TokenBuilder {
        TokenBuilder::new(&self.shared, Kind::Id, Source::Session(self.id.clone()))
    }

    /// A new opaque access token of this session, for a client that is not configured for JWTs. It has 32
    /// characters and expires after 1,800 s.
    #[must_use]
    pub fn opaque_token(&self) -> String {
        let token = random::token();
        let expires_at = self.shared.now() + ACCESS_TOKEN_LIFETIME;
        self.grant(&token, Some(expires_at));
        token
    }

    /// The cookies that a browser has for this session. Each call makes a new `app_session` and a new
    /// `app_access_token`. Earlier ones stay valid.
    #[must_use]
    pub fn cookies(&self) -> SessionCookies {
        let app_session = random::token();
        self.grant(&app_session, None);
        let secret = self.shared.state().sessions.find(&self.id).secret.clone();
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

    fn grant(&self, token: &str, expires_at: Option<u64>) {
        let grant = Grant {
            session: self.id.clone(),
            expires_at,
        };
        let grants = &mut self.shared.state().sessions.grants;
        grants.insert(random::hash(token), grant);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The cookies of one [`Session`]. One of them is enough for the resolver. It uses the first valid one, in
/// this order: `app_session`, `app_access_token`, `session`.
#[derive(Clone, Debug)]
pub struct SessionCookies {
    session: SessionCookie,
    app_session: SessionCookie,
    app_access_token: SessionCookie,
}

impl SessionCookies {
    /// `session`: Authgear's own cookie. It is valid until the session ends.
    #[must_use]
    pub fn session(&self) -> &SessionCookie {
        &self.session
    }

    /// `app_session`: an opaque token. It is valid until the refresh token ends.
    #[must_use]
    pub fn app_session(&self) -> &SessionCookie {
        &self.app_session
    }

    /// `app_access_token`: an access token, in this fake a JWT.
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

/// Prints only the name.
impl fmt::Debug for SessionCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCookie")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
