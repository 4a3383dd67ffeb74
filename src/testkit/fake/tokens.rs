//! The tokens that a fake issues.

use super::FakeAuthgear;
use crate::testkit::state::accounts::User;
use crate::testkit::token::{Kind, Source, TokenBuilder};

impl FakeAuthgear {
    /// An access token of the user, from a session of its own (opened when the token is signed):
    /// see [`TokenBuilder`] for the defaults.
    pub fn token(&self, user: &User) -> TokenBuilder {
        let source = Source::NewSession(user.clone());
        TokenBuilder::new(self.shared(), Kind::Access, source)
    }

    /// An M2M access token (client credentials) of the client for the resource: `sub` is
    /// `client_id_<client>`, `aud` the resource, `scope` empty, and there is no user in it.
    pub fn client_token(
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
}
