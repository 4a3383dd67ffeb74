//! A machine: an OAuth client that acts for itself.

use std::fmt;
use std::sync::Arc;

use super::actor::Actor;
use super::identity::{Identity, NumericDate};

/// A machine whose token (client credentials grant, RFC 6749 §4.4) was verified.
///
/// Its token is for a resource, not for the project: name that resource with
/// [`AuthgearBuilder::audience`](crate::AuthgearBuilder::audience). A machine is never an
/// [`AuthUser`](crate::AuthUser). Extract a [`Principal`](crate::Principal) to accept both.
///
/// As an extractor it refuses a request without a credential (401), a request of a user (403), and a route
/// without the layer (500).
#[derive(Clone)]
pub struct AuthClient {
    inner: Arc<Identity>,
}

impl AuthClient {
    /// `identity` must have a client id, as every machine has.
    pub(crate) fn new(identity: Arc<Identity>) -> Self {
        Self { inner: identity }
    }

    /// The claims of the token.
    pub(crate) fn identity(&self) -> &Identity {
        &self.inner
    }

    /// The OAuth client.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.inner.client_id().unwrap_or_default()
    }

    /// The scopes in the token, without those that they [include](crate::AuthgearBuilder::scope_includes).
    pub fn scopes(&self) -> impl Iterator<Item = &str> + Clone + '_ {
        self.inner.scopes()
    }

    /// Whether the token has this scope, or one that [includes](crate::AuthgearBuilder::scope_includes) it.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.inner.has_scope(scope)
    }

    /// The actor who acts for the machine, if the token names one (`act`, RFC 8693 §4.1).
    #[must_use]
    pub fn actor(&self) -> Option<Actor<'_>> {
        Actor::current(&self.inner)
    }

    /// The issuer: the project's endpoint as configured, also if the token has a [former
    /// issuer](crate::AuthgearBuilder::former_issuer).
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.inner.issuer()
    }

    /// All audiences of the token.
    #[must_use]
    pub fn audiences(&self) -> impl ExactSizeIterator<Item = &str> + Clone + '_ {
        self.inner.audiences()
    }

    /// When the token was issued, in seconds since the Unix epoch.
    #[must_use]
    pub fn issued_at(&self) -> Option<u64> {
        self.inner.issued_at.map(NumericDate::unix_seconds)
    }

    /// When the token expires, in seconds since the Unix epoch.
    #[must_use]
    pub fn expires_at(&self) -> Option<u64> {
        self.inner.expires_at.map(NumericDate::unix_seconds)
    }

    /// The id of the token (`jti`).
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.inner.token_id()
    }
}

/// Shows no claim.
impl fmt::Debug for AuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthClient").finish_non_exhaustive()
    }
}
