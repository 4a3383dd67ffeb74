//! The one place that names events: what is logged, at which level, and what never is.
//!
//! A token, a cookie, a claim or a key's name as it came never appears here. What a client can
//! cause is logged at DEBUG.

use std::error::Error;
use std::fmt;

use crate::error::AuthErrorKind;

/// The target of all events and spans.
const TARGET: &str = "axum_authgear";

/// New keys are in use.
pub(crate) fn keys_fetched(keys: usize, skipped: usize, changed: bool) {
    if changed {
        tracing::info!(target: TARGET, keys, skipped, "keys changed");
    } else {
        tracing::debug!(target: TARGET, keys, skipped, "keys are unchanged");
    }
}

/// An attempt to fetch the keys failed; the refresher makes few, whatever clients do.
pub(crate) fn key_fetch_failed(error: &(dyn Error + 'static)) {
    tracing::warn!(target: TARGET, error = %Chain(error), "keys could not be fetched");
}

/// A request was refused.
pub(crate) fn refused(kind: AuthErrorKind) {
    tracing::debug!(target: TARGET, ?kind, "request refused");
}

/// The log of ended users has been read.
#[cfg(feature = "redis")]
pub(crate) fn revocation_log_read(lacking: usize) {
    tracing::info!(target: TARGET, lacking, "the log of ended users is in contact");
}

/// The log of ended users does not answer; said once until it does.
#[cfg(feature = "redis")]
pub(crate) fn revocation_log_lost(error: &(dyn Error + 'static)) {
    tracing::warn!(target: TARGET, error = %Chain(error), "the log of ended users is out of contact");
}

/// A webhook's event was taken.
#[cfg(feature = "webhook")]
pub(crate) fn webhook_taken(event_type: &'static str) {
    tracing::debug!(target: TARGET, event_type, "webhook taken");
}

/// A webhook was refused.
#[cfg(feature = "webhook")]
pub(crate) fn webhook_refused(reason: &'static str) {
    tracing::debug!(target: TARGET, reason, "webhook refused");
}

/// An error with its causes.
struct Chain<'e>(&'e (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
