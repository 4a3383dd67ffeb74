//! [`Projects`] and [`Project`]: the projects of an [`Authgear`], while it runs.

use std::fmt;

use super::AuthgearBuilder;
use super::assembly::issuer_taken;
use super::mode::ModeContext;
use super::project_plan::{PlanContext, ProjectPlan};
use crate::authgear::{Authgear, Project};
use crate::error::ConfigError;
use crate::user::NoClaims;
use crate::verify::{ProjectResources, ProjectSet};
#[cfg(feature = "webhook")]
use crate::webhook::ProjectSecrets;

/// The projects of an [`Authgear`], from [`Authgear::projects`]: they come and go while requests run.
///
/// A change counts for every request that comes after it, and no request waits for one. Dropping this
/// removes nothing.
///
/// ```
/// # async fn example() -> Result<(), axum_authgear::ConfigError> {
/// use axum_authgear::Authgear;
///
/// let authgear = Authgear::any_of([]).build()?;
/// let projects = authgear.projects();
///
/// projects.add(Authgear::builder("https://acme.authgear.cloud"))?;
/// projects.replace(Authgear::builder("https://acme.authgear.cloud").client_ids(["acme-web"]))?;
/// assert_eq!(projects.issuers(), ["https://acme.authgear.cloud"]);
/// assert!(projects.remove("https://acme.authgear.cloud")?);
/// # Ok(())
/// # }
/// ```
pub struct Projects<C = NoClaims> {
    authgear: Authgear<C>,
}

impl<C: Send + Sync + 'static> Authgear<C> {
    /// The projects whose tokens count, to look at one or, where [`any_of`](Authgear::any_of) made this,
    /// to change them.
    #[must_use]
    pub fn projects(&self) -> Projects<C> {
        Projects {
            authgear: self.clone(),
        }
    }
}

impl<C: Send + Sync + 'static> Projects<C> {
    /// The issuers of all projects.
    #[must_use]
    pub fn issuers(&self) -> Vec<String> {
        self.authgear.authenticator().issuers()
    }

    /// The project of this issuer: its endpoint, letter by letter, but for one trailing slash.
    #[must_use]
    pub fn get(&self, issuer: &str) -> Option<Project<C>> {
        self.authgear.project(without_slash(issuer))
    }

    /// Adds a project. Its tokens count from now on; a request with one waits for the first fetch of its
    /// keys. The revocations that it had when it was removed, and those since then, are in force.
    ///
    /// # Errors
    /// As of `build()`: an option that cannot work or is in the wrong place, a project with an issuer
    /// that is there already, and an [`Authgear`] that [`any_of`](Authgear::any_of) did not make.
    pub fn add(&self, project: AuthgearBuilder) -> Result<(), ConfigError> {
        self.put(project, false)
    }

    /// Replaces the options of a project. A request that waits begins again with the new ones.
    /// Revocations stay. Keys stay too, unless they come from another address or the algorithms differ:
    /// then requests wait for the new keys, and the old ones do not count any more.
    ///
    /// # Errors
    /// As of [`add`](Self::add), and a project that is not there.
    pub fn replace(&self, project: AuthgearBuilder) -> Result<(), ConfigError> {
        self.put(project, true)
    }

    fn put(&self, project: AuthgearBuilder, replaces: bool) -> Result<(), ConfigError> {
        let (set, resources) = self.changeable()?;
        let plan = plan(project, resources)?;
        let issuer = plan.endpoint.issuer.clone();
        let change = set.begin_change();
        let previous = change.project(&issuer).filter(|_| replaces);
        if replaces && previous.is_none() {
            let reason = "is no project here: add it";
            return Err(ConfigError::invalid("endpoint", issuer, reason));
        }
        change
            .check_free(plan.validation.issuers(), previous.as_ref())
            .map_err(|issuer| issuer_taken(&issuer))?;
        #[cfg(feature = "webhook")]
        let secrets = plan.webhook_secrets.clone();
        let project = plan.start(resources, previous.as_deref())?;
        change
            .finish(previous.as_ref(), Some(project))
            .map_err(|issuer| issuer_taken(&issuer))?;
        #[cfg(feature = "webhook")]
        self.webhook_secrets().set(&issuer, secrets);
        self.forget_unused(set, resources);
        Ok(())
    }

    /// Removes the project with this endpoint. Its tokens are refused from now on, also those that are
    /// being verified, and its users' long connections end. Returns whether it was there.
    ///
    /// Its revocations are remembered for as long as ever, and so are those that come meanwhile, by
    /// [`Project::revoke_user`] or a webhook: they are in force when the project is added again.
    ///
    /// # Errors
    /// An [`Authgear`] that [`any_of`](Authgear::any_of) did not make.
    pub fn remove(&self, issuer: &str) -> Result<bool, ConfigError> {
        let (set, resources) = self.changeable()?;
        let change = set.begin_change();
        let Some(project) = change.project(without_slash(issuer)) else {
            return Ok(false);
        };
        change
            .finish(Some(&project), None)
            .map_err(|issuer| issuer_taken(&issuer))?;
        self.forget_unused(set, resources);
        Ok(true)
    }

    fn forget_unused(&self, set: &ProjectSet<C>, resources: &ProjectResources<C>) {
        let ledger = &resources.ledger;
        ledger.forget_unused(resources.clock.now(), |issuer| set.find(issuer).is_some());
        #[cfg(feature = "webhook")]
        self.webhook_secrets()
            .retain(|issuer| ledger.find(issuer).is_some());
    }

    #[cfg(feature = "webhook")]
    fn webhook_secrets(&self) -> &ProjectSecrets {
        self.authgear.authenticator().webhook_secrets()
    }

    fn changeable(&self) -> Result<(&ProjectSet<C>, &ProjectResources<C>), ConfigError> {
        let set = self.authgear.authenticator().verifier().projects();
        set.and_then(|set| Some((&**set, set.resources()?)))
            .ok_or(FIXED)
    }
}

fn plan<C>(
    project: AuthgearBuilder,
    resources: &ProjectResources<C>,
) -> Result<ProjectPlan, ConfigError> {
    let context = PlanContext {
        mode: ModeContext {
            gateway: None,
            has_token_source: false,
            keeps_tokens: false,
            reads_claims: false,
        },
        #[cfg(feature = "redis")]
        redis: resources.redis.as_ref(),
    };
    #[cfg(not(feature = "redis"))]
    let _ = resources;
    ProjectPlan::of_many(project, &context)
}

/// As the builder takes an endpoint.
fn without_slash(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

const FIXED: ConfigError = ConfigError::Conflict {
    option: "projects",
    reason: "make it with `Authgear::any_of`, and not behind a gateway, to change projects while it runs",
};

impl<C> Clone for Projects<C> {
    fn clone(&self) -> Self {
        Self {
            authgear: self.authgear.clone(),
        }
    }
}

impl<C> fmt::Debug for Projects<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projects").finish_non_exhaustive()
    }
}
