//! Who was ended, and when, for every request to look up.
//!
//! What is known is a set of [records](Record) that only grows until they are out of date:
//! [`account`] says what follows from those of one user, [`table`] keeps them where each request
//! finds them. They come from the application, from webhooks ([`webhook`], a feature) and from
//! other replicas (`shared`, a feature).

mod account;
#[cfg(feature = "webhook")]
mod date;
mod record;
mod table;
#[cfg(feature = "webhook")]
pub(crate) mod webhook;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;

use self::record::Record;
use self::table::Table;
use crate::clock::{Clock, Moment};
use crate::error::{AuthError, AuthErrorKind, ConfigError};
use crate::user::{Identity, NumericDate};

/// How ended users are remembered.
#[derive(Debug, Default)]
pub(crate) struct RevocationOptions {
    /// `Some`: revocation is on, whatever else feeds it.
    pub(crate) retention: Option<Duration>,
}

impl RevocationOptions {
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

const DEFAULT_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
const MIN_RETENTION: Duration = Duration::from_secs(60);
const MAX_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Who was ended, and when. One for each `Authgear`, shared by its verifiers and routes.
pub(crate) struct Revocations {
    table: Table,
    clock: Clock,
    retention: Duration,
    /// Clock skew between the issuer and us: how much longer than `exp` a token is good.
    leeway: Duration,
    /// Whether anything feeds the table: then what is older than it reaches back is refused.
    is_on: AtomicBool,
    observers: RwLock<Vec<Observer>>,
    sweeper: AbortHandle,
}

/// Is told the id of each user of whom something new is known.
pub(crate) type Observer = Box<dyn Fn(&str) + Send + Sync>;

impl Revocations {
    /// Also starts to forget, from time to time, what is out of date.
    pub(crate) fn start(
        options: RevocationOptions,
        leeway: Duration,
        clock: Clock,
        runtime: &tokio::runtime::Handle,
    ) -> Arc<Self> {
        let retention = options.retention.unwrap_or(DEFAULT_RETENTION);
        Arc::new_cyclic(|revocations| Self {
            sweeper: runtime.spawn(sweep(revocations.clone())).abort_handle(),
            table: Table::new(retention.as_secs()),
            clock,
            retention,
            leeway,
            is_on: AtomicBool::new(options.retention.is_some()),
            observers: RwLock::default(),
        })
    }

    /// From now on, a user's token that was issued longer ago than the retention is refused: what
    /// ended it may have been forgotten.
    #[cfg(feature = "webhook")]
    pub(crate) fn turn_on(&self) {
        self.is_on.store(true, Ordering::Release);
    }

    /// Whether a user's token, good in every other way, still counts.
    ///
    /// Never for a machine's: nothing here ends those.
    ///
    /// # Errors
    /// `Revoked`, and `IssuedTooLongAgo` where that could not be known any more.
    pub(crate) fn check(&self, identity: &Identity, now: Moment) -> Result<(), AuthError> {
        let now = now.unix();
        if self.is_on.load(Ordering::Acquire)
            && identity.issued_at.is_some_and(|issued_at| {
                issued_at.0 < now.saturating_sub(self.retention).as_secs_f64()
            })
        {
            return Err(AuthErrorKind::IssuedTooLongAgo.into());
        }
        let moment = self.table.user(identity.subject(), now.as_secs());
        if moment.is_some_and(|moment| is_until(identity.issued_at, moment))
            || self.table.has_tokens() && self.table.has_token(&token_key(identity))
        {
            return Err(AuthErrorKind::Revoked.into());
        }
        Ok(())
    }

    /// Ends all tokens of this user that were issued until now.
    pub(crate) fn end_user(&self, user: &str) {
        let now = self.clock.now().unix().as_secs();
        self.learn_own(Record::User {
            user: user.into(),
            moment: now,
        });
    }

    /// Takes a webhook's event.
    ///
    /// One from the future counts as if it happened now. One that is older than the retention is
    /// not taken: deliveries come within a minute or never, and what an old one would be taken back
    /// by may have been forgotten.
    #[cfg(feature = "webhook")]
    pub(crate) fn take(&self, delivery: webhook::Delivery) {
        let now = self.clock.now().unix().as_secs();
        let mut event = delivery.event;
        if !self.table.is_past(event.at, now) {
            event.at = event.at.min(now);
            self.learn_own(Record::Event {
                user: delivery.user,
                event,
            });
        }
    }

    /// Ends the token of this identity.
    pub(crate) fn end_token(&self, identity: &Identity) {
        // A user who was not verified by a token has none to be ended.
        if let Some(expires_at) = identity.expires_at {
            self.learn_own(Record::Token {
                token: token_key(identity).as_ref().into(),
                // One second more, because the end may have a fraction.
                until: expires_at
                    .unix_seconds()
                    .saturating_add(self.leeway.as_secs() + 1),
            });
        }
        self.announce(identity.subject());
    }

    /// Calls this with the id of each user of whom something new becomes known: whatever is kept
    /// of the user elsewhere should be dropped. It is called wherever the news arrive, and must be
    /// quick.
    #[expect(dead_code, reason = "for what keeps answers about users")]
    pub(crate) fn observe(&self, observer: Observer) {
        self.observers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(observer);
    }

    /// Learns what happened here, to be told to others.
    fn learn_own(&self, record: Record) -> bool {
        let is_news = self.learn(&record);
        is_news
    }

    fn learn(&self, record: &Record) -> bool {
        let is_news = self.table.learn(record, self.clock.now().unix().as_secs());
        if is_news && let Record::User { user, .. } | Record::Event { user, .. } = record {
            self.announce(user);
        }
        is_news
    }

    fn announce(&self, user: &str) {
        let observers = self
            .observers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        for observer in &*observers {
            observer(user);
        }
    }
}

/// A token that does not say when it was issued counts as issued before any moment.
fn is_until(issued_at: Option<NumericDate>, moment: u64) -> bool {
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact for any date of the next million years"
    )]
    issued_at.is_none_or(|issued_at| issued_at.0 <= moment as f64)
}

/// What tells a token from all others: its `jti`. Authgear's tokens have one; for another issuer's,
/// whatever else it says of itself will do.
fn token_key(identity: &Identity) -> std::borrow::Cow<'_, str> {
    match identity.token_id() {
        Some(id) => id.into(),
        None => {
            let seconds = |date: Option<NumericDate>| date.map_or(f64::NAN, |date| date.0);
            format!(
                "\0{} {} {}",
                seconds(identity.issued_at),
                seconds(identity.expires_at),
                identity.subject(),
            )
            .into()
        }
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations")
            .field("table", &self.table)
            .field("is_on", &self.is_on)
            .finish_non_exhaustive()
    }
}

impl Drop for Revocations {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

async fn sweep(revocations: Weak<Revocations>) {
    loop {
        sleep(SWEEP_INTERVAL).await;
        let Some(revocations) = revocations.upgrade() else {
            return;
        };
        let now = revocations.clock.now().unix().as_secs();
        revocations.table.sweep(now);
    }
}

const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
