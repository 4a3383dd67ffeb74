//! The metrics of one project and its keys.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{Key, Label, Unit, describe_counter, describe_gauge, with_recorder};

use super::metrics::{METADATA, counter};
use crate::error::AuthErrorKind;
use crate::lock::lock;

/// How the metrics of one `Authgear`'s projects are distinguished.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetricScope {
    by_issuer: bool,
    /// The start of the last key fetch of each project, if all share one gauge.
    asked_at: Arc<Mutex<HashMap<u64, Duration>>>,
}

impl MetricScope {
    pub(crate) fn new(by_issuer: bool) -> Self {
        Self {
            by_issuer,
            ..Self::default()
        }
    }
}

/// The metrics of one project.
pub(super) struct ProjectMetrics {
    scope: MetricScope,
    /// With labels: the issuer, and the counter for each valid token.
    labelled: Option<(Label, Key)>,
    number: u64,
}

impl ProjectMetrics {
    pub(super) fn new(issuer: &str, scope: &MetricScope) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let labelled = scope.by_issuer.then(|| {
            let label = Label::new("issuer", issuer.to_owned());
            let good = vec![label.clone(), Label::new("kind", "none")];
            (label, Key::from_parts(PROJECT_VERIFICATIONS, good))
        });
        Self {
            scope: scope.clone(),
            labelled,
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
        }
    }

    pub(super) fn keys_fetched(&self, asked_at: Duration, changed: bool) {
        self.count_fetch(if changed { "changed" } else { "unchanged" });
        self.keys_asked_at(asked_at);
    }

    pub(super) fn key_fetch_failed(&self) {
        self.count_fetch("failed");
    }

    fn count_fetch(&self, result: &'static str) {
        let own = self.labelled.iter().map(|(label, _)| label.clone());
        let labels = own.chain([Label::new("result", result)]);
        let key = Key::from_parts(KEY_FETCHES, labels.collect::<Vec<_>>());
        counter(&key).increment(1);
    }

    pub(super) fn keys_asked_at(&self, asked_at: Duration) {
        match &self.labelled {
            Some((label, _)) => {
                let key = Key::from_parts(KEYS_FETCHED_AT, vec![label.clone()]);
                set_gauge(&key, asked_at);
            }
            None => self.set_oldest(|all| {
                all.insert(self.number, asked_at);
            }),
        }
    }

    /// The lock is held until the gauge is set, so that the gauge has the last value.
    fn set_oldest(&self, change: impl FnOnce(&mut HashMap<u64, Duration>)) {
        let asked_at = &self.scope.asked_at;
        let mut asked_at = lock(asked_at);
        change(&mut asked_at);
        if let Some(oldest) = asked_at.values().min() {
            set_gauge(&Key::from_static_name(KEYS_FETCHED_AT), *oldest);
        }
    }

    pub(super) fn decided(&self, refusal: Option<AuthErrorKind>) {
        let Some((label, good)) = &self.labelled else {
            return;
        };
        match refusal {
            None => counter(good),
            Some(kind) => {
                let labels = vec![label.clone(), Label::new("kind", kind.as_str())];
                counter(&Key::from_parts(PROJECT_VERIFICATIONS, labels))
            }
        }
        .increment(1);
    }
}

/// Its keys no longer count as the oldest ones.
impl Drop for ProjectMetrics {
    fn drop(&mut self) {
        if self.labelled.is_none() {
            self.set_oldest(|all| {
                all.remove(&self.number);
            });
        }
    }
}

fn set_gauge(key: &Key, time: Duration) {
    with_recorder(|recorder| recorder.register_gauge(key, &METADATA)).set(time.as_secs_f64());
}

pub(super) fn describe() {
    describe_counter!(
        KEY_FETCHES,
        Unit::Count,
        "Attempts to fetch the project's keys, by result"
    );
    describe_gauge!(
        KEYS_FETCHED_AT,
        Unit::Seconds,
        "Unix time at which the keys in use were asked for"
    );
    describe_counter!(
        PROJECT_VERIFICATIONS,
        Unit::Count,
        "Tokens of each project that were verified, or why they were refused"
    );
}

/// Labels: `issuer`, `kind` (an `AuthErrorKind`, or `none`).
const PROJECT_VERIFICATIONS: &str = "axum_authgear_project_verifications_total";
/// Label: `result` (`changed`, `unchanged`, `failed`).
const KEY_FETCHES: &str = "axum_authgear_key_fetches_total";
/// The age of the keys is `time()` minus this. A gauge of the age itself would stop with the refresher.
const KEYS_FETCHED_AT: &str = "axum_authgear_keys_fetched_timestamp_seconds";
