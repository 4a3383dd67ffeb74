//! What is known of users and tokens that were ended, piece by piece.

use std::fmt;

/// One piece of knowledge. Pieces may be learnt in any order and any number of times: what they
/// say together is always the same.
///
/// All times are whole seconds since the Unix epoch.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Record {
    /// The user's tokens that were issued until this moment are ended.
    User { user: Box<str>, revoked_before: u64 },
    /// Something happened to the user's account.
    #[cfg_attr(
        not(any(feature = "redis", feature = "webhook")),
        expect(dead_code, reason = "nobody tells of events")
    )]
    Event { user: Box<str>, event: Event },
    /// One token is ended; by `until` it has expired anyway.
    Token { token: Box<str>, until: u64 },
    /// The client's tokens that were issued until this moment are ended.
    Client {
        client: Box<str>,
        revoked_before: u64,
    },
    /// All tokens that were issued before this moment are ended.
    All { issued_before: u64 },
}

#[cfg(feature = "redis")]
impl Record {
    /// The same, if it names a moment after this time: then it counts as of this time. Whoever wrote
    /// it had a clock that was ahead. What is announced for later is not such a moment.
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

/// How long the id of a user or a client, or what tells a token from others, can be, in bytes: no token is
/// longer, and what stands for one without a `jti` is little longer than its subject.
pub(super) const MAX_NAME: usize = 10 * 1024;

/// What happened to an account, as far as its tokens are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Event {
    /// The place of the event among all events of the project.
    pub(crate) seq: u64,
    /// When it happened.
    pub(crate) at: u64,
    /// Whether it ended the tokens that were issued until then.
    pub(crate) ends: bool,
    /// When the account will be disabled, as it stands after this event: always later than the
    /// event by its own clock.
    pub(crate) window: Option<u64>,
}

impl Event {
    /// What two accounts of one event say together.
    ///
    /// They differ only in `at`, where the event's own time lay in the future and was replaced by
    /// the time of the arrival, or of the log: the earliest one counts, so that a repetition ends
    /// nothing more. The rest is there so that the order can never matter.
    pub(super) fn join(self, other: Self) -> Self {
        Self {
            seq: self.seq,
            at: self.at.min(other.at),
            ends: self.ends | other.ends,
            window: self.window.max(other.window),
        }
    }
}

/// Names nobody.
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
