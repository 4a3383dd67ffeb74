//! The signed-in user.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::actor::Actor;
use super::identity::{Identity, NumericDate};
use super::session::Session;
use crate::clock::{Clock, Timestamp};

/// A signed-in user whose credential was verified.
///
/// Outside of tests, only a verification makes one, so an `AuthUser` proves that the check ran. It is cheap
/// to clone. `C` is the type of the custom claims: see
/// [`AuthgearBuilder::claims`](crate::AuthgearBuilder::claims).
///
/// As an extractor it refuses a request without a credential (401), a request of a machine (403), and a
/// route without the layer (500). `Option<AuthUser>` is `None` without a credential.
///
/// ```
/// use axum::http::StatusCode;
/// use axum_authgear::AuthUser;
///
/// async fn delete_order(user: AuthUser) -> StatusCode {
///     if user.has_role("admin") && user.is_verified() {
///         StatusCode::NO_CONTENT
///     } else {
///         StatusCode::FORBIDDEN
///     }
/// }
/// ```
///
/// In a test, make one with `testkit::auth_user` (feature `testkit`).
pub struct AuthUser<C = NoClaims> {
    inner: Arc<VerifiedUser<C>>,
    /// Overrides values of the token, without a copy of the token's values.
    session: Option<Arc<Session>>,
}

/// The result of one verification.
pub(crate) struct VerifiedUser<C> {
    pub(crate) identity: Identity,
    pub(crate) claims: C,
    pub(crate) method: VerifiedBy,
    pub(crate) time: TimeContext,
    /// The key that verified the signature, if there was one. It must still be in use when the user is
    /// checked again.
    pub(crate) signed_by: Option<Arc<dyn Any + Send + Sync>>,
}

/// The clock and the leeway, for checks after the verification.
#[derive(Clone, Debug)]
pub(crate) struct TimeContext {
    pub(crate) clock: Clock,
    /// How far the issuer's clock may be ahead of this machine's.
    pub(crate) leeway: Duration,
}

/// The type for an application without custom claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoClaims;

/// How a user was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum VerifiedBy {
    /// The JWT was verified here, with the project's keys, and its session was not confirmed: in the
    /// default mode, and in the [grace period](crate::LiveSessions::grace_period) of live sessions.
    #[serde(rename = "jwt")]
    Jwt,
    /// Authgear's resolver was asked.
    #[serde(rename = "resolver")]
    Resolver,
    /// The JWT was verified here, and the resolver has confirmed its session within the bound.
    #[serde(rename = "jwt+resolver")]
    LiveSession,
    /// A gateway in front verified the user, and sent its proof.
    #[serde(rename = "gateway")]
    Gateway,
}

impl VerifiedBy {
    /// The stable name, as in configuration and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Resolver => "resolver",
            Self::LiveSession => "jwt+resolver",
            Self::Gateway => "gateway",
        }
    }
}

impl fmt::Display for VerifiedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<C> AuthUser<C> {
    pub(crate) fn new(verified: Arc<VerifiedUser<C>>) -> Self {
        Self {
            inner: verified,
            session: None,
        }
    }

    /// The same user with this session, which must belong to the same user.
    pub(crate) fn with_session(self, session: Option<Arc<Session>>) -> Self {
        Self { session, ..self }
    }

    pub(crate) fn time(&self) -> &TimeContext {
        &self.inner.time
    }

    pub(crate) fn into_parts(self) -> (Arc<VerifiedUser<C>>, Option<Arc<Session>>) {
        (self.inner, self.session)
    }

    pub(crate) fn verified(&self) -> &VerifiedUser<C> {
        &self.inner
    }

    pub(crate) fn shared(&self) -> &Arc<VerifiedUser<C>> {
        &self.inner
    }

    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }

    /// The claims of the credential itself.
    pub(crate) fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// The current data of the user: those of the session if there is one, because they are newer.
    fn current(&self) -> &Identity {
        self.session_identity().unwrap_or(self.identity())
    }

    /// Whether the resolver has confirmed the user within the bound.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmed_at().is_some()
    }

    pub(crate) fn confirmed_at(&self) -> Option<Timestamp> {
        self.session.as_deref()?.confirmed_at
    }

    fn session_identity(&self) -> Option<&Identity> {
        self.session.as_deref()?.identity.as_deref()
    }

    /// The user's id in Authgear (`sub`).
    #[must_use]
    pub fn id(&self) -> &str {
        self.current().subject()
    }

    /// Whether this is an anonymous user. Without the claim, the user counts as anonymous.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.current().is_anonymous
    }

    /// Whether the user has a verified identity. Without the claim, the user counts as not verified.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.current().is_verified
    }

    /// Whether the user can authenticate again. Without the claim, `false`.
    #[must_use]
    pub fn can_reauthenticate(&self) -> bool {
        self.current().can_reauthenticate
    }

    /// The keys of the user's effective roles, in the order of the credential.
    #[must_use]
    pub fn roles(&self) -> impl ExactSizeIterator<Item = &str> + Clone + '_ {
        self.current().roles()
    }

    /// Whether the user has the role with this key.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().any(|own| own == role)
    }

    /// The scopes in the token (RFC 6749 §3.3), without those that they
    /// [include](crate::AuthgearBuilder::scope_includes).
    pub fn scopes(&self) -> impl Iterator<Item = &str> + Clone + '_ {
        self.identity().scopes()
    }

    /// Whether the token has this scope, or one that [includes](crate::AuthgearBuilder::scope_includes) it.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.identity().has_scope(scope)
    }

    /// How the user authenticated (RFC 8176).
    ///
    /// Authgear leaves it out of refreshed tokens. Empty means *unknown*, so a check of it must then fail.
    #[must_use]
    pub fn amr(&self) -> impl ExactSizeIterator<Item = &str> + Clone + '_ {
        // If the session names no method, it does not know it, and the token's methods stay valid.
        match self.session_identity() {
            Some(session) if session.amr().len() > 0 => session.amr(),
            _ => self.identity().amr(),
        }
    }

    /// When the user authenticated, in seconds since the Unix epoch.
    #[must_use]
    pub fn auth_time(&self) -> Option<u64> {
        self.session_identity()
            .and_then(|session| session.auth_time)
            .or(self.identity().auth_time)
            .map(NumericDate::unix_seconds)
    }

    /// The OAuth client to which the token was issued. `None` in modes that read no token, because the
    /// resolver does not name it.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.identity().client_id()
    }

    /// The actor who acts for the user, if the token names one (`act`, RFC 8693 §4.1). Authgear's own
    /// tokens name none. `None` in modes that read no token.
    ///
    /// A token is refused (401) if its `act` is no object, names neither `sub` nor `client_id`, or has more
    /// than eight actors. So a hook of the project must not use this name for another purpose.
    #[must_use]
    pub fn actor(&self) -> Option<Actor<'_>> {
        Actor::current(self.identity())
    }

    /// The issuer: the project's endpoint as configured, also if the token has a [former
    /// issuer](crate::AuthgearBuilder::former_issuer). With several projects, id, roles, scopes and client
    /// belong to this issuer only: see [`key`](Self::key) and [`issued_by`](crate::authorize::issued_by).
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.current().issuer()
    }

    /// All audiences of the token.
    #[must_use]
    pub fn audiences(&self) -> impl ExactSizeIterator<Item = &str> + Clone + '_ {
        self.identity().audiences()
    }

    /// When the token was issued, in seconds since the Unix epoch.
    #[must_use]
    pub fn issued_at(&self) -> Option<u64> {
        self.identity().issued_at.map(NumericDate::unix_seconds)
    }

    /// When the token expires, in seconds since the Unix epoch. `None` in modes that read no token.
    #[must_use]
    pub fn expires_at(&self) -> Option<u64> {
        self.identity().expires_at.map(NumericDate::unix_seconds)
    }

    /// The id of the token (`jti`).
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.identity().token_id()
    }

    /// How the user was verified.
    #[must_use]
    pub fn verified_by(&self) -> VerifiedBy {
        match self.inner.method {
            VerifiedBy::Jwt if self.is_confirmed() => VerifiedBy::LiveSession,
            method => method,
        }
    }

    /// The custom claims.
    #[must_use]
    pub fn claims(&self) -> &C {
        &self.inner.claims
    }
}

impl<C> Clone for AuthUser<C> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            session: self.session.clone(),
        }
    }
}

/// Shows no claim, also not the user's id: an accidental log line must name no user.
impl<C> fmt::Debug for AuthUser<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthUser")
            .field("verified_by", &self.verified_by())
            .finish_non_exhaustive()
    }
}
