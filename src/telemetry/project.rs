//! The events and metrics of one project and its keys.

use std::error::Error;
use std::time::Duration;

use super::TARGET;
#[cfg(feature = "metrics")]
pub(crate) use super::project_metrics::MetricScope;
#[cfg(feature = "metrics")]
use super::project_metrics::ProjectMetrics;
use crate::error::{AuthErrorKind, Causes};

/// Empty without the feature `metrics`.
#[cfg(not(feature = "metrics"))]
#[derive(Debug, Default)]
pub(crate) struct MetricScope;

/// The telemetry of one project. Dropped with it.
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

    /// New keys are used, whose fetch began at this time since the Unix epoch.
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

    /// A fetch of the keys failed. The refresher limits the number of fetches, whatever clients do.
    pub(crate) fn key_fetch_failed(&self, error: &(dyn Error + 'static)) {
        let issuer = &*self.issuer;
        tracing::warn!(target: TARGET, issuer, error = %Causes(error), "keys could not be fetched");
        #[cfg(feature = "metrics")]
        self.metrics.key_fetch_failed();
    }

    /// Keys that this process did not fetch are used: their source, and their age.
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

    /// Keys of the folder or the seed are unusable. Logged once for each start.
    pub(crate) fn kept_keys_unused(&self, error: &(dyn Error + 'static)) {
        let issuer = &*self.issuer;
        tracing::warn!(target: TARGET, issuer, error = %Causes(error), "kept keys are not used");
    }

    /// Keys are used whose fetch began at this time, in this process or another.
    #[cfg_attr(
        not(feature = "metrics"),
        expect(clippy::unused_self, reason = "a metric only")
    )]
    pub(crate) fn keys_asked_at(&self, asked_at: Duration) {
        #[cfg(feature = "metrics")]
        self.metrics.keys_asked_at(asked_at);
        #[cfg(not(feature = "metrics"))]
        let _ = asked_at;
    }

    /// A token of this project was accepted or refused.
    #[cfg_attr(
        not(feature = "metrics"),
        expect(clippy::unused_self, reason = "a metric only")
    )]
    pub(crate) fn decided(&self, refusal: Option<AuthErrorKind>) {
        #[cfg(feature = "metrics")]
        self.metrics.decided(refusal);
        #[cfg(not(feature = "metrics"))]
        let _ = refusal;
    }
}
