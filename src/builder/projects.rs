//! [`Projects`] and [`Project`]: the projects of a running [`Authgear`].

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

/// The projects of an [`Authgear`], from [`Authgear::projects`]. They can be added, replaced and removed
/// while requests run.
///
/// A change counts for every later request, and no request waits for it. Dropping this value removes no
/// project.
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
    /// The trusted projects. [`Projects::get`] returns one of them. If [`any_of`](Authgear::any_of) made
    /// this `Authgear`, they can also be changed.
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

    /// The project of this issuer: its endpoint, compared byte by byte, without one trailing slash.
    #[must_use]
    pub fn get(&self, issuer: &str) -> Option<Project<C>> {
        self.authgear.project(without_slash(issuer))
    }

    /// Adds a project. Its tokens are accepted from now on, and a request with one waits for the first fetch
    /// of the keys. Revocations from before a removal and from the time since then are in force.
    ///
    /// # Errors
    /// Those of `build()`: an option is invalid or in the wrong place. Also: a project with this issuer
    /// already exists, [`any_of`](Authgear::any_of) did not make this [`Authgear`], or a gateway is in front.
    pub fn add(&self, project: AuthgearBuilder) -> Result<(), ConfigError> {
        self.put(project, false)
    }

    /// Replaces the options of a project. A waiting request restarts with the new options. Revocations stay.
    /// Keys stay too, unless they come from another address or the algorithms differ. Then requests wait for
    /// the new keys, and the old keys are not used any more.
    ///
    /// # Errors
    /// Those of [`add`](Self::add), and a project that does not exist.
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
        let (secrets, validation) = (plan.webhook_secrets.clone(), plan.validation.clone());
        let project = plan.start(resources, previous.as_deref())?;
        change
            .finish(previous.as_ref(), Some(project))
            .map_err(|issuer| issuer_taken(&issuer))?;
        resources.ledger.finish(&issuer);
        #[cfg(feature = "webhook")]
        {
            // Also those that are no longer its issuers: they keep no secret that it no longer has.
            let previous = previous.iter().flat_map(|project| project.issuers());
            let issuers = validation.issuers().chain(previous);
            self.webhook_secrets().set(issuers, secrets.as_ref());
        }
        self.forget_unused(set, resources);
        Ok(())
    }

    /// Removes the project with this endpoint, and returns whether it existed. Its tokens are refused from
    /// now on, also those in verification, and the long connections of its users end.
    ///
    /// Its revocations are remembered for the usual time. Later ones by [`Project::revoke_user`] or a
    /// webhook are remembered, too. All of them are in force when the project is added again.
    ///
    /// # Errors
    /// [`any_of`](Authgear::any_of) did not make this [`Authgear`], or a gateway is in front.
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

    #[cfg_attr(
        not(feature = "webhook"),
        expect(clippy::unused_self, reason = "the secrets are of the feature")
    )]
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

/// Normalized as in the builder.
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
