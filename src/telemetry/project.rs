//! What is told of one project, and of its keys.

use std::error::Error;
use std::time::Duration;

use super::TARGET;
#[cfg(feature = "metrics")]
pub(crate) use super::project_metrics::MetricScope;
#[cfg(feature = "metrics")]
use super::project_metrics::ProjectMetrics;
use crate::error::{AuthErrorKind, Causes};

/// How the metrics of an `Authgear`'s projects are told apart: not at all, where there are no metrics.
#[cfg(not(feature = "metrics"))]
#[derive(Debug, Default)]
pub(crate) struct MetricScope;

/// What tells of one project. Dropped with it.
pub(crate) struct ProjectTelemetry {
    issuer: Box<str>,
    #[cfg(feature = "metrics")]
    metrics: ProjectMetrics,
}

impl ProjectTelemetry {
    pub(crate) fn new(issuer: &str, scope: &MetricScope) -> Self {
        #[cfg(not(feature = "metrics"))]
        let MetricScope = scope;
        Self {
            issuer: issuer.into(),
            #[cfg(feature = "metrics")]
            metrics: ProjectMetrics::new(issuer, scope),
        }
    }

    /// New keys are in use, which were asked for at this time since the Unix epoch.
    pub(crate) fn keys_fetched(
        &self,
        asked_at: Duration,
        keys: usize,
        skipped: usize,
        changed: bool,
    ) {
        let issuer = &*self.issuer;
        if changed {
            tracing::info!(target: TARGET, issuer, keys, skipped, "keys changed");
        } else {
            tracing::debug!(target: TARGET, issuer, keys, skipped, "keys are unchanged");
        }
        #[cfg(feature = "metrics")]
        self.metrics.keys_fetched(asked_at, changed);
        #[cfg(not(feature = "metrics"))]
        let _ = asked_at;
    }

    /// An attempt to fetch the keys failed; the refresher makes few, whatever clients do.
    pub(crate) fn key_fetch_failed(&self, error: &(dyn Error + 'static)) {
        let issuer = &*self.issuer;
        tracing::warn!(target: TARGET, issuer, error = %Causes(error), "keys could not be fetched");
        #[cfg(feature = "metrics")]
        self.metrics.key_fetch_failed();
    }

    /// Keys that were not fetched by this process serve: where they come from, and how old they are.
    pub(crate) fn keys_restored(
        &self,
        source: &'static str,
        age: Duration,
        (keys, skipped): (usize, usize),
    ) {
        let issuer = &*self.issuer;
        let age_seconds = age.as_secs();
        tracing::info!(target: TARGET, issuer, source, age_seconds, keys, skipped, "kept keys are used");
    }

    /// Keys were kept, or given along, and are of no use; once for each start.
    pub(crate) fn kept_keys_unused(&self, error: &(dyn Error + 'static)) {
        let issuer = &*self.issuer;
        tracing::warn!(target: TARGET, issuer, error = %Causes(error), "kept keys are not used");
    }

    /// Keys serve that were asked for at this time, in this process or another.
    pub(crate) fn keys_asked_at(&self, asked_at: Duration) {
        #[cfg(feature = "metrics")]
        self.metrics.keys_asked_at(asked_at);
        #[cfg(not(feature = "metrics"))]
        let _ = asked_at;
    }

    /// A token that names this project was verified, or refused.
    pub(crate) fn decided(&self, refusal: Option<AuthErrorKind>) {
        #[cfg(feature = "metrics")]
        self.metrics.decided(refusal);
        #[cfg(not(feature = "metrics"))]
        let _ = refusal;
    }
}
