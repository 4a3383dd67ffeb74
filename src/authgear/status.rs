//! [`Status`] and [`Health`], for a readiness probe.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::authenticate::Authenticator;
use crate::verify::{TrustedProject, VerifierStatus};

/// How an [`Authgear`](crate::Authgear), or one of its projects, is doing.
#[derive(Clone, Debug)]
pub struct Status {
    health: Health,
    key_age: Option<Duration>,
    pub(super) last_error: Option<Arc<dyn Error + Send + Sync>>,
    /// Whether it is for the keys that credentials cannot be verified.
    pub(super) lacks_keys: bool,
    projects: Vec<ProjectStatus>,
}

/// How one of several projects is doing, from [`Status::projects`].
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

    /// How it is doing.
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

    /// Where there are no projects every credential is refused, and that can be said.
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

    /// How long ago the current keys were asked for; of several projects, the oldest. `None` before the
    /// first success, and where no keys are used.
    #[must_use]
    pub fn key_age(&self) -> Option<Duration> {
        self.key_age
    }

    /// Why the last attempt to fetch keys, or the last probe of the resolver, failed, if it did, or
    /// why what other replicas know of ended users is out of reach, if it is; that the runtime of
    /// `build()` has ended, if it has. It names no address and no secret. Of several projects, the error
    /// of one that has one.
    #[must_use]
    pub fn last_error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.last_error.as_deref()
    }

    /// Each project whose tokens are verified here, in the order of their issuers. Empty where no
    /// tokens are: with the session resolver alone, and behind a gateway.
    #[must_use]
    pub fn projects(&self) -> &[ProjectStatus] {
        &self.projects
    }
}

/// The summary of a [`Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Health {
    /// Credentials can be verified, and nothing has failed lately.
    Healthy,
    /// Some or all credentials can be verified, but the last refresh of the keys, or the last probe
    /// of the resolver, failed, or what other replicas know of ended users is out of reach.
    ///
    /// With live sessions, and the resolver away for longer than their bound and grace, users are
    /// answered with 503, while machines and open routes go on.
    Degraded,
    /// Credentials cannot be verified: requests with one are answered with 503.
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
