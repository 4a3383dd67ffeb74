//! Replicas and a log in a simulation: after any interleaving of events, replays, restarts and outages,
//! all replicas have the same records.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use super::log::{Entry, Log, LogConnection, LogError, LogPosition};
use crate::clock::Clock;
use crate::error::AuthErrorKind;
use crate::property::cases::cases;
use crate::revocation::record::{Event, Record};
use crate::revocation::store::RevocationStore;
use crate::revocation::table::Table;
use crate::revocation::{RevocationPolicy, Revocations};
use crate::telemetry::LogName;
use crate::user::{Identity, NumericDate, TextReader};
use crate::webhook::event::{Delivery, EventType};

const NOW: u64 = 1_795_600_000;
const RETENTION: u64 = 60 * 60;
const REPLICAS: usize = 3;
const USERS: usize = 3;
/// How far an event's clock can be ahead.
const MAX_AHEAD: u64 = 300;
/// How far the last replica's clock can be ahead.
const MAX_LEAD: u64 = 20 * 60;

/// A log in memory, whose server has a clock and a state of health.
#[derive(Clone)]
struct FakeLog(Arc<Mutex<Server>>, Arc<Notify>);

struct Server {
    /// `None` instead of a record is a malformed entry.
    entries: Vec<(LogPosition, Option<Record>)>,
    /// The minimum of new ids.
    least: u64,
    /// Why it refuses writes, if it does.
    refusal: Option<&'static str>,
    started: Instant,
    is_down: bool,
    hangs: bool,
    /// The replicas that cannot reach it: their commands are never answered.
    cut: HashSet<usize>,
    appended: usize,
    /// The number of attempts to append a record.
    asked: usize,
    connections: usize,
    failovers: usize,
}

/// One replica's connection to the log.
struct Way {
    log: FakeLog,
    replica: usize,
    max_staleness: Option<Duration>,
    /// The server of the connection: the connection ends with it.
    failovers: Option<usize>,
}

impl FakeLog {
    fn new() -> Self {
        Self(
            Arc::new(Mutex::new(Server {
                entries: Vec::new(),
                least: 0,
                refusal: None,
                started: Instant::now(),
                is_down: false,
                hangs: false,
                cut: HashSet::new(),
                appended: 0,
                asked: 0,
                connections: 0,
                failovers: 0,
            })),
            Arc::default(),
        )
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        self.0.lock().unwrap()
    }
}

impl Server {
    fn now(&self) -> u64 {
        NOW * 1000 + u64::try_from(self.started.elapsed().as_millis()).unwrap()
    }

    fn push(&mut self, record: Option<Record>) {
        self.appended += 1;
        let position = LogPosition {
            millis: self.now().max(self.least),
            number: self.appended as u64,
        };
        self.entries.push((position, record));
    }
}

impl Way {
    /// Returns when the server answers, if it does at all.
    async fn answer(&self) -> Result<(), LogError> {
        loop {
            sleep(Duration::from_millis(2)).await;
            let changed = self.log.1.notified();
            if let Some(answer) = self.health() {
                return answer;
            }
            changed.await;
        }
    }

    fn health(&self) -> Option<Result<(), LogError>> {
        let server = self.log.server();
        if server.is_down {
            let refused = io::ErrorKind::ConnectionRefused;
            return Some(Err(LogError::Unreachable(refused.into())));
        }
        if self.failovers.is_some_and(|own| own != server.failovers) {
            return Some(Err(LogError::Closed));
        }
        (!server.hangs && !server.cut.contains(&self.replica)).then_some(Ok(()))
    }

    fn page(&self, after: LogPosition) -> Vec<Entry> {
        let server = self.log.server();
        let later = server
            .entries
            .iter()
            .filter(|(position, _)| *position > after);
        later
            .take(7)
            .map(|(position, record)| Entry {
                position: *position,
                record: record.clone(),
            })
            .collect()
    }
}

impl Log for Way {
    type Connection = Self;

    fn name(&self) -> LogName<'_> {
        LogName {
            issuer: "simulated",
            stream: "simulated",
        }
    }

    fn max_staleness(&self) -> Option<Duration> {
        self.max_staleness
    }

    async fn connect(&self) -> Result<Self, LogError> {
        self.log.server().connections += 1;
        self.answer().await?;
        Ok(Self {
            log: self.log.clone(),
            failovers: Some(self.log.server().failovers),
            ..*self
        })
    }
}

impl LogConnection for Way {
    async fn read(
        &mut self,
        after: LogPosition,
        wait: Option<Duration>,
    ) -> Result<Vec<Entry>, LogError> {
        self.answer().await?;
        let until = Instant::now() + wait.unwrap_or_default();
        loop {
            let page = self.page(after);
            if !page.is_empty() || Instant::now() >= until {
                return Ok(page);
            }
            let log = self.log.clone();
            let _ = timeout_at(until, log.1.notified()).await;
            self.answer().await?;
        }
    }

    async fn has(&mut self, position: LogPosition) -> Result<bool, LogError> {
        self.answer().await?;
        Ok(self
            .log
            .server()
            .entries
            .iter()
            .any(|(at, _)| *at == position))
    }

    async fn append(&mut self, records: &[Record], keep: LogPosition) -> Result<(), LogError> {
        self.answer().await?;
        {
            let mut server = self.log.server();
            for record in records {
                server.asked += 1;
                if let Some(code) = server.refusal {
                    let code = code.to_owned();
                    return Err(LogError::Refused { code });
                }
                server.push(Some(record.clone()));
            }
        }
        self.log.1.notify_waiters();
        self.trim(keep).await
    }

    async fn trim(&mut self, keep: LogPosition) -> Result<(), LogError> {
        // The answer can be lost after the command has run.
        self.log
            .server()
            .entries
            .retain(|(position, _)| *position >= keep);
        self.answer().await
    }

    async fn now(&mut self) -> Result<u64, LogError> {
        self.answer().await?;
        Ok(self.log.server().now())
    }
}

struct World {
    clock: Clock,
    /// The last replica's clock, which can be ahead.
    leading: Clock,
    log: FakeLog,
    replicas: Vec<Replica>,
    deliveries: Vec<Delivery>,
    /// The time of each event, by `seq`, from its earliest arrival, which counts.
    arrivals: BTreeMap<u64, u64>,
}

struct Replica {
    revocations: Revocations,
    started: Instant,
    /// The records that it received itself since its start.
    taken: Vec<Record>,
}

impl World {
    fn new() -> Self {
        Self::with_lead(0)
    }

    /// The last replica's clock is ahead by this many seconds.
    fn with_lead(lead: u64) -> Self {
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

    fn replica(&self, number: usize, max_staleness: Option<Duration>) -> Replica {
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

    fn now(&self) -> u64 {
        self.clock.now().unix().as_secs()
    }

    fn clock_of(&self, replica: usize) -> &Clock {
        if replica == REPLICAS - 1 {
            &self.leading
        } else {
            &self.clock
        }
    }

    async fn step(&mut self, step: Step) {
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
    fn check(&self) {
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
    async fn heal(&mut self) {
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

    fn check_agreement(&self) {
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
                        .is_token_revoked(&crate::revocation::store::token_key(&identity))
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

fn name(user: usize) -> Box<str> {
    format!("user-{user}").into()
}

fn identity(subject: &str, issued_at: Option<u64>, expires_at: u64, token: usize) -> Identity {
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

#[derive(Clone, Debug)]
enum Step {
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
enum Poison {
    End { ended: Ended, ahead: u64 },
    Event { user: usize, seq: u64, ahead: u64 },
}

#[derive(Clone, Copy, Debug)]
enum Ended {
    User(usize),
    Client(usize),
    All,
}

impl Ended {
    /// Includes all tokens that were issued until this second.
    fn record(self, second: u64) -> Record {
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
struct Pick(usize);

impl Pick {
    fn get_from<'l, T>(&self, list: &'l [T]) -> Option<&'l T> {
        list.iter().rev().nth(self.0 % list.len().max(1))
    }
}

fn step() -> impl Strategy<Value = Step> {
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

fn paused<F: Future>(run: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(run)
}

#[test]
fn property_all_replicas_end_up_refusing_the_same() {
    let steps = proptest::collection::vec(step(), 1..60);
    let config = ProptestConfig {
        max_shrink_iters: 200,
        ..cases(64, 1_000)
    };
    let lead = prop_oneof![Just(0), 1..=MAX_LEAD];
    proptest!(config, |(lead in lead, steps in steps)| {
        paused(async {
            let mut world = World::with_lead(lead);
            for step in steps {
                world.step(step).await;
                world.check();
            }
            world.heal().await;
            world.check();
            world.check_agreement();
        });
    });
}

#[test]
fn a_window_far_ahead_outlives_the_log_and_its_taking_back_too() {
    paused(async {
        let mut world = World::new();
        let disabled = |user| Step::Happen {
            user,
            event_type: EventType::Disabled,
            skew: 0,
            window: Some(6 * RETENTION),
        };
        let deliver = |delivery| Step::Deliver {
            delivery: Pick(delivery),
            replica: 0,
        };
        for step in [disabled(0), deliver(0), disabled(1), deliver(0)] {
            world.step(step).await;
        }
        sleep(Duration::from_secs(2 * RETENTION)).await;
        let back = Step::Happen {
            user: 1,
            event_type: EventType::Reenabled,
            skew: 0,
            window: None,
        };
        for step in [back, deliver(0)] {
            world.step(step).await;
        }
        // Other replicas start and stop, and read it only from the log.
        for _ in 0..8 {
            sleep(Duration::from_secs(RETENTION / 2)).await;
            world.step(Step::Restart(1)).await;
            world.step(Step::Restart(2)).await;
        }
        sleep(Duration::from_secs(5)).await;
        world.check_agreement();
        let table = &world.replicas[2].revocations.store().table;
        let later = NOW + 7 * RETENTION;
        assert_eq!(table.user("user-0", later), Some(NOW + 6 * RETENTION));
        assert_eq!(table.user("user-1", later), None);
        // Each record is in the log a few times, and the number does not grow.
        assert!(world.log.server().entries.len() < 40);
    });
}

/// Later entries hide that the log has removed an earlier one.
#[test]
fn a_window_far_ahead_outlives_a_busy_log() {
    paused(async {
        let mut world = World::new();
        let steps = [
            Step::Happen {
                user: 0,
                event_type: EventType::Disabled,
                skew: 0,
                window: Some(6 * RETENTION),
            },
            Step::Deliver {
                delivery: Pick(0),
                replica: 0,
            },
        ];
        for step in steps {
            world.step(step).await;
        }
        for minute in 0..5 * RETENTION / 60 {
            let others = world.replicas[1].revocations.store();
            others.revoke_user(&format!("other-{minute}"));
            sleep(Duration::from_secs(60)).await;
        }
        world.step(Step::Restart(2)).await;
        sleep(Duration::from_secs(5)).await;
        let table = &world.replicas[2].revocations.store().table;
        let later = NOW + 7 * RETENTION;
        assert_eq!(table.user("user-0", later), Some(NOW + 6 * RETENTION));
        assert_eq!(table.user("other-0", later), None);
        // A few times for each retention.
        let server = world.log.server();
        let is_of = |record: &Option<Record>| match record {
            Some(Record::Event { user, .. }) => **user == *"user-0",
            _ => false,
        };
        let kept = server.entries.iter().filter(|(_, record)| is_of(record));
        assert!((1..=8).contains(&kept.count()));
    });
}

#[test]
fn out_of_contact_for_too_long_refuses_users_until_contact_is_regained() {
    paused(async {
        let world = World::new();
        let most = Duration::from_secs(30);
        let replica = world.replica(7, Some(most)).revocations;
        let now = || world.clock.now();
        let user = || identity("user-0", Some(world.now()), world.now() + 1800, 0);
        let kind = || {
            replica
                .store()
                .check(&user(), now())
                .err()
                .map(|error| error.kind())
        };
        sleep(Duration::from_secs(120)).await;
        assert_eq!(kind(), None);
        assert!(replica.store().outage().is_none());

        for fault in [Step::Cut(7), Step::Down(true)] {
            let mut world = World {
                log: world.log.clone(),
                clock: world.clock.clone(),
                leading: world.leading.clone(),
                replicas: vec![],
                deliveries: vec![],
                arrivals: BTreeMap::new(),
            };
            world.step(fault).await;
            sleep(Duration::from_secs(20)).await;
            assert_eq!(kind(), None);
            assert!(!replica.store().outage().unwrap().refuses);
            sleep(Duration::from_secs(11)).await;
            assert_eq!(kind(), Some(AuthErrorKind::RevocationsUnavailable));
            assert!(replica.store().outage().unwrap().refuses);
            world.heal().await;
            assert_eq!(kind(), None);
            assert!(replica.store().outage().is_none());
        }
    });
}

#[test]
fn an_outage_goes_on_when_the_revocations_are_replaced() {
    paused(async {
        let mut world = World::new();
        let clock = world.clock.clone();
        let most = Duration::from_secs(30);
        let kind = |revocations: &Revocations| {
            let now = clock.now().unix().as_secs();
            let user = identity("user-0", Some(now), now + 1800, 0);
            let checked = revocations.store().check(&user, clock.now());
            checked.err().map(|error| error.kind())
        };
        let earlier = world.replica(7, Some(most)).revocations;
        let other = world.replica(8, Some(most)).revocations;
        sleep(Duration::from_secs(10)).await;
        world.step(Step::Cut(7)).await;
        sleep(Duration::from_secs(20)).await;
        let replaced = world.replica(7, Some(most)).revocations;
        replaced.store().take_over(earlier.store());
        assert!(replaced.store().outage().is_some());
        sleep(Duration::from_secs(5)).await;
        assert_eq!(kind(&replaced), None);
        sleep(Duration::from_secs(6)).await;
        assert_eq!(kind(&replaced), Some(AuthErrorKind::RevocationsUnavailable));
        // Near miss: an answer of its own counts, and no earlier outage.
        other.store().take_over(earlier.store());
        assert!(other.store().outage().is_none());
        assert_eq!(kind(&other), None);
        world.heal().await;
        assert_eq!(kind(&replaced), None);
        assert!(replaced.store().outage().is_none());
    });
}

const LEAD: u64 = 60 * 60;

/// The last replica's clock is an hour ahead. It ends something before it knows the log, while it is in
/// contact, and while the log is unreachable again.
async fn end_an_hour_ahead(end: impl Fn(&RevocationStore, &str)) -> World {
    let policy = RevocationPolicy {
        retention: None,
        leeway: Duration::from_secs(60),
    };
    let mut world = World::with_lead(LEAD);
    world.log.server().is_down = true;
    for (number, replica) in world.replicas.iter_mut().enumerate() {
        let clock = if number == REPLICAS - 1 {
            &world.leading
        } else {
            &world.clock
        };
        let way = Way {
            log: world.log.clone(),
            replica: number,
            max_staleness: None,
            failovers: None,
        };
        let runtime = Handle::current();
        replica.revocations = Revocations::start_shared(policy, clock.clone(), &runtime, way);
    }
    let ahead = world.replicas[REPLICAS - 1].revocations.store();
    end(ahead, "before");
    world.log.server().is_down = false;
    sleep(Duration::from_secs(10)).await;
    end(ahead, "within");
    sleep(Duration::from_secs(10)).await;
    world.log.server().is_down = true;
    sleep(Duration::from_secs(10)).await;
    end(ahead, "after");
    world.log.server().is_down = false;
    sleep(Duration::from_secs(10)).await;
    world
}

/// All replicas have the same moment, and it is past.
#[track_caller]
fn assert_is_past(world: &World, what: &str, moment: impl Fn(&Table) -> Option<u64>) {
    let of = |replica: &Replica| moment(&replica.revocations.store().table);
    let moments: Vec<_> = world.replicas.iter().map(of).collect();
    let is_past = |moment| (NOW..world.now()).contains(&moment);
    assert!(
        moments[0].is_some_and(is_past) && moments.iter().all(|moment| *moment == moments[0]),
        "{what}: {moments:?}"
    );
}

#[test]
fn a_replica_an_hour_ahead_locks_nobody_out_and_does_not_repeat_itself() {
    paused(async {
        let mut world = end_an_hour_ahead(|ahead, user| {
            ahead.revoke_user(user);
            let seq = user.len() as u64;
            let event = EventType::Disabled.event(seq, NOW + LEAD, None);
            ahead.take(format!("event-{user}").into(), event);
        })
        .await;
        let later = world.now() + 2 * LEAD;
        for user in ["before", "within", "after"] {
            for user in [user, &format!("event-{user}")] {
                assert_is_past(&world, user, |table| table.user(user, later));
            }
        }
        let appended = world.log.server().appended;
        assert!((6..=8).contains(&appended), "{appended}");
        // Audits, and a full read by a starting replica.
        sleep(Duration::from_secs(20 * 60 * 60)).await;
        world.step(Step::Restart(0)).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(world.log.server().appended, appended);
    });
}

#[test]
fn a_replica_an_hour_ahead_locks_no_client_out() {
    paused(async {
        let world = end_an_hour_ahead(RevocationStore::revoke_client).await;
        for client in ["before", "within", "after"] {
            assert_is_past(&world, client, |table| table.client(client));
        }
        for phase in ["before", "within", "after"] {
            let world = end_an_hour_ahead(|ahead, now| {
                if now == phase {
                    ahead.revoke_issued_before(UNIX_EPOCH + Duration::from_secs(NOW + LEAD));
                }
            })
            .await;
            assert_is_past(&world, phase, |table| Some(table.all_issued_before()));
        }
    });
}

/// An entry from the future counts as of its own time in all replicas, and is no longer pending.
#[test]
fn an_entry_of_the_future_counts_as_of_its_own_time() {
    paused(async {
        let mut world = World::new();
        for poison in [
            Poison::End {
                ended: Ended::User(0),
                ahead: 3_600,
            },
            Poison::End {
                ended: Ended::Client(1),
                ahead: 3_600,
            },
            Poison::End {
                ended: Ended::All,
                ahead: 3_600,
            },
            Poison::Event {
                user: 1,
                seq: 7,
                ahead: 3_600,
            },
            Poison::End {
                ended: Ended::User(2),
                ahead: 0,
            },
        ] {
            world.step(Step::Poison(Some(poison))).await;
            world.step(Step::Poison(None)).await;
        }
        sleep(Duration::from_secs(5)).await;
        for replica in &world.replicas {
            for user in 0..USERS {
                let table = &replica.revocations.store().table;
                assert_eq!(table.user(&name(user), NOW + 9_000), Some(NOW));
            }
            let table = &replica.revocations.store().table;
            assert_eq!(table.client(&name(1)), Some(NOW));
            assert_eq!(table.client(&name(0)), None);
            assert_eq!(table.all_issued_before(), NOW + 1);
        }
        assert_eq!(world.log.server().asked, 0, "nothing is told once more");
    });
}

#[test]
fn a_log_that_takes_nothing_is_asked_seldom_and_read_all_the_time() {
    for (code, most) in [("OOM", 0), ("NOPERM", 0), ("READONLY", 2)] {
        paused(async {
            let mut world = World::new();
            sleep(Duration::from_secs(5)).await;
            let [first, other, _] = &world.replicas[..] else {
                panic!("three")
            };
            world.log.server().refusal = Some(code);
            for number in 0..2_000 {
                first
                    .revocations
                    .store()
                    .revoke_user(&format!("user-{number}"));
            }
            sleep(Duration::from_secs(30)).await;
            let counts = || {
                let server = world.log.server();
                (server.asked, server.connections)
            };
            let before = counts();
            sleep(Duration::from_secs(30 * 60)).await;
            let after = counts();
            let (asked, connections) = (after.0 - before.0, after.1 - before.1);
            // At most every 5 s, and not at the same time as others.
            assert!((350..=750).contains(&asked), "{code}: {asked}");
            // Two for each attempt if another server may have taken over.
            assert!(
                connections <= asked * most,
                "{code}: {connections} of {asked}"
            );
            let outage = first.revocations.store().outage().unwrap();
            assert!(!outage.refuses && outage.error.to_string().contains(code));
            assert!(other.revocations.store().outage().is_none());

            // Another notation is parsed, too.
            world.log.server().push(Some(Record::User {
                user: "elsewhere".into(),
                revoked_before: NOW,
            }));
            world.log.1.notify_waiters();
            sleep(Duration::from_secs(1)).await;
            assert_eq!(
                first.revocations.store().table.user("elsewhere", NOW),
                Some(NOW)
            );

            world.log.server().refusal = None;
            sleep(Duration::from_secs(10)).await;
            assert!(first.revocations.store().outage().is_none());
            assert_eq!(other.revocations.store().table.len(), 2_001, "{code}");
            let appended = world.log.server().appended;
            assert_eq!(appended, 2_001, "each once");
            world.check();
            world.step(Step::Wait(0)).await;
        });
    }
}

#[test]
fn requests_wait_only_for_the_first_read_and_at_most_two_seconds() {
    paused(async {
        let world = World::new();
        world.replicas[0].revocations.store().revoke_user("user-0");
        sleep(Duration::from_secs(5)).await;

        let late = world.replica(1, None);
        assert!(!late.revocations.store().is_synced());
        late.revocations.store().synced().await;
        assert!(late.started.elapsed() < Duration::from_millis(500));
        assert!(late.revocations.store().is_synced());
        assert_eq!(
            late.revocations.store().table.user("user-0", world.now()),
            Some(NOW)
        );

        world.log.server().is_down = true;
        let refused = world.replica(1, None);
        refused.revocations.store().synced().await;
        assert!(refused.started.elapsed() < Duration::from_millis(100));
        assert!(refused.revocations.store().is_synced());

        world.log.server().is_down = false;
        world.log.server().hangs = true;
        let hanging = world.replica(1, None);
        hanging.revocations.store().synced().await;
        assert_eq!(hanging.started.elapsed().as_secs(), 2);
        assert!(hanging.revocations.store().is_synced());
    });
}

#[test]
fn replicas_that_know_a_lot_share_the_work_of_telling_it() {
    paused(async {
        let world = World::new();
        for number in 0..5_000 {
            world.replicas[0]
                .revocations
                .store()
                .revoke_user(&format!("user-{number}"));
        }
        sleep(Duration::from_secs(60)).await;
        assert_eq!(world.replicas[2].revocations.store().table.len(), 5_000);
        let before = world.log.server().appended;
        assert_eq!(before, 5_000, "each is appended once");
        world.log.server().entries.clear();
        sleep(Duration::from_secs(60)).await;
        let again = world.log.server().appended - before;
        assert!((5_000..15_000).contains(&again), "{again}");
        let late = world.replica(1, None);
        sleep(Duration::from_secs(20)).await;
        assert_eq!(late.revocations.store().table.len(), 5_000);
    });
}

/// A record that is still in the log must not be removed while the log is compared with the table.
#[test]
fn nothing_is_forgotten_while_the_log_is_read() {
    let policy = RevocationPolicy {
        retention: Some(Duration::from_secs(60)),
        leeway: Duration::ZERO,
    };
    let known = RevocationStore::new(policy, Clock::frozen_at(1_000));
    known.revoke_user("alice");
    let keeping = known.keep_all();
    known.sweep(1_000, 1_061);
    assert_eq!(known.table.len(), 1);
    drop(keeping);
    known.sweep(1_061, 1_061);
    assert_eq!(known.table.len(), 0);
}

#[test]
fn an_end_that_was_announced_before_is_told_when_it_comes() {
    let policy = RevocationPolicy {
        retention: None,
        leeway: Duration::ZERO,
    };
    let known = RevocationStore::new(policy, Clock::frozen_at(1_000));
    known.apply(&Record::Event {
        user: "alice".into(),
        event: Event {
            seq: 1,
            at: 1_000,
            ends: false,
            window: Some(1_030),
        },
    });
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&told);
    known.on_change(Box::new(move |user| {
        ear.lock().unwrap().push(user.to_owned());
    }));
    known.sweep(1_000, 1_029);
    assert!(told.lock().unwrap().is_empty());
    known.sweep(1_029, 1_089);
    known.sweep(1_089, 1_149);
    assert_eq!(*told.lock().unwrap(), ["alice"]);
}
