//! Two replicas that keep their keys in one folder, under a paused clock: they end and start again,
//! the issuer rotates and is away, files are damaged, and clocks differ by less than the leeway.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::issuer::{Fault, Issuer, KEYS, START, key};
use crate::clock::Clock;
use crate::jwks::{KeyFolder, KeyPolicy, KeySnapshot, KeyStore, Refresher};
use crate::property::cases::cases;

const ISSUER: &str = "https://auth.example";
/// By how much two clocks differ at most.
const SKEW: Duration = Duration::from_secs(40);

#[derive(Clone, Debug)]
enum Step {
    Wait(Duration),
    /// Lists another key, and the old ones no more.
    Rotate,
    Break(Fault),
    Heal,
    /// A replica ends, and starts again.
    Restart(usize),
    /// The wall clock of a replica is off by so many seconds from now on.
    SetClock(usize, i64),
    /// The file is cut off at this per mille of its length.
    CutOff(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![0_u64..2_000, 2_000_u64..300_000, 300_000_u64..4_000_000];
    let fault = prop_oneof![
        Just(Fault::Error),
        Just(Fault::Garbage),
        Just(Fault::Hang),
        Just(Fault::Slow(Duration::from_secs(9))),
    ];
    prop_oneof![
        4 => wait.prop_map(|millis| Step::Wait(Duration::from_millis(millis))),
        2 => Just(Step::Rotate),
        2 => fault.prop_map(Step::Break),
        1 => Just(Step::Heal),
        4 => (0_usize..2).prop_map(Step::Restart),
        1 => (0_usize..2, -20_i64..=20).prop_map(|(replica, off)| Step::SetClock(replica, off)),
        1 => (0_usize..1_000).prop_map(Step::CutOff),
    ]
}

struct Replica {
    clock: Clock,
    off_by: i64,
    issuer: Issuer,
    store: Arc<KeyStore>,
    _refresher: Refresher,
}

impl Replica {
    fn start(clock: Clock, off_by: i64, folder: KeyFolder, listed: usize) -> Self {
        let store = Arc::new(KeyStore::new(KeyPolicy::default(), clock.clone()));
        let issuer = Issuer::new(&clock, &store);
        issuer.state().listed = vec![listed];
        let refresher = Refresher::spawn(
            &Handle::current(),
            Arc::clone(&store),
            issuer.clone(),
            vec![Algorithm::EdDSA],
            None,
            Some(folder),
        );
        Self {
            clock,
            off_by,
            issuer,
            store,
            _refresher: refresher,
        }
    }

    fn knows(&self, number: usize) -> bool {
        let keys = self.store.current(self.clock.now());
        keys.is_some_and(|keys| keys.find(key(number).kid()).is_some())
    }
}

struct World {
    folder: TempDir,
    replicas: [Replica; 2],
    listed: usize,
    fault: Option<Fault>,
    /// When each key was last on an answer of the issuer's, or might have been.
    last_listed: [Option<Instant>; KEYS],
    kept: Option<KeySnapshot>,
}

impl World {
    fn new() -> Self {
        // In memory: a disk would wait for each of some thousand writes.
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.exists() {
            TempDir::new_in(memory)
        } else {
            TempDir::new()
        };
        let folder = folder.expect("a folder");
        let replica = || {
            let clock = Clock::starting_at(START);
            let kept = key_folder(&folder, &clock);
            Replica::start(clock, 0, kept, 0)
        };
        let mut last_listed = [None; KEYS];
        last_listed[0] = Some(Instant::now());
        Self {
            replicas: [replica(), replica()],
            folder,
            listed: 0,
            fault: None,
            last_listed,
            kept: None,
        }
    }

    async fn take(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Wait(time) => sleep(time).await,
            Step::Rotate => {
                self.last_listed[self.listed] = Some(Instant::now());
                self.listed = (self.listed + 1) % KEYS;
                self.tell_issuers();
            }
            Step::Break(fault) => {
                self.fault = Some(fault);
                self.tell_issuers();
            }
            Step::Heal => {
                self.fault = None;
                self.tell_issuers();
            }
            Step::Restart(number) => self.restart(number).await?,
            Step::SetClock(number, off_by) => {
                let replica = &mut self.replicas[number];
                let shift = (off_by - replica.off_by) * 1_000;
                replica.clock.shift_millis(shift);
                replica.off_by = off_by;
            }
            Step::CutOff(per_mille) => self.cut_off(per_mille),
        }
        tokio::task::yield_now().await;
        self.last_listed[self.listed] = Some(Instant::now());
        self.check().await
    }

    fn tell_issuers(&self) {
        for replica in &self.replicas {
            let mut state = replica.issuer.state();
            state.listed = vec![self.listed];
            state.fault = self.fault;
        }
    }

    /// Whatever the issuer does, a process that starts serves what its folder has.
    async fn restart(&mut self, number: usize) -> Result<(), String> {
        let (clock, off_by) = (
            self.replicas[number].clock.clone(),
            self.replicas[number].off_by,
        );
        let kept = key_folder(&self.folder, &clock).load().await;
        let folder = key_folder(&self.folder, &clock);
        self.replicas[number] = Replica::start(clock, off_by, folder, self.listed);
        self.tell_issuers();
        let replica = &self.replicas[number];
        let now = replica.clock.now().unix();
        // Without the network.
        replica.issuer.state().fault = Some(Fault::Hang);
        sleep(Duration::from_millis(1)).await;
        let age = kept.as_ref().map(|kept| now.checked_sub(kept.fetched_at));
        let serves = replica.store.status().usable;
        let should_serve = age
            .is_some_and(|age| age.is_some_and(|age| age + SKEW < KeyPolicy::default().max_stale));
        self.tell_issuers();
        // The one who is still there may have kept younger ones meanwhile.
        if should_serve && !serves {
            return Err(format!("kept {age:?} ago, and does not serve"));
        }
        Ok(())
    }

    fn cut_off(&mut self, per_mille: usize) {
        let entries = fs::read_dir(self.folder.path().join("axum-authgear"));
        for entry in entries.into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path
                .extension()
                .is_some_and(|extension| extension == "keys")
            {
                let content = fs::read(&path).expect("a file");
                let length = content.len() * per_mille / 1_000;
                fs::write(&path, &content[..length]).expect("a file");
                self.kept = None;
            }
        }
    }

    async fn check(&mut self) -> Result<(), String> {
        let bound = KeyPolicy::default().max_stale + SKEW;
        for (number, replica) in self.replicas.iter().enumerate() {
            for kid in (0..KEYS).filter(|kid| replica.knows(*kid)) {
                let since = self.last_listed[kid].map(|last| last.elapsed());
                if since.is_none_or(|since| since > bound) {
                    return Err(format!("{number} uses key {kid}, gone for {since:?}"));
                }
            }
        }
        let folder = key_folder(&self.folder, &self.replicas[0].clock);
        let kept = folder.load().await;
        if let (Some(before), Some(now)) = (&self.kept, &kept)
            && now.fetched_at < before.fetched_at
        {
            return Err(format!("{now:?} has replaced {before:?}"));
        }
        if self.kept.is_some() && kept.is_none() {
            return Err("what was kept is gone".to_owned());
        }
        self.kept = kept.or(self.kept.take());
        Ok(())
    }

    /// Both know the key that signs soon, and then no other.
    async fn end_well(&mut self) -> Result<(), String> {
        self.take(&Step::Heal).await?;
        sleep(Duration::from_secs(90 + 245)).await;
        for (number, replica) in self.replicas.iter().enumerate() {
            for kid in 0..KEYS {
                if replica.knows(kid) != (kid == self.listed) {
                    return Err(format!("{number}, in the end, on key {kid}"));
                }
            }
        }
        self.take(&Step::Wait(Duration::ZERO)).await
    }
}

fn key_folder(folder: &TempDir, clock: &Clock) -> KeyFolder {
    let leeway = KeyPolicy::default().leeway;
    KeyFolder::new(folder.path().to_owned(), ISSUER, clock.clone(), leeway)
}

#[test]
fn simulation_of_keys_that_are_kept() {
    let schedules = prop::collection::vec(step(), 1..40);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        max_shrink_iters: 1_000,
        ..cases(30, 2_000)
    });
    let outcome = runner.run(&schedules, |schedule| {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(async {
                let mut world = World::new();
                for (number, step) in schedule.iter().enumerate() {
                    let taken = world.take(step).await;
                    taken.map_err(|wrong| {
                        TestCaseError::fail(format!("step {number}, {step:?}: {wrong}"))
                    })?;
                }
                let ended = world.end_well().await;
                ended.map_err(|wrong| TestCaseError::fail(format!("in the end: {wrong}")))
            })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
