//! The task that fetches the keys of a project.

mod spread;

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use jsonwebtoken::Algorithm;
use tokio::time::{Instant, sleep};

pub(crate) use self::spread::FetchSpread;
use super::fetch::{FetchedKeys, KeyFetchError, KeySource};
use super::folder::KeyFolder;
use super::key_set::KeySet;
use super::snapshot::KeySnapshot;
use super::store::{KeyState, KeyStore, Restored};
use crate::runtime::{BackgroundTask, RuntimeEnded};
use crate::telemetry::ProjectTelemetry;

/// The minimum of a server's `max-age`.
const MIN_MAX_AGE: Duration = Duration::from_secs(60);
/// Delays between attempts without a request.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// The running refresher. It stops when its last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Refresher(BackgroundTask);

impl Refresher {
    /// Starts the first attempt, and then renews the keys of `store`.
    pub(crate) fn spawn(
        runtime: &tokio::runtime::Handle,
        store: Arc<KeyStore>,
        source: impl KeySource,
        algorithms: Vec<Algorithm>,
        spread: Option<FetchSpread>,
        folder: Option<KeyFolder>,
    ) -> Self {
        // Made here, because a runtime that has ended drops the task before it runs.
        let end = End(Arc::clone(&store));
        let refreshing = async move {
            let _end = end;
            run(store, source, algorithms, spread, folder).await;
        };
        Self(BackgroundTask::spawn(runtime, refreshing))
    }

    /// # Errors
    /// The keys are no longer fetched.
    pub(crate) fn check(&self) -> Result<(), RuntimeEnded> {
        self.0.check()
    }
}

/// Marks the store as ended when the task of the refresher is dropped.
struct End(Arc<KeyStore>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}

async fn run(
    store: Arc<KeyStore>,
    mut source: impl KeySource,
    algorithms: Vec<Algorithm>,
    spread: Option<FetchSpread>,
    folder: Option<KeyFolder>,
) {
    if let Some(folder) = &folder
        && let Some(snapshot) = folder.load().await
    {
        restore(&store, &snapshot, &algorithms, "folder", source.telemetry());
    }
    if let Some((_, asked_at)) = &store.state().good {
        source.telemetry().keys_asked_at(asked_at.unix());
    }
    let mut retries = backoff();
    loop {
        // In a new store the first attempt has begun; `wait_until_due` begins the others.
        let turn = match &spread {
            Some(spread) => spread.turn(&store).await,
            None => None,
        };
        let asked_at = store.clock().now();
        let began = Instant::now();
        let fetched = source.fetch().await;
        let state = KeyState::clone(&store.state());
        let read = fetched.and_then(|fetched| read(fetched, &state, &algorithms));
        if read.as_ref().is_err_and(KeyFetchError::is_wrong_answer) {
            source.start_over();
        }
        let (good, next, error) = match read {
            Ok((set, FetchedKeys { body, max_age })) => {
                if let Some(folder) = &folder {
                    folder.save(KeySnapshot {
                        text: body,
                        fetched_at: asked_at.unix(),
                    });
                }
                let unchanged = state.good.as_ref().is_some_and(|(old, _)| set.is_same(old));
                let (keys, skipped) = (set.len(), set.skipped());
                let telemetry = source.telemetry();
                telemetry.keys_fetched(asked_at.unix(), keys, skipped, !unchanged);
                retries = backoff();
                let next = refresh_after(&store, max_age);
                (Some((Arc::new(set), asked_at)), next, None)
            }
            Err(error) => {
                source.telemetry().key_fetch_failed(&error);
                let next = retries.next().unwrap_or(LAST_RETRY).min(LAST_RETRY);
                (state.good, next, Some(Arc::new(error)))
            }
        };
        let now = Instant::now();
        store.publish(KeyState {
            good,
            in_flight: false,
            next_attempt: now + next,
            next_without_keys: now + retry_without_keys(&store, began),
            error,
            ..state
        });
        drop(turn);
        wait_until_due(&store).await;
    }
}

/// Uses kept keys if they are valid, and logs the result.
pub(crate) fn restore(
    store: &KeyStore,
    snapshot: &KeySnapshot,
    algorithms: &[Algorithm],
    source: &'static str,
    telemetry: &ProjectTelemetry,
) {
    match store.restore(snapshot, algorithms) {
        Ok(Restored::Serves { age, keys, skipped }) => {
            telemetry.keys_restored(source, age, (keys, skipped));
        }
        Ok(Restored::Superseded) => {}
        Err(error) => telemetry.kept_keys_unused(&error),
    }
}

fn read(
    fetched: FetchedKeys,
    state: &KeyState,
    algorithms: &[Algorithm],
) -> Result<(KeySet, FetchedKeys), KeyFetchError> {
    let previous = state.good.as_ref().map(|(set, _)| &**set);
    let set = KeySet::parse(&fetched.body, algorithms, previous)?;
    Ok((set, fetched))
}

/// Sleeps until the next attempt is due, by schedule or by demand of a request, and marks it as begun.
async fn wait_until_due(store: &KeyStore) {
    let state = store.state();
    // Timers stop while a machine is suspended, so keys can be too old before the timer fires.
    let look = store.policy().cooldown.max(FIRST_RETRY);
    let on_demand = loop {
        let due = store.due_in(&state);
        let demand = store.demand_due_in(&state).filter(|demand| *demand < due);
        match demand.unwrap_or(due) {
            Duration::ZERO => break demand.is_some(),
            wait => tokio::select! {
                () = sleep(wait.min(look)) => {}
                () = store.demand() => {}
            },
        }
    };
    let state = KeyState::clone(&state);
    store.publish(KeyState {
        attempt: state.attempt + 1,
        in_flight: true,
        last_demand: if on_demand {
            Some(store.clock().now())
        } else {
            state.last_demand
        },
        ..state
    });
}

/// At 80 % of the interval, less up to a tenth, so that many processes do not fetch at the same time.
fn refresh_after(store: &KeyStore, max_age: Option<Duration>) -> Duration {
    let policy = store.policy();
    let interval = max_age.map_or(policy.refresh_interval, |age| {
        let longest = policy.max_stale / 2;
        age.clamp(MIN_MAX_AGE.min(longest), longest)
    });
    interval.mul_f64(0.8 - 0.08 * fastrand::f64())
}

/// A cooldown after the attempt's start, and at least a pause after its end.
fn retry_without_keys(store: &KeyStore, began: Instant) -> Duration {
    let cooldown = store.policy().cooldown;
    let left = cooldown.saturating_sub(began.elapsed());
    left.max(FIRST_RETRY.min(cooldown))
}

fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(FIRST_RETRY)
        .with_max_delay(LAST_RETRY)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests;
