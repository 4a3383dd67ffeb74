//! Who is asked, and the call in a handler: `user.require(…)?`.

use std::borrow::Borrow;
use std::time::Duration;

use super::denial::Unmet;
use super::requirement::Requirement;
use crate::error::{AuthError, AuthErrorKind};
use crate::rejection::AuthRejection;
use crate::user::{AuthClient, AuthUser, Principal};

/// A borrowed [`Principal`].
pub(super) enum Caller<'c, C> {
    User(&'c AuthUser<C>),
    Client(&'c AuthClient),
}

impl<'c, C> Caller<'c, C> {
    pub(super) fn user<'r>(self) -> Result<&'c AuthUser<C>, Unmet<'r>> {
        match self {
            Self::User(user) => Ok(user),
            Self::Client(_) => Err(Unmet::new(AuthErrorKind::UserRequired)),
        }
    }

    pub(super) fn has_scope(self, scope: &str) -> bool {
        match self {
            Self::User(user) => user.has_scope(scope),
            Self::Client(client) => client.has_scope(scope),
        }
    }

    /// By the clock that the user was verified with. Nothing depends on time for a machine.
    fn now(self) -> Duration {
        match self {
            Self::User(user) => user.time().clock.now().unix(),
            Self::Client(_) => Duration::ZERO,
        }
    }

    pub(super) fn meets(self, requirement: &Requirement<C>) -> Result<(), AuthError> {
        requirement.check(self, self.now()).map_err(AuthError::from)
    }
}

impl<C> Clone for Caller<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Caller<'_, C> {}

impl<'c, C> From<&'c Principal<C>> for Caller<'c, C> {
    fn from(principal: &'c Principal<C>) -> Self {
        match principal {
            Principal::User(user) => Self::User(user),
            Principal::Client(client) => Self::Client(client),
        }
    }
}

impl<C> AuthUser<C> {
    /// Goes on only if the user meets the requirement.
    ///
    /// ```
    /// use axum_authgear::authorize::has_role;
    /// # use axum_authgear::{AuthRejection, AuthUser};
    /// async fn admin(user: AuthUser) -> Result<&'static str, AuthRejection> {
    ///     user.require(has_role("admin"))?;
    ///     Ok("hello, admin")
    /// }
    /// ```
    ///
    /// # Errors
    /// The refusal, ready to be returned from a handler.
    pub fn require(&self, requirement: impl Borrow<Requirement<C>>) -> Result<(), AuthRejection> {
        require(Caller::User(self), requirement.borrow())
    }
}

impl AuthClient {
    /// Goes on only if the machine meets the requirement: scopes alone can be met by one.
    ///
    /// # Errors
    /// The refusal, ready to be returned from a handler.
    pub fn require(&self, requirement: impl Borrow<Requirement>) -> Result<(), AuthRejection> {
        require(Caller::Client(self), requirement.borrow())
    }
}

impl<C> Principal<C> {
    /// Goes on only if the caller meets the requirement. A machine meets scopes alone.
    ///
    /// # Errors
    /// The refusal, ready to be returned from a handler.
    pub fn require(&self, requirement: impl Borrow<Requirement<C>>) -> Result<(), AuthRejection> {
        require(Caller::from(self), requirement.borrow())
    }
}

fn require<C>(caller: Caller<'_, C>, requirement: &Requirement<C>) -> Result<(), AuthRejection> {
    caller
        .meets(requirement)
        .map_err(|error| AuthRejection::new(error, None))
}
