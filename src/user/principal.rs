//! The caller.

use std::fmt;

use super::identity::Identity;
use super::{AuthClient, AuthUser, NoClaims};

/// A user or a machine.
///
/// As an extractor it refuses a request without a credential (401) and a route without the layer
/// (500).
///
/// ```
/// use axum_authgear::Principal;
///
/// async fn greet(caller: Principal) -> String {
///     match caller {
///         Principal::User(user) => format!("hello, {}", user.id()),
///         Principal::Client(client) => format!("200 OK, {}", client.client_id()),
///     }
/// }
/// ```
#[expect(clippy::exhaustive_enums, reason = "there is no third kind of caller")]
pub enum Principal<C = NoClaims> {
    /// A signed-in user.
    User(AuthUser<C>),
    /// An OAuth client that acts for itself.
    Client(AuthClient),
}

impl<C> Principal<C> {
    /// The user, if it is one.
    #[must_use]
    pub fn user(&self) -> Option<&AuthUser<C>> {
        match self {
            Self::User(user) => Some(user),
            Self::Client(_) => None,
        }
    }

    /// The machine, if it is one.
    #[must_use]
    pub fn client(&self) -> Option<&AuthClient> {
        match self {
            Self::User(_) => None,
            Self::Client(client) => Some(client),
        }
    }

    /// The OAuth client: the machine itself, or the client of the user's token.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        match self {
            Self::User(user) => user.client_id(),
            Self::Client(client) => Some(client.client_id()),
        }
    }

    /// The claims of the credential itself.
    pub(crate) fn identity(&self) -> &Identity {
        match self {
            Self::User(user) => user.identity(),
            Self::Client(client) => client.identity(),
        }
    }

    /// Whether the token has this scope, or one that [includes](crate::AuthgearBuilder::scope_includes) it.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.identity().has_scope(scope)
    }
}

impl<C> Clone for Principal<C> {
    fn clone(&self) -> Self {
        match self {
            Self::User(user) => Self::User(user.clone()),
            Self::Client(client) => Self::Client(client.clone()),
        }
    }
}

impl<C> fmt::Debug for Principal<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Client(client) => client.fmt(f),
        }
    }
}
