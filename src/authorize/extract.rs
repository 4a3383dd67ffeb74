//! Requirements as types: [`HasRole`] and [`HasScope`].

use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use http::Extensions;
use http::request::Parts;

use super::requirement::{Requirement, all_scopes, has_role};
use super::scope_tokens::is_scope_token;
use crate::authenticate::Authentication;
use crate::error::{AuthError, AuthErrorKind};
use crate::extract::{challenge_hints, reject, required};
use crate::macros::{clone_without_bounds, redacted_debug};
use crate::rejection::AuthRejection;
use crate::user::{AuthUser, NoClaims, Principal};

/// A role as a type, for [`HasRole`].
pub trait RoleKey {
    /// The key of the role.
    const KEY: &'static str;
}

/// A scope as a type, for [`HasScope`].
pub trait ScopeName {
    /// The scope, with the characters of RFC 6749 §3.3: any other does not compile.
    const NAME: &'static str;
}

/// A user with the role `R`. Without the role, the extractor refuses with 403.
///
/// It dereferences to the user: `user.id()`.
///
/// ```
/// use axum_authgear::authorize::{HasRole, RoleKey};
///
/// struct Admin;
/// impl RoleKey for Admin {
///     const KEY: &str = "admin";
/// }
///
/// async fn admin(user: HasRole<Admin>) -> String {
///     format!("hello, {}", user.id())
/// }
/// ```
pub struct HasRole<R, C = NoClaims> {
    user: AuthUser<C>,
    role: PhantomData<fn() -> R>,
}

/// A user or machine whose token has the scope `S`. Without the scope, the extractor refuses with 403 and
/// the scope's name.
///
/// It dereferences to the [`Principal`]: `caller.client_id()`.
///
/// ```
/// use axum_authgear::authorize::{HasScope, ScopeName};
///
/// struct ReadOrders;
/// impl ScopeName for ReadOrders {
///     const NAME: &str = "read:orders";
/// }
///
/// async fn orders(caller: HasScope<ReadOrders>) -> String {
///     format!("the orders, for {:?}", caller.client_id())
/// }
/// ```
///
/// A scope that cannot be in a challenge does not compile:
///
/// ```compile_fail,E0080
/// # use axum::{Router, routing::get};
/// use axum_authgear::authorize::{HasScope, ScopeName};
///
/// struct Quoted;
/// impl ScopeName for Quoted {
///     const NAME: &str = "read\"orders";
/// }
/// async fn orders(caller: HasScope<Quoted>) {}
///
/// let app: Router = Router::new().route("/orders", get(orders));
/// ```
pub struct HasScope<S, C = NoClaims> {
    caller: Principal<C>,
    scope: PhantomData<fn() -> S>,
}

impl<R, C> HasRole<R, C> {
    /// The user without the type of the role.
    #[must_use]
    pub fn into_user(self) -> AuthUser<C> {
        self.user
    }
}

impl<S, C> HasScope<S, C> {
    /// The caller without the type of the scope.
    #[must_use]
    pub fn into_principal(self) -> Principal<C> {
        self.caller
    }
}

impl<T, R, C> FromRequestParts<T> for HasRole<R, C>
where
    T: Sync,
    R: RoleKey,
    C: Send + Sync + 'static,
{
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &T) -> Result<Self, AuthRejection> {
        let user: AuthUser<C> = required(&parts.extensions)?;
        note_check(&parts.extensions, || Some(has_role::<C>(R::KEY)));
        if !user.has_role(R::KEY) {
            return Err(reject(&parts.extensions, AuthErrorKind::RoleMissing));
        }
        Ok(Self {
            user,
            role: PhantomData,
        })
    }
}

impl<T, S, C> FromRequestParts<T> for HasScope<S, C>
where
    T: Sync,
    S: ScopeName,
    C: Send + Sync + 'static,
{
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &T) -> Result<Self, AuthRejection> {
        const {
            assert!(
                is_scope_token(S::NAME),
                "a scope has only characters of RFC 6749 §3.3"
            );
        }
        let hints = || challenge_hints(&parts.extensions, S::NAME);
        let caller: Principal<C> = required(&parts.extensions)
            .map_err(|rejection| rejection.with_hints(hints().as_ref()))?;
        note_check(&parts.extensions, || all_scopes::<C, _>([S::NAME]).ok());
        if !caller.has_scope(S::NAME) {
            let error = AuthError::from(AuthErrorKind::InsufficientScope);
            return Err(reject(
                &parts.extensions,
                error.with_hints(hints().as_ref()),
            ));
        }
        Ok(Self {
            caller,
            scope: PhantomData,
        })
    }
}

/// If accounts are on, they name the requirement.
fn note_check<C: 'static>(
    extensions: &Extensions,
    requirement: impl FnOnce() -> Option<Requirement<C>>,
) {
    if let Some(notes) = Authentication::of_request(extensions).and_then(Authentication::notes)
        && let Some(requirement) = requirement()
    {
        notes.checked(requirement.text());
    }
}

impl<R, C> Deref for HasRole<R, C> {
    type Target = AuthUser<C>;

    fn deref(&self) -> &AuthUser<C> {
        &self.user
    }
}

impl<S, C> Deref for HasScope<S, C> {
    type Target = Principal<C>;

    fn deref(&self) -> &Principal<C> {
        &self.caller
    }
}

clone_without_bounds!(<R, C> HasRole<R, C> { user, role });

clone_without_bounds!(<S, C> HasScope<S, C> { caller, scope });

redacted_debug!(<R, C> HasRole<R, C> { user });

redacted_debug!(<S, C> HasScope<S, C> { caller });
