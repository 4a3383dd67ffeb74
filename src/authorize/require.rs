//! The call in a handler: `user.require(…)?`.

use std::borrow::Borrow;

use super::requirement::Requirement;
use crate::rejection::AuthRejection;
use crate::user::{AuthClient, AuthUser, NoClaims, Principal};

impl<C: 'static> AuthUser<C> {
    /// Continues only if the user meets the requirement.
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
        Principal::User(self.clone()).require(requirement)
    }
}

impl AuthClient {
    /// Continues only if the machine meets the requirement. A machine can meet scopes and issuers only.
    ///
    /// # Errors
    /// The refusal, ready to be returned from a handler.
    pub fn require(&self, requirement: impl Borrow<Requirement>) -> Result<(), AuthRejection> {
        Principal::<NoClaims>::Client(self.clone()).require(requirement)
    }
}

impl<C: 'static> Principal<C> {
    /// Continues only if the caller meets the requirement. A machine can meet scopes and issuers only.
    ///
    /// # Errors
    /// The refusal, ready to be returned from a handler.
    pub fn require(&self, requirement: impl Borrow<Requirement<C>>) -> Result<(), AuthRejection> {
        let requirement = requirement.borrow();
        requirement
            .check(self)
            .map_err(|error| AuthRejection::new(error, None).of_requirement(requirement.text()))
    }
}
