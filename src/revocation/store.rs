//! The store that every request checks: revoked users, clients and tokens.

use std::borrow::Cow;
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(feature = "webhook")]
use super::record::Event;
use super::record::{MAX_NAME, Record};
use super::replication::Replication;
use super::table::Table;
use super::{DEFAULT_RETENTION, RevocationPolicy};
use crate::clock::{Clock, Timestamp};
use crate::error::{AuthError, AuthErrorKind};
use crate::user::{Identity, NumericDate};

/// The revocations of one project.
pub(crate) struct RevocationStore {
    pub(super) table: Table,
    pub(super) clock: Clock,
    policy: RevocationPolicy,
    pub(super) retention: Duration,
    /// Whether the table has a source. Then tokens older than its retention are refused.
    pub(super) is_on: AtomicBool,
    /// While this is not 0, nothing is removed.
    keeping: AtomicUsize,
    observer: RwLock<Option<Observer>>,
    pub(super) replication: Replication,
}

/// Called with a user's id when that user's revocation state changes.
pub(crate) type Observer = Box<dyn Fn(&str) + Send + Sync>;

impl RevocationStore {
    pub(super) fn new(policy: RevocationPolicy, clock: Clock) -> Self {
        let retention = policy.retention.unwrap_or(DEFAULT_RETENTION);
        Self {
            table: Table::new(retention.as_secs()),
            clock,
            policy,
            retention,
            is_on: AtomicBool::new(policy.retention.is_some()),
            keeping: AtomicUsize::new(0),
            observer: RwLock::default(),
            replication: Replication::Off,
        }
    }

    /// From now on, a user's token that was issued longer ago than the retention is refused, because its
    /// revocation can have been removed.
    #[cfg(any(feature = "redis", feature = "webhook"))]
    pub(crate) fn turn_on(&self) {
        self.is_on.store(true, Ordering::Release);
    }

    /// Checks whether a user's token, which is valid otherwise, is revoked.
    ///
    /// For a machine's token, see [`check_client`](Self::check_client). Call it at each use of a token, also
    /// of a cached one. It takes no lock that all requests share.
    ///
    /// # Errors
    /// `Revoked`; `OlderThanRevocationRetention` and `MissingIssuedAt` if a revocation could have been
    /// removed; `RevocationsUnavailable` if the records of other replicas are unavailable.
    pub(crate) fn check(&self, identity: &Identity, now: Timestamp) -> Result<(), AuthError> {
        let unix = now.unix();
        if self.is_on.load(Ordering::Acquire) {
            let oldest = unix.saturating_sub(self.retention).as_secs_f64();
            match identity.issued_at {
                None => return Err(AuthErrorKind::MissingIssuedAt.into()),
                Some(issued_at) if issued_at.0 < oldest => {
                    return Err(AuthErrorKind::OlderThanRevocationRetention.into());
                }
                Some(_) => {}
            }
        }
        let is_ended = || {
            let revoked_before = self.table.user(identity.subject(), unix.as_secs());
            revoked_before
                .is_some_and(|revoked_before| is_until(identity.issued_at, revoked_before))
        };
        if self.table.has_users() && is_ended()
            || self.table.has_tokens() && self.table.is_token_revoked(&token_key(identity))
        {
            return Err(AuthErrorKind::Revoked.into());
        }
        self.check_client(identity, now)
    }

    /// Checks whether a machine's token, which is valid otherwise, is revoked. Only a revocation of its
    /// client, or of all tokens before a time, revokes it.
    ///
    /// # Errors
    /// `Revoked`; `RevocationsUnavailable` if the records of other replicas are unavailable.
    pub(crate) fn check_client(
        &self,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<(), AuthError> {
        let issued_before = self.table.all_issued_before();
        if issued_before > 0 && is_before(identity.issued_at, issued_before)
            || self.table.has_clients() && self.is_client_revoked(identity)
        {
            return Err(AuthErrorKind::Revoked.into());
        }
        self.check_contact(now)
    }

    fn is_client_revoked(&self, identity: &Identity) -> bool {
        identity
            .client_id()
            .and_then(|client| self.table.client(client))
            .is_some_and(|revoked_before| is_until(identity.issued_at, revoked_before))
    }

    /// Whether the records of other replicas are here, or need no wait. If it is false, wait for
    /// [`synced`](Self::synced) before the [`check`](Self::check). Once true, it stays true.
    pub(crate) fn is_synced(&self) -> bool {
        self.replication.is_synced()
    }

    /// Returns when [`is_synced`](Self::is_synced) is true: at the latest 2 seconds after the start.
    pub(crate) async fn synced(&self) {
        self.replication.synced().await;
    }

    /// Why the records of other replicas are unavailable, if they are, and whether users are refused because
    /// it has lasted too long.
    pub(crate) fn outage(&self) -> Option<Outage> {
        let now = self.clock.now();
        let error = self.replication.error()?;
        Some(Outage {
            refuses: self.replication.is_too_old(now),
            error,
        })
    }

    fn check_contact(&self, now: Timestamp) -> Result<(), AuthError> {
        if self.replication.is_too_old(now) {
            return Err(AuthError::unavailable(
                AuthErrorKind::RevocationsUnavailable,
                Duration::from_secs(1),
                self.replication.error(),
            ));
        }
        Ok(())
    }

    /// Revokes all tokens of this user that were issued until now.
    pub(crate) fn revoke_user(&self, user: &str) {
        // No token has another subject.
        if (1..=MAX_NAME).contains(&user.len()) {
            self.apply_own(Record::User {
                user: user.into(),
                revoked_before: self.now_by_log_clock(),
            });
        }
    }

    /// Revokes all tokens of this client that were issued until now.
    pub(crate) fn revoke_client(&self, client: &str) {
        // No token has another client.
        if (1..=MAX_NAME).contains(&client.len()) {
            self.apply_own(Record::Client {
                client: client.into(),
                revoked_before: self.now_by_log_clock(),
            });
        }
    }

    /// Revokes all tokens that were issued before this time. A future time counts as now.
    pub(crate) fn revoke_issued_before(&self, time: SystemTime) {
        let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        // The current second is included.
        let latest = self.now_by_log_clock().saturating_add(1);
        self.apply_own(Record::All {
            issued_before: seconds.min(latest),
        });
    }

    /// Applies a webhook's event.
    ///
    /// An event from the future counts as if it happened now. An event that is older than the retention is
    /// ignored: deliveries arrive within a minute or never, and a later event that cancels it can have been
    /// removed.
    #[cfg(feature = "webhook")]
    pub(crate) fn take(&self, user: Box<str>, mut event: Event) {
        let now = self.now_by_log_clock();
        if !self.table.is_past(event.at, now) {
            event.at = event.at.min(now);
            self.apply_own(Record::Event { user, event });
        }
    }

    /// Revokes the token of this user, which has this identity.
    pub(crate) fn revoke_token(&self, identity: &Identity, user: &str) {
        // A user who was not verified by a token has none to revoke.
        if let Some(expires_at) = identity.expires_at {
            self.apply_own(Record::Token {
                token: token_key(identity).as_ref().into(),
                // Plus one second, because the expiry can have a fraction.
                until: expires_at
                    .unix_seconds()
                    .saturating_add(self.policy.leeway.as_secs() + 1),
            });
        }
        self.notify(user);
    }

    /// Sets the function that is called with a user's id when new records arrive, or within a minute after
    /// an announced window begins. It replaces an earlier function. The function should remove other cached
    /// data about the user. It must be quick, because it runs where the records arrive.
    pub(crate) fn on_change(&self, observer: Observer) {
        *self
            .observer
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(observer);
    }

    pub(super) fn has_policy(&self, policy: &RevocationPolicy) -> bool {
        self.policy == *policy
    }

    /// Whether there are no records.
    pub(super) fn is_empty(&self) -> bool {
        let table = &self.table;
        !table.has_users()
            && !table.has_tokens()
            && !table.has_clients()
            && table.all_issued_before() == 0
    }

    /// Copies all records of another store of the same users, and continues its outage.
    pub(super) fn take_over(&self, other: &Self) {
        if other.is_on.load(Ordering::Acquire) {
            self.is_on.store(true, Ordering::Release);
        }
        other.table.for_each(other.now(), |record, _| {
            self.apply(&record);
        });
        #[cfg(feature = "redis")]
        self.replication.take_over(&other.replication);
    }

    /// Applies a local record, and sends it to the other replicas.
    fn apply_own(&self, record: Record) {
        if self.apply(&record) {
            self.replication.push(record);
        }
    }

    pub(super) fn apply(&self, record: &Record) -> bool {
        let is_news = self.table.apply(record, self.now());
        if is_news {
            self.announce_news(record);
        }
        is_news
    }

    fn announce_news(&self, record: &Record) {
        if let Record::User { user, .. } | Record::Event { user, .. } = record {
            self.notify(user);
        }
    }

    /// Removes outdated records, and announces windows that have begun since then.
    pub(super) fn sweep(&self, since: u64, now: u64) {
        for user in self.table.began(since, now) {
            self.notify(&user);
        }
        if self.keeping.load(Ordering::Acquire) == 0 {
            self.table.sweep(now);
        }
    }

    fn notify(&self, user: &str) {
        let observer = self.observer.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(observer) = &*observer {
            observer(user);
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.now().unix().as_secs()
    }

    /// The current second for records: by the log's clock if this machine's clock is ahead of it. A future
    /// time would revoke tokens that are issued after the call.
    fn now_by_log_clock(&self) -> u64 {
        let now = self.clock.now();
        let own = now.unix().as_secs();
        let log = self.replication.log_time(now);
        log.map_or(own, |log| own.min(log))
    }
}

/// For the follower of the log, whose times are in milliseconds.
#[cfg(feature = "redis")]
impl RevocationStore {
    /// Applies the record of an entry that the log received at this second. Returns it as applied.
    pub(super) fn apply_at(&self, record: Record, second: u64) -> Record {
        let Some(bounded) = record.bounded(second) else {
            self.apply(&record);
            return record;
        };
        if self.table.correct(&record, &bounded, self.now()) {
            self.announce_news(&bounded);
        }
        bounded
    }

    /// Nothing is removed until the returned value is dropped.
    pub(super) fn keep_all(&self) -> Keeping<'_> {
        self.keeping.fetch_add(1, Ordering::AcqRel);
        Keeping(self)
    }

    /// The records that the log lacks, or will remove too early. `seen` is the content of the log: when it
    /// received which record.
    pub(super) fn lacking(
        &self,
        seen: &std::collections::HashMap<Record, u64>,
        log_time: u64,
    ) -> std::collections::HashSet<Record> {
        let retention = self.retention_millis();
        let mut lacking = std::collections::HashSet::new();
        self.table.for_each(self.now(), |record, until| {
            let is_safe = seen.get(&record).is_some_and(|appended| {
                let leaves_at = appended.saturating_add(retention + retention / 16);
                let is_young = appended.saturating_add(retention / 2) > log_time;
                is_young || until.saturating_mul(1000) <= leaves_at
            });
            if !is_safe {
                lacking.insert(record);
            }
        });
        lacking
    }

    /// Whether a record is needed for longer than the log keeps a new entry.
    pub(super) fn outlives_log(&self) -> bool {
        let now = self.now();
        let latest = now.saturating_add(self.retention.as_secs());
        let mut outlives = false;
        self.table
            .for_each(now, |_, until| outlives |= until > latest);
        outlives
    }

    pub(super) fn retention_millis(&self) -> u64 {
        u64::try_from(self.retention.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(feature = "redis")]
pub(super) struct Keeping<'k>(&'k RevocationStore);

#[cfg(feature = "redis")]
impl Drop for Keeping<'_> {
    fn drop(&mut self) {
        self.0.keeping.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The records of other replicas are unavailable.
pub(crate) struct Outage {
    /// Whether users are refused because of this.
    pub(crate) refuses: bool,
    pub(crate) error: Arc<dyn Error + Send + Sync>,
}

/// A token without `iat` counts as issued before any time.
fn is_until(issued_at: Option<NumericDate>, revoked_before: u64) -> bool {
    issued_at.is_none_or(|issued_at| issued_at <= NumericDate::from_unix(revoked_before))
}

/// The same, without the time itself.
fn is_before(issued_at: Option<NumericDate>, moment: u64) -> bool {
    issued_at.is_none_or(|issued_at| issued_at < NumericDate::from_unix(moment))
}

/// The key that identifies a token: its `jti`. Authgear's tokens have one. For another issuer's tokens, the
/// key is made of other claims.
pub(super) fn token_key(identity: &Identity) -> Cow<'_, str> {
    if let Some(id) = identity.token_id() {
        return id.into();
    }
    let seconds = |date: Option<NumericDate>| date.map_or(f64::NAN, |date| date.0);
    format!(
        "\0{} {} {}",
        seconds(identity.issued_at),
        seconds(identity.expires_at),
        identity.subject(),
    )
    .into()
}
