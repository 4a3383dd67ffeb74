//! The whole life of keys and tokens under a paused clock: random schedules of rotations, faults,
//! floods, clock jumps and requests, with the promises of the key policy checked at each outcome.
//!
//! [`world`] holds what there is and changes it; [`request`] sends a [`token`] and judges the outcome.
//! [`live`] does the same for live sessions, [`kept`] for keys that outlive their process, and
//! [`projects`] for projects that come and go.

pub(crate) mod issuer;
#[cfg(unix)]
mod kept;
mod live;
mod projects;
mod request;
mod token;
mod world;

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::sleep;

use self::issuer::Fault;
use self::token::Iat;
use self::world::World;
use crate::property::cases::cases;

/// One step of a schedule. Numbers that choose among things are taken modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    Wait(Duration),
    /// Lists a new key, and signs with it.
    Rotate,
    /// Lists a new key that does not sign yet.
    Add,
    /// Signs with another listed key.
    Promote(usize),
    Remove(usize),
    Break(Fault),
    Heal,
    /// Authgear is away for so long.
    Restart(Duration),
    /// The service's wall clock is off by so many seconds from now on.
    SetClock(i64),
    /// Requests with a token of a listed key, minted so many seconds ago or when that key was new.
    Requests {
        key: usize,
        age: u64,
        count: usize,
    },
    /// A good request that is given up.
    Abandoned {
        after: Duration,
    },
    /// A token of a key that was removed.
    Removed(usize),
    /// A listed key's name, and not its signature.
    Forged(usize),
    /// A token of a listed key that ended so many seconds ago.
    Expired(u64),
    /// Tokens of keys that never were.
    Flood {
        iat: Iat,
        count: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![
        4 => 1_u64..500,
        4 => 500_u64..12_000,
        2 => 12_000_u64..300_000,
        1 => 300_000_u64..4_000_000,
    ]
    .prop_map(Duration::from_millis);
    let fault = prop_oneof![
        Just(Fault::Error),
        Just(Fault::Gone),
        Just(Fault::Garbage),
        Just(Fault::Empty),
        Just(Fault::Hang),
        (100_u64..9_000).prop_map(|millis| Fault::Slow(Duration::from_millis(millis))),
    ];
    let off_by = prop_oneof![
        2 => Just(0_i64),
        3 => -59_i64..=59,
        1 => -4_000_i64..4_000,
    ];
    let age = prop_oneof![Just(0_u64), 0_u64..100, 0_u64..1_700, 0_u64..20_000];
    let iat = prop_oneof![Just(Iat::Old), Just(Iat::Fresh), Just(Iat::None)];
    prop_oneof![
        8 => wait.clone().prop_map(Step::Wait),
        3 => Just(Step::Rotate),
        1 => Just(Step::Add),
        1 => any::<usize>().prop_map(Step::Promote),
        2 => any::<usize>().prop_map(Step::Remove),
        2 => fault.prop_map(Step::Break),
        2 => Just(Step::Heal),
        1 => wait.prop_map(Step::Restart),
        1 => off_by.prop_map(Step::SetClock),
        // Most tokens are of the key that signs, which is the first.
        6 => (age.clone(), 1_usize..5)
            .prop_map(|(age, count)| Step::Requests { key: 0, age, count }),
        3 => (any::<usize>(), age, 1_usize..5)
            .prop_map(|(key, age, count)| Step::Requests { key, age, count }),
        1 => (1_u64..3_000)
            .prop_map(|millis| Step::Abandoned { after: Duration::from_millis(millis) }),
        1 => any::<usize>().prop_map(Step::Removed),
        1 => any::<usize>().prop_map(Step::Forged),
        1 => (0_u64..200).prop_map(Step::Expired),
        3 => (iat, 1_usize..20).prop_map(|(iat, count)| Step::Flood { iat, count }),
    ]
}

async fn run(latency: Duration, schedule: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::new(latency);
    for (number, step) in schedule.iter().enumerate() {
        world.take(step).await;
        if let Some(wrong) = world.what_is_wrong() {
            return Err(TestCaseError::fail(format!(
                "step {number}, {step:?}: {wrong}"
            )));
        }
    }
    world.end_well().await;
    match world.what_is_wrong() {
        None => Ok(()),
        Some(wrong) => Err(TestCaseError::fail(format!("in the end: {wrong}"))),
    }
}

impl World {
    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Wait(time) => sleep(time).await,
            Step::Rotate => {
                self.list_new_key();
                self.promote_last();
            }
            Step::Add => self.list_new_key(),
            Step::Promote(index) => self.promote(index),
            Step::Remove(index) => self.remove(index),
            Step::Break(fault) => self.set_fault(Some(fault)),
            Step::Heal => self.set_fault(None),
            Step::Restart(time) => {
                self.set_fault(Some(Fault::Error));
                sleep(time).await;
                self.set_fault(None);
            }
            Step::SetClock(seconds) => self.set_clock(seconds),
            Step::Requests { key, age, count } => {
                for _ in 0..count {
                    self.request(self.token_of(key, age));
                }
            }
            Step::Abandoned { after } => self.abandon(self.token_of(0, 0), after),
            Step::Removed(index) => {
                if let Some(token) = self.token_of_removed(index) {
                    self.request(token);
                }
            }
            Step::Forged(index) => self.request(self.forged(index)),
            Step::Expired(ago) => self.request(self.expired(ago)),
            Step::Flood { iat, count } => {
                for _ in 0..count {
                    let stranger = self.stranger(iat);
                    self.request(stranger);
                }
            }
        }
        // What can go on without time passing goes on, mostly before the next step.
        tokio::task::yield_now().await;
    }

    /// Authgear returns, and all is well within one backoff, or within a cooldown if there are no
    /// usable keys, although nobody asks.
    async fn end_well(&mut self) {
        self.set_clock(0);
        self.set_fault(None);
        let was_broken = self.last_attempt_was_in_vain();
        let before = self.good_attempts();
        // After the end of what may still be under way.
        let longest = if self.has_usable_keys() { 60 } else { 10 };
        sleep(Duration::from_secs(longest + 10 + 1)).await;
        if was_broken && self.good_attempts() == before {
            self.wrong(format!("no fetch succeeded within {longest} s"));
        }
        for index in 0..self.listed().len() {
            self.expect_success(self.token_of(index, 0)).await;
        }
        // By the next refresh, keys that were removed are forgotten.
        sleep(Duration::from_secs(241)).await;
        for index in 0.. {
            let Some(token) = self.token_of_removed(index) else {
                break;
            };
            self.expect_refusal(token).await;
            if index > 3 {
                break;
            }
        }
    }
}

#[test]
fn simulation_of_the_life_of_keys() {
    let schedules = (2_u64..300, prop::collection::vec(step(), 1..60));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        max_shrink_iters: 4_000,
        ..cases(100, 10_000)
    });
    let outcome = runner.run(&schedules, |(latency, schedule)| {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(run(Duration::from_millis(latency), &schedule))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_token_whose_signature_held_makes_its_header_known() {
    let mut world = World::new(Duration::ZERO);
    let token = world.token_of(0, 0);
    let is_known = |world: &World| {
        let now = world.shared.clock.now();
        let keys = world.shared.jwt.keys().current(now).expect("keys");
        keys.find_by_header(token.header()).is_some()
    };
    for _ in 0..2 {
        world.expect_refusal(world.forged(0)).await;
        assert!(!is_known(&world));
    }
    world.expect_success(token.clone()).await;
    assert!(is_known(&world));
    assert_eq!(world.what_is_wrong(), None);
}
