//! The call in a handler: `user.require(…)?`.

use std::borrow::Borrow;

use super::principal_ref::PrincipalRef;
use super::requirement::Requirement;
use crate::rejection::AuthRejection;
use crate::user::{AuthClient, AuthUser, Principal};

impl<C: 'static> AuthUser<C> {
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
        require(PrincipalRef::User(self), requirement.borrow())
    }
}

impl AuthClient {
    /// Goes on only if the machine meets the requirement: scopes and issuers can be met by one, and nothing else.
    ///
    /// # Errors
    /// The refusal, ready to be returned from a handler.
    pub fn require(&self, requirement: impl Borrow<Requirement>) -> Result<(), AuthRejection> {
        require(PrincipalRef::Client(self), requirement.borrow())
    }
}

impl<C: 'static> Principal<C> {
    /// Goes on only if the caller meets the requirement. A machine meets scopes and issuers, and nothing else.
    ///
    /// # Errors
    /// The refusal, ready to be returned from a handler.
    pub fn require(&self, requirement: impl Borrow<Requirement<C>>) -> Result<(), AuthRejection> {
        require(PrincipalRef::from(self), requirement.borrow())
    }
}

fn require<C: 'static>(
    principal: PrincipalRef<'_, C>,
    requirement: &Requirement<C>,
) -> Result<(), AuthRejection> {
    requirement
        .check(principal)
        .map_err(|error| AuthRejection::new(error, None).of_requirement(requirement.text()))
}
