//! Revoked users, clients and tokens. Every request checks them.
//!
//! The data is a set of records. It only grows, until records are out of date. `account` computes the effect
//! of one user's records, `table` stores them for look-ups, and `store` answers the check of a request.
//! Records come from the application, from webhooks (`crate::webhook`, a feature), and from other replicas
//! (`replication`, a feature).

mod account;
mod ledger;
pub(crate) mod record;
mod replication;
mod store;
mod table;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::sleep;

pub(crate) use self::ledger::RevocationLedger;
#[cfg(feature = "redis")]
pub use self::replication::redis_stream::RedisConfig;
#[cfg(feature = "redis")]
pub(crate) use self::replication::redis_stream::{RedisLog, RedisServer};
#[cfg(feature = "redis")]
use self::replication::{Replication, outbox::Outbox};
pub(crate) use self::store::RevocationStore;
use crate::clock::Clock;
use crate::error::ConfigError;

/// How revocations are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RevocationPolicy {
    /// `Some`: revocation is on, independent of its sources.
    pub(crate) retention: Option<Duration>,
    /// The clock skew between the issuer and this machine: a token is valid for this much longer than `exp`.
    pub(crate) leeway: Duration,
}

impl RevocationPolicy {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match self.retention {
            Some(retention) if !(MIN_RETENTION..=MAX_RETENTION).contains(&retention) => {
                Err(ConfigError::invalid(
                    "revocation_retention",
                    format!("{retention:?}"),
                    "must be between 1 minute and 30 days",
                ))
            }
            _ => Ok(()),
        }
    }
}

pub(crate) const DEFAULT_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
const MIN_RETENTION: Duration = Duration::from_secs(60);
const MAX_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// The parts to start. All options were checked.
pub(crate) struct RevocationPlan {
    pub(crate) policy: RevocationPolicy,
    #[cfg(feature = "redis")]
    pub(crate) log: Option<RedisLog>,
}

impl RevocationPlan {
    pub(crate) fn start(self, clock: Clock, runtime: &Handle) -> Revocations {
        #[cfg(feature = "redis")]
        if let Some(log) = self.log {
            return Revocations::start_shared(self.policy, clock, runtime, log);
        }
        Revocations::start(self.policy, clock, runtime)
    }
}

/// The revocations of one project, with the tasks that keep them up to date. The tasks stop when this is
/// dropped. The project's verifier and its routes share it.
pub(crate) struct Revocations {
    store: Arc<RevocationStore>,
    tasks: Vec<AbortHandle>,
}

impl Revocations {
    pub(crate) fn start(policy: RevocationPolicy, clock: Clock, runtime: &Handle) -> Self {
        let store = Arc::new(RevocationStore::new(policy, clock));
        let tasks = vec![runtime.spawn(sweep(Arc::clone(&store))).abort_handle()];
        Self { store, tasks }
    }

    /// Shares the records through this log.
    #[cfg(feature = "redis")]
    pub(crate) fn start_shared(
        policy: RevocationPolicy,
        clock: Clock,
        runtime: &Handle,
        log: impl replication::log::Log,
    ) -> Self {
        let log = Arc::new(log);
        let outbox = Arc::new(Outbox::new(log.max_staleness(), clock.now()));
        let mut store = RevocationStore::new(policy, clock);
        store.replication = Replication::On(Arc::clone(&outbox));
        store.turn_on();
        let store = Arc::new(store);
        let following = replication::follower::follow(log, Arc::clone(&store), outbox);
        let tasks = vec![
            runtime.spawn(sweep(Arc::clone(&store))).abort_handle(),
            runtime.spawn(following).abort_handle(),
        ];
        Self { store, tasks }
    }

    pub(crate) fn store(&self) -> &RevocationStore {
        &self.store
    }
}

impl Drop for Revocations {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Removes outdated records periodically, and announces windows that have begun.
async fn sweep(store: Arc<RevocationStore>) {
    let mut swept = store.now();
    loop {
        sleep(SWEEP_INTERVAL).await;
        let now = store.now();
        store.sweep(swept, now);
        swept = now;
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations")
            .field("table", &self.store.table)
            .field("is_on", &self.store.is_on)
            .field("replication", &self.store.replication)
            .finish_non_exhaustive()
    }
}
