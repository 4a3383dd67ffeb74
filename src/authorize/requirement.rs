//! [`Requirement`]: a value that accepts or refuses a caller.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::denial::Denial;
use super::scope_tokens::ScopeTokens;
use crate::error::{AuthError, AuthErrorKind, ConfigError};
use crate::rejection::RequirementText;
use crate::user::{AuthUser, NoClaims, Principal};

/// A condition on the caller; see [the module](crate::authorize) for its use.
///
/// Cheap to clone. `C` is the type of the custom claims, which only [`satisfies`] looks at.
#[must_use = "a requirement does nothing until somebody is asked to meet it"]
pub struct Requirement<C = NoClaims>(Arc<Rule<C>>);

type Condition<C> = dyn Fn(&AuthUser<C>) -> bool + Send + Sync;

enum Rule<C> {
    Role(Cow<'static, str>),
    AnyRole(Vec<Cow<'static, str>>),
    AllScopes(ScopeTokens),
    AnyScope(ScopeTokens),
    VerifiedUser,
    NotAnonymous,
    AuthenticatedWithin(Duration),
    IssuedBy(String),
    Amr(Cow<'static, str>),
    Satisfies(Box<Condition<C>>),
    Both(Requirement<C>, Requirement<C>),
    Either(Requirement<C>, Requirement<C>),
    AcrValues(Requirement<C>, ScopeTokens),
}

/// The user has the role with this key.
pub fn has_role<C>(key: impl Into<Cow<'static, str>>) -> Requirement<C> {
    Requirement::new(Rule::Role(key.into()))
}

/// The user has at least one of the roles with these keys. With no keys, it is never met.
pub fn any_role<C, I>(keys: I) -> Requirement<C>
where
    I: IntoIterator<Item: Into<Cow<'static, str>>>,
{
    Requirement::new(Rule::AnyRole(keys.into_iter().map(Into::into).collect()))
}

/// The token of the user or machine has all of these scopes. Authgear's own scopes are constants in
/// [`scopes`](super::scopes).
///
/// The challenge names the missing scopes. A client that requests them in addition has enough.
///
/// # Errors
/// A scope that is invalid by RFC 6749 §3.3 (with a space or a quote, for example), or an empty list. In a
/// handler, `?` makes that a 500.
pub fn all_scopes<C, I>(scopes: I) -> Result<Requirement<C>, ConfigError>
where
    I: IntoIterator<Item: Into<String>>,
{
    let scopes = ScopeTokens::new("all_scopes", scopes)?;
    Ok(Requirement::new(Rule::AllScopes(scopes)))
}

/// The token of the user or machine has at least one of these scopes.
///
/// The challenge names the first of them, because it cannot express an alternative, and must not ask for
/// more than one. So begin with the scope that grants the least.
///
/// # Errors
/// A scope that is invalid by RFC 6749 §3.3 (with a space or a quote, for example), or an empty list. In a
/// handler, `?` makes that a 500.
pub fn any_scope<C, I>(scopes: I) -> Result<Requirement<C>, ConfigError>
where
    I: IntoIterator<Item: Into<String>>,
{
    let scopes = ScopeTokens::new("any_scope", scopes)?;
    Ok(Requirement::new(Rule::AnyScope(scopes)))
}

/// The user or machine belongs to the project with this endpoint. One trailing slash is ignored.
///
/// With several projects, always combine a role, a scope or a client with it: the admins of every tenant
/// have the role `admin`, and so do staging's.
///
/// ```
/// use axum_authgear::authorize::{Requirement, has_role, issued_by};
///
/// let operator: Requirement = issued_by("https://production.authgear.cloud").and(has_role("admin"));
/// ```
pub fn issued_by<C>(issuer: impl Into<String>) -> Requirement<C> {
    let mut issuer = issuer.into();
    if issuer.ends_with('/') {
        issuer.pop();
    }
    Requirement::new(Rule::IssuedBy(issuer))
}

/// The user has a verified identity, such as an email address. The token can also mark an anonymous user as
/// verified: add [`not_anonymous`] if a known person is needed.
pub fn verified<C>() -> Requirement<C> {
    Requirement::new(Rule::VerifiedUser)
}

/// The user is not anonymous. A token without this information counts as anonymous.
pub fn not_anonymous<C>() -> Requirement<C> {
    Requirement::new(Rule::NotAnonymous)
}

/// The user authenticated at most this long ago. For example, a password from an hour ago is not enough for
/// a payout. The client then sends the user to sign in again (RFC 9470).
///
/// The time is counted in whole seconds from the user's `auth_time`, which a refresh does not change. The
/// leeway does not extend it, because it is the API's own limit. A token without `auth_time`, or with one
/// that is further in the future than the leeway, is refused.
pub fn authenticated_within<C>(age: Duration) -> Requirement<C> {
    Requirement::new(Rule::AuthenticatedWithin(age))
}

/// The user authenticated by this method, such as `mfa` or `x_passkey` (`amr`, RFC 8176).
///
/// **A refresh removes it.** Authgear omits `amr` from every token of a refresh. So only the first token
/// after a sign-in meets this. Later tokens are refused as insufficient authentication, and the user has to
/// sign in again. To require a recent sign-in, use [`authenticated_within`]:
///
/// ```
/// use std::time::Duration;
/// use axum_authgear::authorize::{Requirement, amr, authenticated_within};
///
/// let recent: Requirement = authenticated_within(Duration::from_secs(300));
/// // Only right after the sign-in:
/// let recent_with_passkey: Requirement = recent.clone().and(amr("x_passkey"));
/// ```
pub fn amr<C>(method: impl Into<Cow<'static, str>>) -> Requirement<C> {
    Requirement::new(Rule::Amr(method.into()))
}

/// The function returns `true` for the user.
///
/// It should be quick and have no side effect: it can be called although another requirement was already
/// refused. It is never called for a machine.
///
/// ```
/// use axum_authgear::AuthUser;
/// use axum_authgear::authorize::{Requirement, satisfies};
///
/// #[derive(serde::Deserialize)]
/// struct Shop {
///     tenant: String,
/// }
///
/// let of_acme: Requirement<Shop> = satisfies(|user: &AuthUser<Shop>| user.claims().tenant == "acme");
/// ```
pub fn satisfies<C>(
    condition: impl Fn(&AuthUser<C>) -> bool + Send + Sync + 'static,
) -> Requirement<C> {
    Requirement::new(Rule::Satisfies(Box::new(condition)))
}

impl<C> Requirement<C> {
    fn new(rule: Rule<C>) -> Self {
        Self(Arc::new(rule))
    }

    /// Both must be met.
    ///
    /// If both refuse, the response names the refusal that is harder to resolve for the caller: `forbidden`
    /// before `insufficient_scope` before `insufficient_user_authentication`. So no user signs in again in
    /// vain. If both have the same `error`, the response has the scopes of both and the shorter `max_age`.
    pub fn and(self, other: Self) -> Self {
        Self::new(Rule::Both(self, other))
    }

    /// One of them must be met.
    ///
    /// If both refuse, the response names the refusal that is easier to resolve for the caller, in the
    /// opposite order of [`and`](Self::and), and the first one if they are equal.
    pub fn or(self, other: Self) -> Self {
        Self::new(Rule::Either(self, other))
    }

    /// Names these authentication context classes in the challenge (`acr_values`, RFC 9470 §3) when
    /// this is refused as insufficient authentication. They have no effect on the check, because
    /// Authgear's tokens have no `acr`.
    ///
    /// # Errors
    /// A value with a space, a quote, a backslash or a character outside of printable ASCII, or an empty list.
    pub fn acr_values<I>(self, values: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let values = ScopeTokens::new("acr_values", values)?;
        Ok(Self::new(Rule::AcrValues(self, values)))
    }

    /// The expression of this requirement, for an account.
    pub(super) fn text(&self) -> RequirementText
    where
        C: 'static,
    {
        Arc::<Rule<C>>::clone(&self.0)
    }

    /// Whether the caller meets this.
    pub(super) fn check(&self, caller: &Principal<C>) -> Result<(), AuthError> {
        // The clock that verified the user. For a machine nothing depends on time.
        let now = caller.user().map(|user| user.time().clock.now().unix());
        self.check_at(caller, now.unwrap_or_default())
            .map_err(|denial| denial.into_error(caller.identity().scope_inclusions.as_deref()))
    }

    /// The scopes that a client without a token should request. If one of two requirements is enough, these
    /// are the scopes of the first one, or none if one of the two needs no scope.
    pub(super) fn initial_scopes(&self) -> Vec<&str> {
        match &*self.0 {
            Rule::AllScopes(scopes) => scopes.iter().collect(),
            Rule::AnyScope(scopes) => scopes.iter().take(1).collect(),
            Rule::AcrValues(inner, _) => inner.initial_scopes(),
            Rule::Both(one, other) => [one.initial_scopes(), other.initial_scopes()].concat(),
            Rule::Either(one, other) if !other.initial_scopes().is_empty() => one.initial_scopes(),
            _ => Vec::new(),
        }
    }

    /// Whether the caller meets this at `now`, the time since the Unix epoch.
    fn check_at(&self, caller: &Principal<C>, now: Duration) -> Result<(), Denial<'_>> {
        let user = || {
            let user = caller.user();
            user.ok_or_else(|| Denial::new(AuthErrorKind::UserRequired))
        };
        let unless = |is_met: bool, kind: AuthErrorKind| {
            if is_met {
                Ok(())
            } else {
                Err(Denial::new(kind))
            }
        };
        match &*self.0 {
            Rule::Role(key) => unless(user()?.has_role(key), AuthErrorKind::RoleMissing),
            Rule::AnyRole(keys) => {
                let user = user()?;
                unless(
                    keys.iter().any(|key| user.has_role(key)),
                    AuthErrorKind::RoleMissing,
                )
            }
            Rule::AllScopes(scopes) => {
                let missing = scopes.iter().filter(|scope| !caller.has_scope(scope));
                Denial::for_scopes(missing.collect())
            }
            Rule::AnyScope(scopes) if scopes.iter().any(|scope| caller.has_scope(scope)) => Ok(()),
            Rule::AnyScope(scopes) => Denial::for_scopes(scopes.iter().take(1).collect()),
            Rule::VerifiedUser => unless(user()?.is_verified(), AuthErrorKind::NotVerified),
            Rule::NotAnonymous => unless(!user()?.is_anonymous(), AuthErrorKind::AnonymousUser),
            Rule::AuthenticatedWithin(age) => {
                if authenticated_at_most(user()?, *age, now) {
                    return Ok(());
                }
                let mut denial = Denial::new(AuthErrorKind::AuthenticationTooOld);
                denial.max_age = Some(age.as_secs());
                Err(denial)
            }
            Rule::IssuedBy(issuer) => {
                unless(caller.issuer() == issuer, AuthErrorKind::IssuerNotAllowed)
            }
            Rule::Amr(method) => unless(
                user()?.amr().any(|own| own == method),
                AuthErrorKind::AuthenticationTooWeak,
            ),
            Rule::Satisfies(condition) => {
                unless(condition(user()?), AuthErrorKind::ConditionNotMet)
            }
            Rule::Both(one, other) => {
                match (one.check_at(caller, now), other.check_at(caller, now)) {
                    (Err(one), Err(other)) => Err(one.for_all(other)),
                    (one, other) => one.and(other),
                }
            }
            Rule::Either(one, other) => match one.check_at(caller, now) {
                Ok(()) => Ok(()),
                Err(denial) => other
                    .check_at(caller, now)
                    .map_err(|others| denial.for_any(others)),
            },
            Rule::AcrValues(inner, values) => inner.check_at(caller, now).map_err(|mut denial| {
                if denial.is_about_authentication() {
                    denial.acr_values = values.iter().collect();
                }
                denial
            }),
        }
    }
}

fn authenticated_at_most<C>(user: &AuthUser<C>, age: Duration, now: Duration) -> bool {
    let now = now.as_secs();
    user.auth_time().is_some_and(|at| {
        let latest = now.saturating_add(user.time().leeway.as_secs());
        at <= latest && now.saturating_sub(at) <= age.as_secs()
    })
}

impl<C> Clone for Requirement<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The expression of a requirement.
impl<C> fmt::Debug for Requirement<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<C> fmt::Debug for Rule<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(key) => write!(f, "has_role({key:?})"),
            Self::AnyRole(keys) => write!(f, "any_role({keys:?})"),
            Self::AllScopes(scopes) => write!(f, "all_scopes({scopes:?})"),
            Self::AnyScope(scopes) => write!(f, "any_scope({scopes:?})"),
            Self::VerifiedUser => f.write_str("verified()"),
            Self::NotAnonymous => f.write_str("not_anonymous()"),
            Self::AuthenticatedWithin(age) => write!(f, "authenticated_within({age:?})"),
            Self::IssuedBy(issuer) => write!(f, "issued_by({issuer:?})"),
            Self::Amr(method) => write!(f, "amr({method:?})"),
            Self::Satisfies(_) => f.write_str("satisfies(…)"),
            Self::Both(one, other) => write!(f, "{one:?}.and({other:?})"),
            Self::Either(one, other) => write!(f, "{one:?}.or({other:?})"),
            Self::AcrValues(inner, values) => write!(f, "{inner:?}.acr_values({values:?})"),
        }
    }
}
