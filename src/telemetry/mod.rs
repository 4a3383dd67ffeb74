//! The one place that names spans, events and metrics: what is logged, at which level, and what is
//! never logged.
//!
//! A token, a cookie, a claim or a key's name as it came never appears here; the user's id does where
//! the builder asks for it. What a client can cause is logged at DEBUG, and a metric's labels have few
//! values, none of which a client chooses. The names are listed in `src/docs/operations.md`.

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

/// Counts something, if there are metrics at all.
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

/// Who a request was found to come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    User,
    Machine,
    /// No credential, where none is needed.
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

    /// Whether anybody wants to know more than the outcome.
    pub(crate) fn is_traced(&self) -> bool {
        self.span.is_some()
    }

    /// How a credential was verified.
    pub(crate) fn method(&self, method: &'static str) {
        if let Some(span) = &self.span {
            span.record("method", method);
        }
    }

    /// Whose it is; only where the builder asks for it.
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

/// A request has been answered by the service inside.
pub(crate) fn answered(outcome: RequestOutcome) {
    metric!(answered(outcome));
}

/// A request has been refused by one of our layers, which is for tokens of this issuer.
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

/// Whether anybody listens to what a single request causes.
pub(crate) fn is_debug() -> bool {
    LevelFilter::current() >= LevelFilter::DEBUG
}

/// What a token would have had to say, as it is configured: never what it says.
pub(crate) struct Expectation<'e> {
    pub(crate) kind: AuthErrorKind,
    /// The project that it claims to be of. `None`: it is of none of several.
    pub(crate) issuer: Option<&'e str>,
    pub(crate) expected: Option<String>,
    /// By how much a time is off, beyond which leeway.
    pub(crate) seconds_off: Option<i64>,
    pub(crate) leeway_secs: u64,
}

/// A token was refused, and this is what was expected.
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

/// A route that nothing protects has answered; said once for each route.
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
             the request pass, and the handler did not extract the caller. Take an `Option<AuthUser>`, or name the \
             route open: `.layer(authgear.open())`"
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

/// The folder of kept keys holds something of no use; once for each start.
pub(crate) fn kept_keys_unused(issuer: &str, error: &(dyn Error + 'static)) {
    tracing::warn!(target: TARGET, issuer, error = %Causes(error), "kept keys are not used");
}

/// Keys were fetched and could not be kept; said once until they can.
pub(crate) fn keys_not_kept(issuer: &str, error: &(dyn Error + 'static)) {
    tracing::warn!(target: TARGET, issuer, error = %Causes(error), "keys cannot be kept");
}

/// Keys are kept, after they could not be.
pub(crate) fn keys_kept_again(issuer: &str) {
    tracing::info!(target: TARGET, issuer, "keys are kept again");
}

/// What is kept, so that nothing has to be verified or asked again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cache {
    /// Tokens that were verified before.
    Tokens,
    /// Answers of the resolver.
    Answers,
}

/// Something was looked up in a cache.
pub(crate) fn looked_up(cache: Cache, hit: bool) {
    metric!(looked_up(cache, hit));
}

/// A call of the resolver has ended, after this time.
pub(crate) fn resolver_called(succeeded: bool, time: Duration) {
    metric!(resolver_called(succeeded, time));
}

/// A question about a caller's credential failed, which that caller may have caused.
pub(crate) fn question_failed(issuer: &str, error: &(dyn Error + 'static)) {
    tracing::debug!(target: TARGET, issuer, error = %Causes(error), "a resolver call failed");
}

/// A probe of the resolver failed, the first one of a row or another one.
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
}

/// The name of a revocation log: the issuer of its users, and its key.
#[cfg(feature = "redis")]
#[derive(Clone, Copy)]
pub(crate) struct LogName<'n> {
    pub(crate) issuer: &'n str,
    pub(crate) stream: &'n str,
}

/// The revocation log has been read: `is_new` after it was out of contact.
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
