//! Several projects under a paused clock, which come, change and go while requests wait and streams
//! are open: random schedules, with the promises checked at each outcome and after each step.
//!
//! [`world`] holds what there is, [`request`] judges the outcome of one token, and [`moments`] are the
//! moments at which a project may go, one by one.

mod moments;
mod request;
mod world;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::request::{Stream, request};
use self::world::{Answers, PROJECTS, Setup, Token, World};
use super::issuer::Fault;
use crate::property::cases::cases;

/// One step of a schedule. The first number is the project's.
#[derive(Clone, Debug)]
enum Step {
    Wait(Duration),
    /// Adds the project, or puts other options in the place of its own.
    Put(usize, Setup),
    Remove(usize),
    /// Removes it and adds it again, so that nobody sees it missing.
    Return(usize),
    Break(usize, Fault),
    Heal(usize),
    Resolver(usize, Answers),
    Rotate(usize),
    Revoke(usize, &'static str),
    Request(usize, &'static str),
    /// A token that was sent before.
    Again(usize),
    /// Named and signed by a key of the second project.
    Crossed(usize, usize),
    /// Signed by a key of the second project.
    Forged(usize, usize),
    /// Tokens of keys that never were.
    Flood(usize, u64),
    /// A long connection.
    Open(usize, &'static str),
}

fn step() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![4 => 1_u64..2_000, 3 => 2_000_u64..40_000, 1 => 40_000_u64..600_000];
    let setup = prop_oneof![
        4 => Just(Setup::PLAIN),
        4 => Just(Setup::LIVE),
        1 => Just(Setup { allows_client: false, ..Setup::PLAIN }),
        2 => Just(Setup { retention_hours: 12, ..Setup::LIVE }),
    ];
    let fault = prop_oneof![
        Just(Fault::Error),
        Just(Fault::Garbage),
        Just(Fault::Hang),
        (100_u64..9_000).prop_map(|millis| Fault::Slow(Duration::from_millis(millis))),
    ];
    let answers = prop_oneof![
        Just(Answers::Well),
        Just(Answers::Never),
        Just(Answers::Badly)
    ];
    let user = || prop_oneof![Just("alice"), Just("bob")];
    let own = 0..PROJECTS;
    let other = 0..PROJECTS;
    prop_oneof![
        8 => wait.prop_map(|millis| Step::Wait(Duration::from_millis(millis))),
        4 => (own.clone(), setup).prop_map(|(own, setup)| Step::Put(own, setup)),
        2 => own.clone().prop_map(Step::Remove),
        1 => own.clone().prop_map(Step::Return),
        2 => (own.clone(), fault).prop_map(|(own, fault)| Step::Break(own, fault)),
        2 => own.clone().prop_map(Step::Heal),
        2 => (own.clone(), answers).prop_map(|(own, answers)| Step::Resolver(own, answers)),
        2 => own.clone().prop_map(Step::Rotate),
        1 => (own.clone(), user()).prop_map(|(own, user)| Step::Revoke(own, user)),
        10 => (own.clone(), user()).prop_map(|(own, user)| Step::Request(own, user)),
        5 => any::<usize>().prop_map(Step::Again),
        2 => (own.clone(), other.clone()).prop_map(|(own, other)| Step::Crossed(own, other)),
        1 => (own.clone(), other).prop_map(|(own, other)| Step::Forged(own, other)),
        2 => (own.clone(), 1_u64..20).prop_map(|(own, count)| Step::Flood(own, count)),
        3 => (own, user()).prop_map(|(own, user)| Step::Open(own, user)),
    ]
}

struct Simulation {
    world: Arc<World>,
    sent: Vec<Token>,
    strangers: u64,
    requests: JoinSet<Result<(), String>>,
    streams: Vec<Stream>,
}

impl Simulation {
    fn send(&mut self, token: Token, is_own: bool) {
        let world = Arc::clone(&self.world);
        self.requests.spawn(request(world, token, is_own));
    }

    async fn take(&mut self, step: &Step) {
        let world = Arc::clone(&self.world);
        match *step {
            Step::Wait(time) => sleep(time).await,
            Step::Put(own, setup) => world.put(own, setup),
            Step::Remove(own) => world.remove(own),
            Step::Return(own) => {
                if let Some(setup) = world.with(own, |project| project.setup) {
                    world.remove(own);
                    world.put(own, setup);
                }
            }
            Step::Break(own, fault) => world.set_fault(own, Some(fault)),
            Step::Heal(own) => world.set_fault(own, None),
            Step::Resolver(own, answers) => world.set_resolver(own, answers),
            Step::Rotate(own) => world.rotate(own),
            Step::Revoke(own, user) => world.revoke(own, user),
            Step::Request(own, user) => {
                let token = world.token(own, user);
                self.sent.push(token.clone());
                self.send(token, true);
            }
            Step::Again(index) => {
                if let Some(index) = index.checked_rem(self.sent.len()) {
                    self.send(self.sent[index].clone(), true);
                }
            }
            Step::Crossed(own, other) => {
                if let Some(token) = world.crossed(own, other) {
                    self.send(token, false);
                }
            }
            Step::Forged(own, other) => {
                if let Some(token) = world.forged(own, other) {
                    self.send(token, false);
                }
            }
            Step::Flood(own, count) => {
                for _ in 0..count {
                    self.strangers += 1;
                    let token = world.stranger(own, self.strangers);
                    self.send(token, false);
                }
            }
            Step::Open(own, user) => {
                let token = world.token(own, user);
                self.streams.extend(Stream::open(&world, &token).await);
            }
        }
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    /// What has been promised, and is not so.
    async fn check(&mut self) -> Result<(), String> {
        while let Some(done) = self.requests.try_join_next() {
            done.map_err(|error| error.to_string())??;
        }
        for number in 0..PROJECTS {
            self.world.check_fetches(number)?;
        }
        let mut open = Vec::new();
        for stream in self.streams.drain(..) {
            open.extend(stream.check(&self.world).await?);
        }
        self.streams = open;
        Ok(())
    }

    /// All are in and well, and in the end nobody is refused.
    async fn end_well(&mut self) -> Result<(), String> {
        for number in 0..PROJECTS {
            self.world.set_fault(number, None);
            self.world.set_resolver(number, Answers::Well);
            self.world.put(number, Setup::LIVE);
        }
        sleep(Duration::from_secs(90)).await;
        self.check().await?;
        for number in 0..PROJECTS {
            let token = self.world.token(number, "carol");
            request(Arc::clone(&self.world), token, true).await?;
            let token = self.world.token(number, "carol");
            let began = Instant::now();
            request(Arc::clone(&self.world), token, true).await?;
            if !began.elapsed().is_zero() {
                return Err(format!("project {number} is not well in the end"));
            }
        }
        while let Some(done) = self.requests.join_next().await {
            done.map_err(|error| error.to_string())??;
        }
        self.check().await
    }
}

async fn run(schedule: &[Step]) -> Result<(), TestCaseError> {
    let world = World::new();
    for number in 0..PROJECTS - 1 {
        world.put(number, Setup::PLAIN);
    }
    let mut simulation = Simulation {
        world,
        sent: Vec::new(),
        strangers: 0,
        requests: JoinSet::new(),
        streams: Vec::new(),
    };
    for (number, step) in schedule.iter().enumerate() {
        simulation.take(step).await;
        let checked = simulation.check().await;
        checked
            .map_err(|wrong| TestCaseError::fail(format!("step {number}, {step:?}: {wrong}")))?;
    }
    let ended = simulation.end_well().await;
    ended.map_err(|wrong| TestCaseError::fail(format!("in the end: {wrong}")))
}

#[test]
fn simulation_of_projects_that_come_and_go() {
    let schedules = prop::collection::vec(step(), 1..80);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        max_shrink_iters: 4_000,
        ..cases(150, 10_000)
    });
    let outcome = runner.run(&schedules, |schedule| {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(run(&schedule))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
