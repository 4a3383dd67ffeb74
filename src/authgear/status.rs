//! [`Status`] and [`Health`], for a readiness probe.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::authenticate::Authenticator;
use crate::verify::{TrustedProject, VerifierStatus};

/// The status of an [`Authgear`](crate::Authgear), or of one of its projects.
#[derive(Clone, Debug)]
pub struct Status {
    health: Health,
    key_age: Option<Duration>,
    pub(super) last_error: Option<Arc<dyn Error + Send + Sync>>,
    /// Whether credentials cannot be verified because there are no keys.
    pub(super) lacks_keys: bool,
    projects: Vec<ProjectStatus>,
}

/// The status of one project, from [`Status::projects`].
#[derive(Clone, Debug)]
pub struct ProjectStatus {
    issuer: String,
    status: Status,
}

impl ProjectStatus {
    /// The project's endpoint.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The status of the project.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }
}

impl Status {
    pub(super) fn of<C: Send + Sync + 'static>(authenticator: &Authenticator<C>) -> Self {
        let verifier = authenticator.verifier();
        let Some(projects) = verifier.projects() else {
            let mut status = verifier.status();
            let issuers = authenticator.issuers();
            let ledger = authenticator.ledger();
            let outage = issuers
                .iter()
                .find_map(|issuer| ledger.find(issuer)?.store().outage());
            status.error = status.error.or(outage.map(|outage| outage.error));
            return Self::new(status, false);
        };
        let projects = projects.all();
        let projects = projects.iter().map(|project| ProjectStatus {
            issuer: project.issuer().to_owned(),
            status: Self::of_project(project),
        });
        Self::of_all(projects.collect())
    }

    pub(super) fn of_project<C>(project: &TrustedProject<C>) -> Self
    where
        C: Send + Sync + 'static,
    {
        Self::new(project.status(), !project.has_keys())
    }

    fn new(status: VerifierStatus, lacks_keys: bool) -> Self {
        Self {
            health: match (status.is_usable, &status.error) {
                (true, None) => Health::Healthy,
                (true, Some(_)) => Health::Degraded,
                (false, _) => Health::Down,
            },
            key_age: status.key_age,
            last_error: status.error,
            lacks_keys,
            projects: Vec::new(),
        }
    }

    /// Without projects every credential is refused with 401, so the status is healthy.
    fn of_all(projects: Vec<ProjectStatus>) -> Self {
        let statuses = || projects.iter().map(|project| &project.status);
        let is_healthy = statuses().all(|own| own.health == Health::Healthy);
        let is_down = statuses().all(|own| own.health == Health::Down);
        Self {
            health: match (is_healthy, is_down) {
                (true, _) => Health::Healthy,
                (false, false) => Health::Degraded,
                (false, true) => Health::Down,
            },
            key_age: statuses().filter_map(|own| own.key_age).max(),
            last_error: statuses().find_map(|own| own.last_error.clone()),
            lacks_keys: statuses().all(|own| own.lacks_keys),
            projects,
        }
    }

    /// The summary.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health
    }

    /// The time since the fetch of the current keys began. With several projects, the largest. `None`
    /// before the first success, and in modes without keys.
    #[must_use]
    pub fn key_age(&self) -> Option<Duration> {
        self.key_age
    }

    /// Why the last fetch of the keys or the last probe of the resolver failed, why Redis is
    /// unreachable, or that the runtime of `build()` has ended. `None` if there is no such error. It names no
    /// address and no secret. With several projects, the error of one of them.
    #[must_use]
    pub fn last_error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.last_error.as_deref()
    }

    /// The projects whose tokens are verified here, ordered by issuer. Empty in modes that verify no
    /// tokens: *resolver* and *gateway*.
    #[must_use]
    pub fn projects(&self) -> &[ProjectStatus] {
        &self.projects
    }
}

/// The summary of a [`Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Health {
    /// Credentials can be verified, and nothing failed recently.
    Healthy,
    /// Some or all credentials can be verified, but the last fetch of the keys or the last probe of the
    /// resolver failed, or Redis is unreachable.
    ///
    /// With live sessions, if the resolver is down for longer than their bound and grace period, users get
    /// 503; machines and open routes still work.
    Degraded,
    /// Credentials cannot be verified: a request with one gets 503.
    Down,
}

impl Health {
    /// The stable name: `healthy`, `degraded` or `down`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
