//! The metrics: their names, and what is counted for each request, with keys that are made once.

use std::time::Duration;

use metrics::{
    Counter, Histogram, Key, Label, Level, Metadata, Unit, describe_counter, describe_histogram,
    with_recorder,
};

use super::{Cache, RequestOutcome};
use crate::clock::Timestamp;
use crate::error::{AuthErrorKind, PerKind};

pub(super) const METADATA: Metadata<'static> =
    Metadata::new(super::TARGET, Level::INFO, Some(module_path!()));

/// A key that is a constant; the macros of `metrics` make one on every call, unless the name is
/// a literal.
macro_rules! key {
    ($name:ident, $($label:literal => $value:literal),+) => {{
        static LABELS: &[Label] = &[$(Label::from_static_parts($label, $value)),+];
        static KEY: Key = Key::from_static_parts($name, LABELS);
        &KEY
    }};
}

/// Looked up each time, because a program can install its recorder at any time.
pub(super) fn counter(key: &Key) -> Counter {
    with_recorder(|recorder| recorder.register_counter(key, &METADATA))
}

fn histogram(key: &Key) -> Histogram {
    with_recorder(|recorder| recorder.register_histogram(key, &METADATA))
}

pub(super) fn answered(outcome: RequestOutcome) {
    static REFUSED: PerKind<Key> = PerKind::new();

    match outcome {
        RequestOutcome::User => counter(key!(REQUESTS, "outcome" => "user", "kind" => "none")),
        RequestOutcome::Machine => {
            counter(key!(REQUESTS, "outcome" => "machine", "kind" => "none"))
        }
        RequestOutcome::Unauthenticated => {
            counter(key!(REQUESTS, "outcome" => "nobody", "kind" => "none"))
        }
        RequestOutcome::Rejected(kind) => REFUSED.with(kind, refused, counter),
    }
    .increment(1);
}

fn refused(kind: AuthErrorKind) -> Key {
    let labels = vec![
        Label::new("outcome", "refused"),
        Label::new("kind", kind.as_str()),
    ];
    Key::from_parts(REQUESTS, labels)
}

pub(super) fn verified(outcome: RequestOutcome, began: Timestamp) {
    let key = match outcome {
        RequestOutcome::User => key!(VERIFICATION_SECONDS, "outcome" => "user"),
        RequestOutcome::Machine => key!(VERIFICATION_SECONDS, "outcome" => "machine"),
        // There was nothing to verify.
        RequestOutcome::Unauthenticated
        | RequestOutcome::Rejected(AuthErrorKind::MissingCredential) => return,
        RequestOutcome::Rejected(_) => key!(VERIFICATION_SECONDS, "outcome" => "refused"),
    };
    histogram(key).record(began.time_since());
}

pub(super) fn looked_up(cache: Cache, hit: bool) {
    counter(match (cache, hit) {
        (Cache::Tokens, true) => key!(CACHE_LOOKUPS, "cache" => "tokens", "result" => "hit"),
        (Cache::Tokens, false) => key!(CACHE_LOOKUPS, "cache" => "tokens", "result" => "miss"),
        (Cache::Answers, true) => key!(CACHE_LOOKUPS, "cache" => "answers", "result" => "hit"),
        (Cache::Answers, false) => {
            key!(CACHE_LOOKUPS, "cache" => "answers", "result" => "miss")
        }
    })
    .increment(1);
}

pub(super) fn resolver_called(succeeded: bool, time: Duration) {
    histogram(if succeeded {
        key!(RESOLVER_SECONDS, "result" => "answered")
    } else {
        key!(RESOLVER_SECONDS, "result" => "failed")
    })
    .record(time);
}

/// Describes each metric to the recorder.
pub(super) fn describe() {
    describe_counter!(
        REQUESTS,
        Unit::Count,
        "Requests that have been answered, by who they came from, or why they were refused"
    );
    describe_histogram!(
        VERIFICATION_SECONDS,
        Unit::Seconds,
        "Time from a request's credential to the verdict, waits for keys included"
    );
    describe_counter!(
        CACHE_LOOKUPS,
        Unit::Count,
        "Tokens and sessions that were known already, and those that were not"
    );
    describe_histogram!(
        RESOLVER_SECONDS,
        Unit::Seconds,
        "Time that calls of the resolver took, by result"
    );
}

/// Labels: `outcome` (`user`, `machine`, `nobody`, `refused`), `kind` (an `AuthErrorKind`, or
/// `none`).
pub(super) const REQUESTS: &str = "axum_authgear_requests_total";
/// Label: `outcome`. Requests without a credential are left out.
pub(super) const VERIFICATION_SECONDS: &str = "axum_authgear_verification_seconds";
/// Labels: `cache` (`tokens`, `answers`), `result` (`hit`, `miss`).
pub(super) const CACHE_LOOKUPS: &str = "axum_authgear_cache_lookups_total";
/// Label: `result` (`answered`, `failed`). Its count is the number of calls.
pub(super) const RESOLVER_SECONDS: &str = "axum_authgear_resolver_seconds";
