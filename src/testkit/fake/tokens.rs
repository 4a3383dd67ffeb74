//! The tokens that a fake issues.

use super::FakeAuthgear;
use crate::testkit::state::accounts::User;
use crate::testkit::token::{Kind, Source, TokenBuilder};

impl FakeAuthgear {
    /// An access token of the user, with a session of its own, which begins when the token is signed.
    /// See [`TokenBuilder`] for the defaults.
    pub fn token(&self, user: &User) -> TokenBuilder {
        let source = Source::NewSession(user.clone());
        TokenBuilder::new(self.shared(), Kind::Access, source)
    }

    /// An M2M access token (client credentials) of the client for the resource. `sub` is
    /// `client_id_<client>`, `aud` is the resource, and `scope` is empty. It has no user.
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

    /// An ID token of the user. It must never be accepted as an access token. It expires after 300 s.
    pub fn id_token(&self, user: &User) -> TokenBuilder {
        let source = Source::NewSession(user.clone());
        TokenBuilder::new(self.shared(), Kind::Id, source)
    }
}
