//! [`Step`]: what happens to the replicas and their log.

use proptest::prelude::*;

use crate::revocation::record::Record;
use crate::webhook::event::EventType;

pub(super) const RETENTION: u64 = 60 * 60;
pub(super) const REPLICAS: usize = 3;
pub(super) const USERS: usize = 3;
/// How far an event's clock can be ahead.
pub(super) const MAX_AHEAD: u64 = 300;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Happen {
        user: usize,
        event_type: EventType,
        skew: i64,
        window: Option<u64>,
    },
    Deliver {
        delivery: Pick,
        replica: usize,
    },
    End {
        ended: Ended,
        replica: usize,
    },
    EndToken {
        token: usize,
        replica: usize,
    },
    Restart(usize),
    Cut(usize),
    Mend(usize),
    Down(bool),
    Hang(bool),
    Empty,
    LoseEnd(usize),
    /// An entry that no replica appends.
    Poison(Option<Poison>),
    Refuse(Option<&'static str>),
    SkipIds(u64),
    Wait(u64),
}

/// From a clock that is ahead.
#[derive(Clone, Copy, Debug)]
pub(super) enum Poison {
    End { ended: Ended, ahead: u64 },
    Event { user: usize, seq: u64, ahead: u64 },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Ended {
    User(usize),
    Client(usize),
    All,
}

impl Ended {
    /// Includes all tokens that were issued until this second.
    pub(super) fn record(self, second: u64) -> Record {
        match self {
            Self::User(user) => Record::User {
                user: name(user),
                revoked_before: second,
            },
            Self::Client(client) => Record::Client {
                client: name(client),
                revoked_before: second,
            },
            Self::All => Record::All {
                issued_before: second + 1,
            },
        }
    }
}

fn ended() -> impl Strategy<Value = Ended> {
    prop_oneof![
        2 => (0..USERS).prop_map(Ended::User),
        1 => (0..USERS).prop_map(Ended::Client),
        1 => Just(Ended::All),
    ]
}

/// One of a list that grows: most often a late one.
#[derive(Clone, Debug)]
pub(super) struct Pick(pub(super) usize);

impl Pick {
    pub(super) fn get_from<'l, T>(&self, list: &'l [T]) -> Option<&'l T> {
        list.iter().rev().nth(self.0 % list.len().max(1))
    }
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let event_type = prop_oneof![
        4 => Just(EventType::Disabled),
        3 => Just(EventType::Reenabled),
        1 => Just(EventType::Deleted),
        1 => Just(EventType::DeletionScheduled),
        1 => Just(EventType::DeletionUnscheduled),
    ];
    let skew = prop_oneof![4 => Just(0), 1 => -600..0i64, 1 => 1..=MAX_AHEAD.cast_signed()];
    let window = prop_oneof![1 => Just(None), 2 => (1..5 * RETENTION).prop_map(Some)];
    let happen =
        (0..USERS, event_type, skew, window).prop_map(|(user, event_type, skew, window)| {
            Step::Happen {
                user,
                event_type,
                skew,
                window,
            }
        });
    let deliver = (prop_oneof![3 => 0..2usize, 1 => 0..50usize], 0..REPLICAS).prop_map(
        |(delivery, replica)| Step::Deliver {
            delivery: Pick(delivery),
            replica,
        },
    );
    let wait = prop_oneof![
        3 => 0..300u64,
        3 => 300..20_000u64,
        1 => 20_000..RETENTION * 1000,
    ];
    let ahead = 0..3 * RETENTION;
    let poison = prop_oneof![
        Just(None),
        (ended(), ahead.clone()).prop_map(|(ended, ahead)| Some(Poison::End { ended, ahead })),
        (0..USERS, 0..9u64, ahead).prop_map(|(user, seq, ahead)| Some(Poison::Event {
            user,
            seq,
            ahead
        })),
    ];
    let refusal = prop::sample::select(&[None, Some("OOM"), Some("READONLY")][..]);
    prop_oneof![
        4 => happen,
        8 => deliver,
        2 => (ended(), 0..REPLICAS).prop_map(|(ended, replica)| Step::End { ended, replica }),
        1 => (0..USERS, 0..REPLICAS).prop_map(|(token, replica)| Step::EndToken { token, replica }),
        2 => (0..REPLICAS).prop_map(Step::Restart),
        2 => (0..REPLICAS).prop_map(Step::Cut),
        3 => (0..REPLICAS).prop_map(Step::Mend),
        1 => any::<bool>().prop_map(Step::Down),
        1 => any::<bool>().prop_map(Step::Hang),
        1 => Just(Step::Empty),
        1 => (1..5usize).prop_map(Step::LoseEnd),
        2 => poison.prop_map(Step::Poison),
        1 => refusal.prop_map(Step::Refuse),
        1 => (1..600u64).prop_map(Step::SkipIds),
        6 => wait.prop_map(Step::Wait),
    ]
}

pub(super) fn name(user: usize) -> Box<str> {
    format!("user-{user}").into()
}
