//! Replicas of one log, what happens to them, and what must be true of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::fake_log::{FakeLog, NOW, Way};
use super::step::{Ended, MAX_AHEAD, Poison, REPLICAS, RETENTION, Step, USERS, name};
use crate::clock::Clock;
use crate::revocation::record::{Event, Record};
use crate::revocation::store::token_key;
use crate::revocation::table::Table;
use crate::revocation::{RevocationPolicy, Revocations};
use crate::user::{Identity, NumericDate, TextReader};
use crate::webhook::event::Delivery;

/// How far the last replica's clock can be ahead.
pub(super) const MAX_LEAD: u64 = 20 * 60;

pub(super) struct World {
    pub(super) clock: Clock,
    /// The last replica's clock, which can be ahead.
    pub(super) leading: Clock,
    pub(super) log: FakeLog,
    pub(super) replicas: Vec<Replica>,
    pub(super) deliveries: Vec<Delivery>,
    /// The time of each event, by `seq`, from its earliest arrival, which counts.
    pub(super) arrivals: BTreeMap<u64, u64>,
}

pub(super) struct Replica {
    pub(super) revocations: Revocations,
    pub(super) started: Instant,
    /// The records that it received itself since its start.
    taken: Vec<Record>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_lead(0)
    }

    /// The last replica's clock is ahead by this many seconds.
    pub(super) fn with_lead(lead: u64) -> Self {
        let mut world = Self {
            clock: Clock::starting_at(NOW),
            leading: Clock::starting_at(NOW + lead),
            log: FakeLog::new(),
            replicas: Vec::new(),
            deliveries: Vec::new(),
            arrivals: BTreeMap::new(),
        };
        for number in 0..REPLICAS {
            let replica = world.replica(number, None);
            world.replicas.push(replica);
        }
        world
    }

    pub(super) fn replica(&self, number: usize, max_staleness: Option<Duration>) -> Replica {
        let policy = RevocationPolicy {
            retention: Some(Duration::from_secs(RETENTION)),
            leeway: Duration::from_secs(60),
        };
        let way = Way {
            log: self.log.clone(),
            replica: number,
            max_staleness,
            failovers: None,
        };
        let clock = self.clock_of(number).clone();
        Replica {
            revocations: Revocations::start_shared(policy, clock, &Handle::current(), way),
            started: Instant::now(),
            taken: Vec::new(),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.now().unix().as_secs()
    }

    fn clock_of(&self, replica: usize) -> &Clock {
        if replica == REPLICAS - 1 {
            &self.leading
        } else {
            &self.clock
        }
    }

    pub(super) async fn step(&mut self, step: Step) {
        match step {
            Step::Happen {
                user,
                event_type,
                skew,
                window,
            } => {
                let at = self.now().saturating_add_signed(skew);
                let ahead = window.map(|window| at + window);
                let seq = self.deliveries.len() as u64 * 2;
                self.deliveries.push(Delivery {
                    event_type,
                    user: name(user),
                    event: event_type.event(seq, at, ahead),
                });
            }
            Step::Deliver { delivery, replica } => {
                let Some(delivery) = delivery.get_from(&self.deliveries).cloned() else {
                    return;
                };
                // It can know already that its own clock is ahead.
                let now = self.clock_of(replica).now().unix().as_secs();
                let replica = &mut self.replicas[replica];
                let mut event = delivery.event;
                event.at = event.at.min(now);
                let arrival = self.arrivals.entry(event.seq).or_insert(event.at);
                *arrival = (*arrival).min(event.at);
                if delivery.event.at + RETENTION >= now {
                    let user = delivery.user.clone();
                    replica.taken.push(Record::Event { user, event });
                }
                replica
                    .revocations
                    .store()
                    .take(delivery.user, delivery.event);
            }
            Step::End { ended, replica } => {
                let now = self.now();
                let replica = &mut self.replicas[replica];
                let store = replica.revocations.store();
                match ended {
                    Ended::User(user) => store.revoke_user(&name(user)),
                    Ended::Client(client) => store.revoke_client(&name(client)),
                    Ended::All => {
                        store.revoke_issued_before(UNIX_EPOCH + Duration::from_secs(now + 1));
                    }
                }
                replica.taken.push(ended.record(now));
            }
            Step::EndToken { token, replica } => {
                let expires_at = self.now() + MAX_LEAD + 1800;
                let identity = identity("someone", Some(self.now()), expires_at, token);
                self.replicas[replica]
                    .revocations
                    .store()
                    .revoke_token(&identity, "someone");
            }
            Step::Restart(replica) => self.replicas[replica] = self.replica(replica, None),
            Step::Cut(replica) => {
                self.log.server().cut.insert(replica);
            }
            Step::Mend(replica) => {
                self.log.server().cut.remove(&replica);
            }
            Step::Down(is_down) => self.log.server().is_down = is_down,
            Step::Hang(hangs) => self.log.server().hangs = hangs,
            Step::Empty => self.log.server().entries.clear(),
            // Another server without the latest entries takes over.
            Step::LoseEnd(count) => {
                let mut server = self.log.server();
                let left = server.entries.len().saturating_sub(count);
                server.entries.truncate(left);
                server.failovers += 1;
            }
            Step::Poison(record) => {
                let now = self.log.server().now() / 1000;
                let record = record.map(|poison| match poison {
                    Poison::End { ended, ahead } => ended.record(now + ahead),
                    Poison::Event { user, seq, ahead } => Record::Event {
                        user: name(user),
                        event: Event {
                            // No delivery has such a time.
                            seq: 2 * seq + 1,
                            at: now + ahead,
                            ends: true,
                            window: None,
                        },
                    },
                });
                self.log.server().push(record);
            }
            Step::Refuse(refusal) => self.log.server().refusal = refusal,
            Step::SkipIds(seconds) => {
                let mut server = self.log.server();
                server.least = server.least.max(server.now() + seconds * 1000);
            }
            Step::Wait(millis) => sleep(Duration::from_millis(millis)).await,
        }
        self.log.1.notify_waiters();
    }

    /// The invariants at any time: no current record is removed, and no request waits for long.
    pub(super) fn check(&self) {
        for replica in &self.replicas {
            let known = replica.revocations.store();
            for record in &replica.taken {
                assert!(self.is_known(&known.table, record), "forgotten: {record:?}");
            }
            if replica.started.elapsed() >= Duration::from_secs(2) {
                assert!(known.is_synced());
            }
        }
    }

    /// Whether the table has it, or it is out of date.
    fn is_known(&self, table: &Table, record: &Record) -> bool {
        let now = self.leading.now().unix().as_secs();
        let revoked_before = match record {
            Record::User { revoked_before, .. } => *revoked_before,
            Record::Event { event, .. } => {
                let earliest = self.arrivals.get(&event.seq).copied();
                event.at.min(earliest.unwrap_or(u64::MAX))
            }
            Record::Token { .. } => return true,
            Record::Client { .. } | Record::All { .. } => return !table.apply(record, now),
        };
        // An event from the future can count as of its arrival, and be out of date that much earlier.
        table.is_past(revoked_before - MAX_AHEAD, now) || !table.apply(record, now)
    }

    /// All faults end. After a while, all replicas have the same records.
    pub(super) async fn heal(&mut self) {
        {
            let mut server = self.log.server();
            server.cut.clear();
            server.is_down = false;
            server.hangs = false;
            server.refusal = None;
        }
        self.log.1.notify_waiters();
        // The log is reachable within a minute. The next audit, within a quarter of the retention, finds
        // records that would leave the log too early.
        sleep(Duration::from_secs(60 + RETENTION / 4)).await;
    }

    pub(super) fn check_agreement(&self) {
        let now = self.now();
        let mut times: BTreeSet<u64> = [now, now + 10 * RETENTION].into();
        times.extend(
            self.deliveries
                .iter()
                .filter_map(|delivery| delivery.event.window),
        );
        for number in 0..USERS {
            let user = name(number);
            for time in times.iter().filter(|time| **time >= now) {
                let moments: Vec<_> = self
                    .replicas
                    .iter()
                    .map(|replica| {
                        let table = &replica.revocations.store().table;
                        let revoked_before = table.user(&user, *time);
                        // At the end of the retention, replicas can differ by the lead of an event's
                        // clock, if the event arrived first during an outage, and by the lead of a
                        // replica's clock.
                        revoked_before.filter(|revoked_before| {
                            !table.is_past(revoked_before - MAX_AHEAD - MAX_LEAD, now)
                        })
                    })
                    .collect();
                assert!(
                    moments.windows(2).all(|pair| pair[0] == pair[1]),
                    "{user} at {time}: {moments:?}"
                );
            }
        }
        // The record of an expired token, by any clock, can be removed or not.
        let latest = self.leading.now().unix().as_secs();
        for replica in &self.replicas {
            replica.revocations.store().table.sweep(latest);
        }
        for token in 0..USERS {
            let identity = identity("someone", None, 0, token);
            let ended: Vec<_> = self
                .replicas
                .iter()
                .map(|replica| {
                    replica
                        .revocations
                        .store()
                        .table
                        .is_token_revoked(&token_key(&identity))
                })
                .collect();
            assert!(ended.windows(2).all(|pair| pair[0] == pair[1]), "{ended:?}");
        }
        let clients: Vec<_> = self
            .replicas
            .iter()
            .map(|replica| {
                let table = &replica.revocations.store().table;
                let clients: Vec<_> = (0..USERS).map(|c| table.client(&name(c))).collect();
                (table.all_issued_before(), clients)
            })
            .collect();
        assert!(
            clients.windows(2).all(|pair| pair[0] == pair[1]),
            "{clients:?}"
        );
        // All replicas have each record that one received before a restart.
        for appender in &self.replicas {
            for record in &appender.taken {
                for replica in &self.replicas {
                    let table = &replica.revocations.store().table;
                    assert!(self.is_known(table, record), "not told: {record:?}");
                }
            }
        }
    }
}

pub(super) fn identity(
    subject: &str,
    issued_at: Option<u64>,
    expires_at: u64,
    token: usize,
) -> Identity {
    let text = format!("{subject} token-{token}");
    let mut reader = TextReader::new(&text);
    let (subject, token) = text.split_once(' ').unwrap();
    let (subject, token) = (reader.span(subject), reader.span(token));
    Identity {
        subject,
        token_id: Some(token),
        issued_at: issued_at.map(date),
        expires_at: Some(date(expires_at)),
        text: reader.finish(text),
        ..Identity::default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact for these")]
fn date(unix_seconds: u64) -> NumericDate {
    NumericDate(unix_seconds as f64)
}
