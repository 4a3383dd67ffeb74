//! The only place that names spans, events and metrics: what is logged, and at which level.
//!
//! It never logs a token, a cookie, a claim or the received name of a key. It logs the user's id only if the
//! builder turns that on. Events that a client can cause are at DEBUG. The labels of metrics have few
//! values, and a client chooses none of them. `src/docs/operations.md` lists the names.

mod advice;
mod audit;
#[cfg(feature = "metrics")]
mod metrics;
mod project;
#[cfg(feature = "metrics")]
mod project_metrics;

use std::error::Error;
use std::time::Duration;

use tracing::Span;
use tracing::field::Empty;
use tracing::level_filters::LevelFilter;

pub(crate) use self::advice::*;
pub(crate) use self::audit::Account;
pub(crate) use self::project::{MetricScope, ProjectTelemetry};
use crate::clock::Timestamp;
use crate::error::{AuthError, AuthErrorKind, Causes, cure};

/// Updates a metric, if the feature `metrics` is on.
macro_rules! metric {
    ($name:ident($($argument:expr),*)) => {
        #[cfg(feature = "metrics")]
        metrics::$name($($argument),*);
        #[cfg(not(feature = "metrics"))]
        let _ = ($($argument,)*);
    };
}

/// The target of all events and spans.
const TARGET: &str = "axum_authgear";

/// The result of a request's authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    User,
    Machine,
    /// No credential, on a route that needs none.
    Unauthenticated,
    Rejected(AuthErrorKind),
}

impl RequestOutcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Machine => "machine",
            Self::Unauthenticated => "nobody",
            Self::Rejected(_) => "refused",
        }
    }
}

/// The authentication of one request, as the span `authenticate`.
pub(crate) struct AuthenticationSpan {
    span: Option<Span>,
    began: Timestamp,
}

impl AuthenticationSpan {
    pub(crate) fn begin(now: Timestamp) -> Self {
        // A span without a subscriber still costs something at each use.
        let span = is_debug().then(|| {
            tracing::debug_span!(
                target: TARGET,
                "authenticate",
                outcome = Empty,
                kind = Empty,
                method = Empty,
                user_id = Empty,
            )
        });
        Self {
            span: span.filter(|span| !span.is_disabled()),
            began: now,
        }
    }

    pub(crate) fn began(&self) -> Timestamp {
        self.began
    }

    pub(crate) fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.span {
            Some(span) => span.in_scope(work),
            None => work(),
        }
    }

    /// Whether the span records more than the outcome.
    pub(crate) fn is_traced(&self) -> bool {
        self.span.is_some()
    }

    /// Records how a credential was verified.
    pub(crate) fn method(&self, method: &'static str) {
        if let Some(span) = &self.span {
            span.record("method", method);
        }
    }

    /// Records the user's id, only if the builder turns that on.
    pub(crate) fn user_id(&self, id: &str) {
        if let Some(span) = &self.span {
            span.record("user_id", id);
        }
    }

    pub(crate) fn end(self, outcome: RequestOutcome) {
        if let Some(span) = &self.span {
            span.record("outcome", outcome.as_str());
            if let RequestOutcome::Rejected(kind) = outcome {
                span.record("kind", kind.as_str());
            }
        }
        metric!(verified(outcome, self.began));
    }
}

/// The inner service has answered a request.
pub(crate) fn answered(outcome: RequestOutcome) {
    metric!(answered(outcome));
}

/// A layer of this crate, for tokens of this issuer, has refused a request.
pub(crate) fn refused(error: &AuthError, issuer: Option<&str>) {
    let kind = error.kind();
    tracing::debug!(
        target: TARGET,
        kind = kind.as_str(),
        issuer,
        cure = cure(kind),
        error = error.source().map(|source| tracing::field::display(Causes(source))),
        "request refused"
    );
    metric!(answered(RequestOutcome::Rejected(kind)));
}

/// Whether a subscriber receives the events of single requests.
pub(crate) fn is_debug() -> bool {
    LevelFilter::current() >= LevelFilter::DEBUG
}

/// The configured values that a token did not match, without the values of the token.
pub(crate) struct Expectation<'e> {
    pub(crate) kind: AuthErrorKind,
    /// The project that the token names. `None`: none of several.
    pub(crate) issuer: Option<&'e str>,
    pub(crate) expected: Option<String>,
    /// The difference between the token's time and the present.
    pub(crate) seconds_off: Option<i64>,
    pub(crate) leeway_secs: u64,
}

/// Logs the expectation of a refused token.
pub(crate) fn token_refused(expectation: &Expectation<'_>) {
    tracing::debug!(
        target: TARGET,
        kind = expectation.kind.as_str(),
        issuer = expectation.issuer,
        expected = expectation.expected,
        seconds_off = expectation.seconds_off,
        leeway_secs = expectation.seconds_off.map(|_| expectation.leeway_secs),
        "token refused"
    );
}

/// An unprotected route has answered. Logged once for each route.
pub(crate) fn unprotected_route(
    method: &'static str,
    route: Option<&str>,
    met_optional_layer: bool,
) {
    let route = route.unwrap_or("a fallback or a nested service, which have no matched path");
    if met_optional_layer {
        tracing::error!(
            target: TARGET,
            route,
            method,
            "an unprotected route has answered, and its response was replaced: an optional layer let \
             the request pass, and no extractor or requirement used the caller. Take an `Option<AuthUser>`, or \
             name the route open: `.layer(authgear.open())`"
        );
    } else {
        tracing::error!(
            target: TARGET,
            route,
            method,
            "an unprotected route has answered, and its response was replaced: no layer of this \
             `Authgear` is around it. Add `.layer(authgear.layer())`, or name the route open: \
             `.layer(authgear.open())`"
        );
    }
}

/// The folder has unusable keys. Logged once for each start.
pub(crate) fn kept_keys_unused(issuer: &str, error: &(dyn Error + 'static)) {
    tracing::warn!(target: TARGET, issuer, error = %Causes(error), "kept keys are not used");
}

/// Fetched keys cannot be written to the folder. Logged once until a write succeeds.
pub(crate) fn keys_not_kept(issuer: &str, error: &(dyn Error + 'static)) {
    tracing::warn!(target: TARGET, issuer, error = %Causes(error), "keys cannot be kept");
}

/// Keys are written to the folder again, after a failure.
pub(crate) fn keys_kept_again(issuer: &str) {
    tracing::info!(target: TARGET, issuer, "keys are kept again");
}

/// The caches.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cache {
    /// Verified tokens.
    Tokens,
    /// Answers of the resolver.
    Answers,
}

/// Counts a look-up in a cache.
pub(crate) fn looked_up(cache: Cache, hit: bool) {
    metric!(looked_up(cache, hit));
}

/// A call of the resolver has ended, after this time.
pub(crate) fn resolver_called(succeeded: bool, time: Duration) {
    metric!(resolver_called(succeeded, time));
}

/// A resolver call for a caller's credential failed. The caller can have caused it.
pub(crate) fn question_failed(issuer: &str, error: &(dyn Error + 'static)) {
    tracing::debug!(target: TARGET, issuer, error = %Causes(error), "a resolver call failed");
}

/// A probe of the resolver failed, for the first time since a success or again.
pub(crate) fn resolver_failed(issuer: &str, error: &(dyn Error + 'static), is_first: bool) {
    if is_first {
        tracing::warn!(target: TARGET, issuer, error = %Causes(error), "the resolver failed");
    } else {
        tracing::debug!(target: TARGET, issuer, error = %Causes(error), "the resolver still fails");
    }
}

/// The resolver answers again.
pub(crate) fn resolver_recovered(issuer: &str) {
    tracing::info!(target: TARGET, issuer, "the resolver answers again");
}

/// Describes each metric to the recorder.
pub(crate) fn describe() {
    metric!(describe());
    #[cfg(feature = "metrics")]
    project_metrics::describe();
}

/// The name of a revocation log: the issuer of its users, and its key.
#[cfg(feature = "redis")]
#[derive(Clone, Copy)]
pub(crate) struct LogName<'n> {
    pub(crate) issuer: &'n str,
    pub(crate) stream: &'n str,
}

/// The revocation log was read. `is_new`: it was unreachable before.
#[cfg(feature = "redis")]
pub(crate) fn revocation_log_read(
    LogName { issuer, stream }: LogName<'_>,
    lacking: usize,
    is_new: bool,
) {
    if is_new {
        tracing::info!(target: TARGET, issuer, stream, lacking, "the revocation log is reachable");
    } else if lacking > 0 {
        tracing::info!(target: TARGET, issuer, stream, lacking, "records that the revocation log lacks are appended");
    }
}

/// The log of revocations does not answer. Logged once until it does.
#[cfg(feature = "redis")]
pub(crate) fn revocation_log_lost(
    LogName { issuer, stream }: LogName<'_>,
    error: &(dyn Error + 'static),
) {
    tracing::warn!(target: TARGET, issuer, stream, error = %Causes(error), "the revocation log is unreachable");
}

/// The log of revocations can at most be read, and refuses writes. Logged once until it accepts them.
#[cfg(feature = "redis")]
pub(crate) fn revocation_log_refuses(
    LogName { issuer, stream }: LogName<'_>,
    error: &(dyn Error + 'static),
) {
    tracing::warn!(target: TARGET, issuer, stream, error = %Causes(error), "the revocation log refuses writes");
}

/// The log of revocations has stored everything that waited for it.
#[cfg(feature = "redis")]
pub(crate) fn revocation_log_takes(LogName { issuer, stream }: LogName<'_>) {
    tracing::info!(target: TARGET, issuer, stream, "the revocation log accepts writes again");
}

/// The log of revocations has entries that cannot be read. Logged from time to time.
#[cfg(feature = "redis")]
pub(crate) fn revocation_entries_skipped(LogName { issuer, stream }: LogName<'_>, count: u64) {
    tracing::warn!(target: TARGET, issuer, stream, count, "entries of the revocation log were skipped");
}

/// This machine's clock and that of the log differ. Logged once until they agree.
#[cfg(feature = "redis")]
pub(crate) fn revocation_clocks_differ(
    LogName { issuer, stream }: LogName<'_>,
    seconds_ahead: i64,
) {
    tracing::warn!(target: TARGET, issuer, stream, seconds_ahead, "this machine's clock differs from the revocation log's clock");
}

/// The newest entry of the log of revocations lies in the future of the log's own clock.
#[cfg(feature = "redis")]
pub(crate) fn revocation_log_is_ahead(LogName { issuer, stream }: LogName<'_>, seconds: u64) {
    tracing::warn!(
        target: TARGET, issuer, stream,
        seconds,
        "the ids of the revocation log are in the future: new entries are not dropped before that time"
    );
}

/// A webhook's event was accepted.
#[cfg(feature = "webhook")]
pub(crate) fn webhook_taken(event_type: &'static str) {
    tracing::debug!(target: TARGET, event_type, "webhook accepted");
}

/// A webhook was refused.
#[cfg(feature = "webhook")]
pub(crate) fn webhook_refused(reason: &'static str) {
    tracing::debug!(target: TARGET, reason, "webhook refused");
}
