//! The trusted projects: usually one, or several.
//!
//! A token's issuer (`iss`) names the project. The header rules, keys, times and revocations of that project
//! decide: see [`token`]. Verified tokens of all projects share one [`cache`]. Projects are added and removed while requests run. The table is replaced as a
//! whole, and a removed project ends all waits for it.

mod admission;
mod cache;
mod changes;
mod digest;
mod health;
mod project;
mod resources;
mod table;
mod token;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;

pub(crate) use self::cache::TokenCache;
pub(crate) use self::project::TrustedProject;
pub(crate) use self::resources::ProjectResources;
use self::table::Table;
use super::jwt::Audiences;
use super::resolver::Requester;
use super::verification::Verification;
use crate::clock::Timestamp;
use crate::error::{AuthError, AuthErrorKind};
use crate::user::{AuthUser, CredentialForm, VerifiedBy};

/// The trusted projects.
pub(crate) struct ProjectSet<C> {
    table: ArcSwap<Table<C>>,
    /// Held while the table is changed, and by no request.
    changing: Mutex<()>,
    cache: Option<TokenCache<C>>,
    /// The shared resources for further projects. `None`: there will be none.
    resources: Option<ProjectResources<C>>,
}

impl<C: Send + Sync + 'static> ProjectSet<C> {
    /// # Errors
    /// The issuer that two of the projects have in common.
    pub(crate) fn new(
        projects: impl IntoIterator<Item = TrustedProject<C>>,
        cache: Option<TokenCache<C>>,
        resources: Option<ProjectResources<C>>,
    ) -> Result<Self, Box<str>> {
        let mut table = Table::default();
        for project in projects {
            table.insert(&Arc::new(project))?;
        }
        if let Some(cache) = &cache {
            cache.divide_among(table.len());
        }
        Ok(Self {
            table: ArcSwap::from_pointee(table),
            changing: Mutex::default(),
            cache,
            resources,
        })
    }

    /// Verifies Authgear's own cookies, which name no issuer: only if the single project accepts them.
    pub(crate) fn verify_cookies(
        &self,
        cookies: &str,
        now: Timestamp,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        match self.sole().as_deref().and_then(TrustedProject::live) {
            Some(live) => {
                live.verify_cookies(CredentialForm::SessionCookies, cookies, now, requester)
            }
            None => Verification::Ready(Err(AuthErrorKind::SessionInvalid.into())),
        }
    }

    /// Checks again a user who was accepted earlier.
    pub(crate) async fn recheck(
        &self,
        user: &AuthUser<C>,
        audiences: Option<&Audiences>,
    ) -> Result<AuthUser<C>, AuthError> {
        for _ in 0..MAX_REPLACEMENTS {
            let project = self.of_user(user).ok_or(AuthErrorKind::WrongIssuer)?;
            // A revocation of tokens does not end the session of a cookie, and a request with a cookie does
            // not check it.
            if user.verified().method == VerifiedBy::Jwt {
                project.jwt().recheck(user.verified(), audiences)?;
            }
            let Some(live) = project.live() else {
                return Ok(user.clone());
            };
            if let Some(outcome) = project.while_in(live.recheck(user)).await {
                return outcome;
            }
        }
        Err(being_replaced(AuthErrorKind::SessionUnavailable))
    }

    /// The shared resources for further projects, if there can be any.
    pub(crate) fn resources(&self) -> Option<&ProjectResources<C>> {
        self.resources.as_ref()
    }

    /// The project of this issuer.
    pub(crate) fn find(&self, issuer: &str) -> Option<Arc<TrustedProject<C>>> {
        self.table.load().find(issuer).cloned()
    }

    /// The project of this user. A test can make a user who has no token: then the only project counts.
    pub(crate) fn of_user(&self, user: &AuthUser<C>) -> Option<Arc<TrustedProject<C>>> {
        let found = self.find(user.issuer());
        let verified = user.verified();
        let has_token = verified.method != VerifiedBy::Jwt || verified.signed_by.is_some();
        if found.is_some() || has_token {
            found
        } else {
            self.sole()
        }
    }

    /// The only project, if there is exactly one.
    pub(crate) fn sole(&self) -> Option<Arc<TrustedProject<C>>> {
        self.table.load().sole().cloned()
    }

    /// All projects, in the order of their issuers.
    pub(crate) fn all(&self) -> Vec<Arc<TrustedProject<C>>> {
        self.table.load().all()
    }
}

/// The maximum number of restarts of one verification because its project was replaced.
const MAX_REPLACEMENTS: usize = 8;

/// The project exists, and was replaced too often during the verification to give a result.
fn being_replaced(kind: AuthErrorKind) -> AuthError {
    AuthError::unavailable(kind, Duration::from_secs(1), None)
}

impl<C> fmt::Debug for ProjectSet<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectSet")
            .field("table", &self.table.load())
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::user::{Identity, NoClaims, TimeContext, VerifiedUser};

    const OURS: &str = "https://auth.shop.example";
    const REMOVED: &str = "https://removed.shop.example";

    fn user(issuer: &str, method: VerifiedBy, has_key: bool) -> AuthUser<NoClaims> {
        AuthUser::new(Arc::new(VerifiedUser {
            identity: Identity::of_issuer(issuer),
            claims: NoClaims,
            method,
            signed_by: has_key.then(|| Arc::new(()) as _),
            time: TimeContext {
                clock: Clock::default(),
                leeway: Duration::ZERO,
            },
        }))
    }

    /// A user made by a test has no key and no cookie.
    #[test]
    fn the_only_project_does_not_decide_for_a_user_of_another_one() {
        let project = Arc::into_inner(TrustedProject::for_tests(OURS)).unwrap();
        let projects = ProjectSet::new([project], None, None).unwrap();
        let is_found = |issuer, method, has_key| {
            let found = projects.of_user(&user(issuer, method, has_key));
            found.is_some_and(|project| project.issuer() == OURS)
        };
        for (method, has_key, is_made_by_test) in [
            (VerifiedBy::Jwt, false, true),
            (VerifiedBy::Jwt, true, false),
            (VerifiedBy::LiveSession, true, false),
            (VerifiedBy::LiveSession, false, false),
            (VerifiedBy::Resolver, false, false),
        ] {
            assert!(is_found(OURS, method, has_key), "{method:?}");
            assert_eq!(
                is_found(REMOVED, method, has_key),
                is_made_by_test,
                "{method:?}, {has_key}"
            );
        }
    }
}
