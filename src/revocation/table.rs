//! The revocations in memory, for the look-ups of requests.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::account::Account;
use super::record::Record;

/// Users by id and tokens by key. A look-up holds the lock of one shard briefly, and no lock if the map is
/// empty.
pub(super) struct Table {
    users: Shards<Account>,
    /// The expiry of the token.
    tokens: Shards<u64>,
    /// The client's tokens that were issued until then are revoked.
    clients: Shards<u64>,
    /// All tokens that were issued before then are revoked. 0: none are.
    all_issued_before: AtomicU64,
    /// Seconds. A record is out of date when all its times are longer ago than this.
    retention: u64,
}

impl Table {
    pub(super) fn new(retention: u64) -> Self {
        Self {
            users: Shards::new(),
            tokens: Shards::new(),
            clients: Shards::new(),
            all_issued_before: AtomicU64::new(0),
            retention,
        }
    }

    /// Applies a record. Returns whether it changes anything; a record about an expired token does not.
    pub(super) fn apply(&self, record: &Record, now: u64) -> bool {
        match record {
            Record::User {
                user,
                revoked_before,
            } => self.users.update(user, |a| a.name(*revoked_before)),
            Record::Event { user, event } => self.users.update(user, |a| a.add(*event)),
            Record::Token { token, until } => {
                *until > now && self.tokens.update(token, |known| raise(known, *until))
            }
            Record::Client {
                client,
                revoked_before,
            } => self
                .clients
                .update(client, |known| raise(known, *revoked_before)),
            Record::All { issued_before } => {
                let before = self
                    .all_issued_before
                    .fetch_max(*issued_before, Ordering::AcqRel);
                *issued_before > before
            }
        }
    }

    /// Applies a record as `bounded`, also if it was known unbounded. Returns whether it changes anything.
    #[cfg(feature = "redis")]
    pub(super) fn correct(&self, record: &Record, bounded: &Record, now: u64) -> bool {
        match (record, bounded) {
            (
                Record::User {
                    user,
                    revoked_before: named,
                },
                Record::User { revoked_before, .. },
            ) => self
                .users
                .update(user, |account| account.correct(*named, *revoked_before)),
            (
                Record::Client {
                    client,
                    revoked_before: named,
                },
                Record::Client { revoked_before, .. },
            ) => self.clients.update(client, |known| {
                if *known == *named {
                    *known = *revoked_before;
                    return true;
                }
                raise(known, *revoked_before)
            }),
            (
                Record::All {
                    issued_before: named,
                },
                Record::All { issued_before },
            ) => {
                let corrected = self.all_issued_before.compare_exchange(
                    *named,
                    *issued_before,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                );
                corrected.is_ok() || self.apply(bounded, now)
            }
            // Of two times of one event, the earlier one counts in any case.
            _ => self.apply(bounded, now),
        }
    }

    /// The user's tokens that were issued until this time are revoked at `now`, if any are.
    pub(super) fn user(&self, user: &str, now: u64) -> Option<u64> {
        let revoked_before = self
            .users
            .read(user, |account| account.revoked_before(now))?;
        (revoked_before > 0).then_some(revoked_before)
    }

    pub(super) fn has_users(&self) -> bool {
        !self.users.is_empty()
    }

    /// Whether this single token is revoked.
    pub(super) fn is_token_revoked(&self, token: &str) -> bool {
        self.tokens.read(token, |_| ()).is_some()
    }

    pub(super) fn has_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// The client's tokens that were issued until this time are revoked, if any are.
    pub(super) fn client(&self, client: &str) -> Option<u64> {
        self.clients.read(client, |revoked_before| *revoked_before)
    }

    pub(super) fn has_clients(&self) -> bool {
        !self.clients.is_empty()
    }

    /// All tokens that were issued before this time are revoked. 0: none are.
    pub(super) fn all_issued_before(&self) -> u64 {
        self.all_issued_before.load(Ordering::Acquire)
    }

    /// Removes outdated records.
    pub(super) fn sweep(&self, now: u64) {
        self.users
            .retain(|account| !self.is_past(account.latest(), now));
        self.tokens.retain(|until| *until > now);
        self.clients
            .retain(|revoked_before| !is_past_any_token(*revoked_before, now));
        let all = self.all_issued_before();
        if is_past_any_token(all, now) {
            // If it was raised meanwhile, it stays.
            let _ = self.all_issued_before.compare_exchange(
                all,
                0,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
        }
    }

    /// Users with a window that began after `since`, up to now.
    pub(super) fn began(&self, since: u64, now: u64) -> Vec<Box<str>> {
        let mut began = Vec::new();
        self.users.for_each(|user, account| {
            if account.began(since, now) {
                began.push(user.into());
            }
        });
        began
    }

    /// All current records, each with the last second in which it can be needed.
    pub(super) fn for_each(&self, now: u64, mut visit: impl FnMut(Record, u64)) {
        self.users.for_each(|user, account| {
            if self.is_past(account.latest(), now) {
                return;
            }
            let until = account.latest().saturating_add(self.retention);
            if let Some(revoked_before) = account.named() {
                let user = user.into();
                visit(
                    Record::User {
                        user,
                        revoked_before,
                    },
                    until,
                );
            }
            for event in account.events() {
                let (user, event) = (user.into(), *event);
                visit(Record::Event { user, event }, until);
            }
        });
        self.tokens.for_each(|token, until| {
            if *until > now {
                let (token, until) = (token.into(), *until);
                visit(Record::Token { token, until }, until);
            }
        });
        self.clients.for_each(|client, revoked_before| {
            if !is_past_any_token(*revoked_before, now) {
                let record = Record::Client {
                    client: client.into(),
                    revoked_before: *revoked_before,
                };
                visit(record, revoked_before.saturating_add(LONGEST_LIFETIME));
            }
        });
        let issued_before = self.all_issued_before();
        if !is_past_any_token(issued_before, now) {
            let until = issued_before.saturating_add(LONGEST_LIFETIME);
            visit(Record::All { issued_before }, until);
        }
    }

    /// The number of users, tokens and clients with records.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.users.len() + self.tokens.len() + self.clients.len()
    }

    /// Whether no valid token can be as old as this time.
    pub(super) fn is_past(&self, revoked_before: u64, now: u64) -> bool {
        revoked_before.saturating_add(self.retention) < now
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("users", &self.users.len())
            .field("tokens", &self.tokens.len())
            .field("clients", &self.clients.len())
            .field("all_issued_before", &self.all_issued_before())
            .field("retention", &self.retention)
            .finish()
    }
}

/// Seconds. A machine's token lives for at most 28 days (Authgear). A user's token that is older than the
/// retention, which is at most 30 days, is refused.
const LONGEST_LIFETIME: u64 = 30 * 24 * 60 * 60;

/// Whether no token can be as old as this time.
fn is_past_any_token(moment: u64, now: u64) -> bool {
    moment.saturating_add(LONGEST_LIFETIME) < now
}

/// Sets the larger one. Returns whether this changes anything.
fn raise(known: &mut u64, moment: u64) -> bool {
    let is_news = moment > *known;
    *known = moment.max(*known);
    is_news
}

const SHARDS: usize = 64;
const SHARD_SHIFT: u32 = u64::BITS - SHARDS.trailing_zeros();

/// A map of shards, each with its own lock.
struct Shards<V> {
    shards: [RwLock<HashMap<Box<str>, V>>; SHARDS],
    /// For look-ups, so that an empty map costs almost nothing.
    len: AtomicUsize,
}

impl<V: Default> Shards<V> {
    fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| RwLock::default()),
            len: AtomicUsize::new(0),
        }
    }

    fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read<T>(&self, key: &str, read: impl FnOnce(&V) -> T) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let shard = self.shards.get(shard_of(key))?;
        reading(shard).get(key).map(read)
    }

    fn update(&self, key: &str, update: impl FnOnce(&mut V) -> bool) -> bool {
        let Some(shard) = self.shards.get(shard_of(key)) else {
            return false;
        };
        let mut shard = writing(shard);
        if let Some(value) = shard.get_mut(key) {
            return update(value);
        }
        let mut value = V::default();
        let is_news = update(&mut value);
        if is_news {
            shard.insert(key.into(), value);
            self.len.fetch_add(1, Ordering::AcqRel);
        }
        is_news
    }

    fn retain(&self, mut keep: impl FnMut(&V) -> bool) {
        for shard in &self.shards {
            // A read first, because usually there is nothing to do.
            if reading(shard).values().all(&mut keep) {
                continue;
            }
            let mut shard = writing(shard);
            let before = shard.len();
            shard.retain(|_, value| keep(value));
            self.len.fetch_sub(before - shard.len(), Ordering::AcqRel);
            if shard.capacity() > 4 * shard.len() {
                shard.shrink_to_fit();
            }
        }
    }

    fn for_each(&self, mut visit: impl FnMut(&str, &V)) {
        for shard in &self.shards {
            for (key, value) in &*reading(shard) {
                visit(key, value);
            }
        }
    }
}

/// Uses the last bytes, because ids differ there, also sequential ones. The map's own hash is keyed.
fn shard_of(key: &str) -> usize {
    let key = key.as_bytes();
    let last = key.last_chunk().map_or_else(
        || {
            key.iter()
                .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
        },
        |last| u64::from_le_bytes(*last),
    );
    // Fibonacci hashing: the upper bits depend on all others.
    usize::try_from(last.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> SHARD_SHIFT).unwrap_or(0)
}

// No change is half-done while these locks are held, so a panic elsewhere does not make them unusable.

fn reading<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn writing<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::record::Event;
    use super::*;

    fn user(user: &str, revoked_before: u64) -> Record {
        Record::User {
            user: user.into(),
            revoked_before,
        }
    }

    #[test]
    fn users_and_tokens_are_found_by_their_own_name_alone() {
        let table = Table::new(1000);
        assert!(table.apply(&user("alice", 50), 50));
        let token = Record::Token {
            token: "t".into(),
            until: 100,
        };
        assert!(!table.has_tokens());
        assert!(table.apply(&token, 50));
        assert!(!table.apply(&token, 50), "twice is once");
        assert!(table.has_tokens());
        assert_eq!(table.user("alice", 50), Some(50));
        assert_eq!(table.user("alic", 50), None);
        assert_eq!(table.user("bob", 50), None);
        assert!(table.is_token_revoked("t") && !table.is_token_revoked("alice"));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn what_is_out_of_date_is_forgotten() {
        let table = Table::new(1000);
        let window = Record::Event {
            user: "carol".into(),
            event: Event {
                seq: 1,
                at: 100,
                ends: false,
                window: Some(5000),
            },
        };
        assert!(table.apply(&user("alice", 100), 100));
        assert!(table.apply(&window, 100));
        table.sweep(1100);
        assert_eq!(table.len(), 2);
        table.sweep(1101);
        assert_eq!(table.len(), 1);
        assert_eq!(table.user("carol", 5000), Some(5000));
        table.sweep(6000);
        assert_eq!(table.len(), 1);
        table.sweep(6001);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn ids_spread_over_the_shards() {
        let mut hit = [false; SHARDS];
        for number in 0..10_000 {
            hit[shard_of(&format!("user-{number}"))] = true;
        }
        assert!(hit.iter().all(|hit| *hit));
    }
}
