//! Who must meet a requirement: a user or a client, borrowed.

use std::time::Duration;

use super::denial::Denial;
use crate::error::AuthErrorKind;
use crate::user::{AuthClient, AuthUser, Identity, Principal, ScopeInclusions};

/// A borrowed [`Principal`].
pub(super) enum PrincipalRef<'c, C> {
    User(&'c AuthUser<C>),
    Client(&'c AuthClient),
}

impl<'c, C> PrincipalRef<'c, C> {
    pub(super) fn user<'r>(self) -> Result<&'c AuthUser<C>, Denial<'r>> {
        match self {
            Self::User(user) => Ok(user),
            Self::Client(_) => Err(Denial::new(AuthErrorKind::UserRequired)),
        }
    }

    pub(super) fn has_scope(self, scope: &str) -> bool {
        self.identity().has_scope(scope)
    }

    pub(super) fn scope_inclusions(self) -> Option<&'c ScopeInclusions> {
        self.identity().scope_inclusions.as_deref()
    }

    fn identity(self) -> &'c Identity {
        match self {
            Self::User(user) => user.identity(),
            Self::Client(client) => client.identity(),
        }
    }

    pub(super) fn issuer(self) -> &'c str {
        match self {
            Self::User(user) => user.issuer(),
            Self::Client(client) => client.issuer(),
        }
    }

    /// By the clock that the user was verified with. Nothing depends on time for a machine.
    pub(super) fn now(self) -> Duration {
        match self {
            Self::User(user) => user.time().clock.now().unix(),
            Self::Client(_) => Duration::ZERO,
        }
    }
}

impl<C> Clone for PrincipalRef<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for PrincipalRef<'_, C> {}

impl<'c, C> From<&'c Principal<C>> for PrincipalRef<'c, C> {
    fn from(principal: &'c Principal<C>) -> Self {
        match principal {
            Principal::User(user) => Self::User(user),
            Principal::Client(client) => Self::Client(client),
        }
    }
}
