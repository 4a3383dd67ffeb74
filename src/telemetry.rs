//! The one place that names spans, events and metrics: what is told, at which level, and what never
//! is.
//!
//! A token, a cookie, a claim or a key's name as it came never appears here; the user's id does where
//! the builder asks for it. What a client can cause is logged at DEBUG, and a metric's labels have few
//! values, none of which a client chooses. The names are listed in `src/docs/operations.md`.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tracing::Span;
use tracing::field::{Empty, debug};

use crate::error::AuthErrorKind;

/// The target of all events and spans.
const TARGET: &str = "axum_authgear";

/// Who a request was found to come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    User,
    Machine,
    /// No credential, where none is needed.
    Nobody,
    Refused(AuthErrorKind),
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Machine => "machine",
            Self::Nobody => "nobody",
            Self::Refused(_) => "refused",
        }
    }

    #[cfg(feature = "metrics")]
    fn has_credential(self) -> bool {
        !matches!(
            self,
            Self::Nobody | Self::Refused(AuthErrorKind::MissingCredential)
        )
    }
}

/// The authentication of one request, as the span `authenticate`.
pub(crate) struct Attempt {
    span: Span,
    #[cfg(feature = "metrics")]
    began: tokio::time::Instant,
}

impl Attempt {
    pub(crate) fn begin() -> Self {
        Self {
            span: tracing::debug_span!(
                target: TARGET,
                "authenticate",
                outcome = Empty,
                kind = Empty,
                method = Empty,
                user_id = Empty,
            ),
            #[cfg(feature = "metrics")]
            began: tokio::time::Instant::now(),
        }
    }

    pub(crate) fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        self.span.in_scope(work)
    }

    /// Whether anybody wants to know more than the outcome.
    pub(crate) fn is_traced(&self) -> bool {
        !self.span.is_disabled()
    }

    /// How a credential was verified.
    pub(crate) fn method(&self, method: &'static str) {
        self.span.record("method", method);
    }

    /// Whose it is; only where the builder asks for it.
    pub(crate) fn user_id(&self, id: &str) {
        self.span.record("user_id", id);
    }

    pub(crate) fn end(self, outcome: Outcome) {
        self.span.record("outcome", outcome.as_str());
        if let Outcome::Refused(kind) = outcome {
            self.span.record("kind", debug(kind));
        }
        #[cfg(feature = "metrics")]
        if outcome.has_credential() {
            metrics::histogram!(metric::VERIFICATION_SECONDS, "outcome" => outcome.as_str())
                .record(self.began.elapsed());
        }
    }
}

/// A request has been answered: by the service inside, or refused by one of our layers.
pub(crate) fn answered(outcome: Outcome) {
    if let Outcome::Refused(kind) = outcome {
        tracing::debug!(target: TARGET, ?kind, "request refused");
    }
    #[cfg(feature = "metrics")]
    {
        let kind = match outcome {
            Outcome::Refused(kind) => format!("{kind:?}").into(),
            _ => metrics::SharedString::const_str("none"),
        };
        metrics::counter!(metric::REQUESTS, "outcome" => outcome.as_str(), "kind" => kind)
            .increment(1);
    }
}

/// New keys are in use, which were asked for at this time since the Unix epoch.
pub(crate) fn keys_fetched(asked_at: Duration, keys: usize, skipped: usize, changed: bool) {
    if changed {
        tracing::info!(target: TARGET, keys, skipped, "keys changed");
    } else {
        tracing::debug!(target: TARGET, keys, skipped, "keys are unchanged");
    }
    #[cfg(feature = "metrics")]
    {
        let result = if changed { "changed" } else { "unchanged" };
        metrics::counter!(metric::KEY_FETCHES, "result" => result).increment(1);
        metrics::gauge!(metric::KEYS_FETCHED_AT).set(asked_at.as_secs_f64());
    }
    #[cfg(not(feature = "metrics"))]
    let _ = asked_at;
}

/// An attempt to fetch the keys failed; the refresher makes few, whatever clients do.
pub(crate) fn key_fetch_failed(error: &(dyn Error + 'static)) {
    tracing::warn!(target: TARGET, error = %Chain(error), "keys could not be fetched");
    #[cfg(feature = "metrics")]
    metrics::counter!(metric::KEY_FETCHES, "result" => "failed").increment(1);
}

/// A call of the resolver failed, the first one of a row or another one. A client can cause calls,
/// and so no more than the first is worth a warning.
pub(crate) fn resolver_failed(error: &(dyn Error + 'static), is_first: bool) {
    if is_first {
        tracing::warn!(target: TARGET, error = %Chain(error), "the resolver failed");
    } else {
        tracing::debug!(target: TARGET, error = %Chain(error), "the resolver still fails");
    }
}

/// The resolver answers again.
pub(crate) fn resolver_recovered() {
    tracing::info!(target: TARGET, "the resolver answers again");
}

/// Tells the recorder of metrics what each of them means.
pub(crate) fn describe() {
    #[cfg(feature = "metrics")]
    {
        use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

        describe_counter!(
            metric::REQUESTS,
            Unit::Count,
            "Requests that have been answered, by who they came from, or why they were refused"
        );
        describe_histogram!(
            metric::VERIFICATION_SECONDS,
            Unit::Seconds,
            "Time from a request's credential to the verdict, waits for keys included"
        );
        describe_counter!(
            metric::KEY_FETCHES,
            Unit::Count,
            "Attempts to fetch the project's keys, by result"
        );
        describe_gauge!(
            metric::KEYS_FETCHED_AT,
            Unit::Seconds,
            "Unix time at which the keys in use were asked for"
        );
    }
}

/// The names of the metrics.
#[cfg(feature = "metrics")]
mod metric {
    /// Labels: `outcome` (`user`, `machine`, `nobody`, `refused`), `kind` (an `AuthErrorKind`, or
    /// `none`).
    pub(super) const REQUESTS: &str = "axum_authgear_requests_total";
    /// Label: `outcome`. Requests without a credential are left out.
    pub(super) const VERIFICATION_SECONDS: &str = "axum_authgear_verification_seconds";
    /// Label: `result` (`changed`, `unchanged`, `failed`).
    pub(super) const KEY_FETCHES: &str = "axum_authgear_key_fetches_total";
    /// The age of the keys is `time()` less this: a gauge of the age itself would stand still as
    /// soon as the refresher does.
    pub(super) const KEYS_FETCHED_AT: &str = "axum_authgear_keys_fetched_timestamp_seconds";
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
