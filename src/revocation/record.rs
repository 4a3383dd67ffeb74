//! Records of revoked users, clients and tokens.

use std::fmt;

/// One record. Records can be applied in any order and any number of times: the result is always the same.
///
/// All times are whole seconds since the Unix epoch.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Record {
    /// The user's tokens that were issued until this time are revoked.
    User { user: Box<str>, revoked_before: u64 },
    /// An event of the user's account.
    Event { user: Box<str>, event: Event },
    /// One token is revoked. It has expired at `until`.
    Token { token: Box<str>, until: u64 },
    /// The client's tokens that were issued until this time are revoked.
    Client {
        client: Box<str>,
        revoked_before: u64,
    },
    /// All tokens that were issued before this time are revoked.
    All { issued_before: u64 },
}

#[cfg(feature = "redis")]
impl Record {
    /// The same record, but a later time is replaced by this one, because the clock of its writer was ahead.
    /// The announced beginning of a window is not such a time.
    pub(super) fn bounded(&self, time: u64) -> Option<Self> {
        match self {
            Self::User {
                user,
                revoked_before,
            } if *revoked_before > time => Some(Self::User {
                user: user.clone(),
                revoked_before: time,
            }),
            Self::Event { user, event } if event.at > time => Some(Self::Event {
                user: user.clone(),
                event: Event { at: time, ..*event },
            }),
            Self::Client {
                client,
                revoked_before,
            } if *revoked_before > time => Some(Self::Client {
                client: client.clone(),
                revoked_before: time,
            }),
            // The second of `time` is included.
            Self::All { issued_before } if *issued_before > time.saturating_add(1) => {
                Some(Self::All {
                    issued_before: time.saturating_add(1),
                })
            }
            _ => None,
        }
    }
}

/// The maximum length, in bytes, of the id of a user or client, and of a token's key. No token is longer,
/// and the key of a token without a `jti` is only a little longer than its subject.
pub(super) const MAX_NAME: usize = 10 * 1024;

/// An event of an account, with its effect on tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Event {
    /// The number of the event in the order of the project.
    pub(crate) seq: u64,
    /// The time of the event.
    pub(crate) at: u64,
    /// Whether it revoked the tokens that were issued until then.
    pub(crate) ends: bool,
    /// When the account will be disabled, as known after this event. This is always later than the event's
    /// own time.
    pub(crate) window: Option<u64>,
}

impl Event {
    /// Combines two records of one event.
    ///
    /// They differ only in `at`, if the event's own time was in the future and was replaced by the time of
    /// its arrival, or of the log. The earliest time counts, so that a repetition revokes nothing more. The
    /// other fields are compared only to make the order irrelevant.
    pub(super) fn join(self, other: Self) -> Self {
        Self {
            seq: self.seq,
            at: self.at.min(other.at),
            ends: self.ends | other.ends,
            window: self.window.max(other.window),
        }
    }
}

/// Shows no id.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { revoked_before, .. } => f
                .debug_struct("User")
                .field("moment", revoked_before)
                .finish_non_exhaustive(),
            Self::Event { event, .. } => f.debug_tuple("Event").field(event).finish(),
            Self::Token { until, .. } => f
                .debug_struct("Token")
                .field("until", until)
                .finish_non_exhaustive(),
            Self::Client { revoked_before, .. } => f
                .debug_struct("Client")
                .field("revoked_before", revoked_before)
                .finish_non_exhaustive(),
            Self::All { issued_before } => f
                .debug_struct("All")
                .field("issued_before", issued_before)
                .finish(),
        }
    }
}

#[cfg(all(test, feature = "redis"))]
mod tests {
    use super::*;

    const TIME: u64 = 1_800_000_000;

    fn user(revoked_before: u64) -> Record {
        let user = "alice".into();
        Record::User {
            user,
            revoked_before,
        }
    }

    fn client(revoked_before: u64) -> Record {
        let client = "cron".into();
        Record::Client {
            client,
            revoked_before,
        }
    }

    /// Its window begins an hour later.
    fn event(at: u64) -> Record {
        Record::Event {
            user: "alice".into(),
            event: Event {
                seq: 7,
                at,
                ends: true,
                window: Some(TIME + 3_600),
            },
        }
    }

    fn all(at: u64) -> Record {
        let issued_before = at + 1;
        Record::All { issued_before }
    }

    #[test]
    fn only_a_later_time_is_replaced_by_the_time_of_the_entry() {
        for record in [user, client, event, all] {
            let applied = |at| record(at).bounded(TIME).unwrap_or(record(at));
            for at in [0, TIME - 3_600, TIME - 1, TIME] {
                assert_eq!(applied(at), record(at), "{at}");
            }
            for at in [TIME + 1, TIME + 3_600, u64::MAX - 1] {
                assert_eq!(applied(at), record(TIME), "{at}");
            }
        }
    }

    #[test]
    fn the_expiry_of_a_revoked_token_is_not_replaced() {
        for until in [TIME - 1, TIME, TIME + 3_600] {
            let token = "token".into();
            let record = Record::Token { token, until };
            assert_eq!(record.bounded(TIME), None, "{until}");
        }
    }

    #[test]
    fn records_of_one_event_join_in_any_order_and_any_number_of_times() {
        let event = |at, ends, window| Event {
            seq: 1,
            at,
            ends,
            window,
        };
        let (strict, early) = (event(9, true, None), event(5, false, Some(20)));
        let both = event(5, true, Some(20));
        assert_eq!(strict.join(early), both);
        assert_eq!(early.join(strict), both);
        assert_eq!(both.join(both), both);
    }
}
