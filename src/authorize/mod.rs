//! Stage 4: checks whether the caller may do this.
//!
//! A [`Requirement`] is a plain value. The functions of this module make it, and [`and`](Requirement::and)
//! and [`or`](Requirement::or) combine it. It is checked against a caller that stage 2 has verified. It
//! depends only on the caller, never on the request.
//!
//! ```
//! use std::time::Duration;
//! use axum_authgear::authorize::{any_role, authenticated_within, has_role, verified};
//!
//! # fn check(user: axum_authgear::AuthUser) -> Result<(), axum_authgear::AuthRejection> {
//! let may_pay_out = verified()
//!     .and(any_role(["accountant", "owner"]))
//!     .and(authenticated_within(Duration::from_secs(300)));
//! user.require(&may_pay_out)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Three ways to use one
//!
//! For a whole route, as a layer *inside* of the authentication layer. In a router's chain, add it before
//! the authentication layer:
//!
//! ```
//! use axum::{Router, routing::get};
//! use axum_authgear::authorize::{all_scopes, has_role};
//! use axum_authgear::{Authgear, ConfigError};
//!
//! # async fn admin() {}
//! # async fn orders() {}
//! fn app(authgear: &Authgear) -> Result<Router, ConfigError> {
//!     Ok(Router::new()
//!         .route("/admin", get(admin).route_layer(authgear.require(has_role("admin"))))
//!         .route("/orders", get(orders).route_layer(authgear.require(all_scopes(["read:orders"])?)))
//!         .layer(authgear.layer()))
//! }
//! ```
//!
//! In a handler's signature, as a type: [`HasRole`] and [`HasScope`].
//!
//! ```
//! use axum_authgear::authorize::{HasRole, RoleKey};
//!
//! struct Admin;
//! impl RoleKey for Admin {
//!     const KEY: &str = "admin";
//! }
//!
//! async fn admin(user: HasRole<Admin>) -> String {
//!     format!("hello, {}", user.id())
//! }
//! ```
//!
//! In a handler's body, if the requirement depends on the request: `user.require(…)?`, with
//! [`AuthUser`](crate::AuthUser), [`AuthClient`](crate::AuthClient) or [`Principal`](crate::Principal).
//!
//! ```
//! use axum_authgear::authorize::has_role;
//! use axum_authgear::{AuthRejection, AuthUser};
//! # use axum::extract::Path;
//!
//! async fn read(user: AuthUser, Path(owner): Path<String>) -> Result<String, AuthRejection> {
//!     if user.id() != owner {
//!         user.require(has_role("support"))?;
//!     }
//!     Ok(format!("the letters of {owner}"))
//! }
//! ```
//!
//! # Responses to a refused caller
//!
//! | requirement | on a user | on a machine |
//! |---|---|---|
//! | [`all_scopes`], [`any_scope`] | 403 `insufficient_scope`, with `scope` | the same |
//! | [`issued_by`] | 403 `forbidden` | the same |
//! | [`has_role`], [`any_role`], [`verified`], [`not_anonymous`], [`satisfies`] | 403 `forbidden` | 403 `forbidden` |
//! | [`authenticated_within`] | 401 `insufficient_user_authentication`, with `max_age` | 403 `forbidden` |
//! | [`amr`] | 401 `insufficient_user_authentication` | 403 `forbidden` |
//! | any, without a credential | 401 `missing_credential`, with the `scope` to ask for | |
//! | any, without the layer of the same `Authgear` | 500 `server_error` | |
//!
//! A challenge names the scopes that the token lacks. It names no scope that the token has, no scope that
//! another named scope [includes](crate::AuthgearBuilder::scope_includes), and never `offline_access`.
//! The requirements of nested layers count as one: a refusal has one challenge for all of them. A layer
//! finds the requirements of inner layers if a clone of its inner service also clones them. It does not
//! find the arguments of a handler, or the calls in it.
//!
//! Requirements trust the verified token for as long as it is valid. A role that was removed stays in the
//! tokens that were issued before.

mod denial;
mod extract;
pub mod future;
mod layer;
mod require;
mod requirement;
mod scope_tokens;
pub mod scopes;
mod service;

pub use self::extract::{HasRole, HasScope, RoleKey, ScopeName};
pub use self::layer::AuthorizeLayer;
pub use self::requirement::{
    Requirement, all_scopes, amr, any_role, any_scope, authenticated_within, has_role, issued_by,
    not_anonymous, satisfies, verified,
};
pub(crate) use self::scope_tokens::is_scope_token;
pub use self::service::Authorize;
