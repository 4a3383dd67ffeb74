//! Replicas and a log in a simulation: after any interleaving of events, replays, restarts and outages,
//! all replicas have the same records. The modules `clocks`, `outages` and
//! `retention` test single cases.

mod clocks;
mod fake_log;
mod outages;
mod retention;
mod step;
mod world;

use proptest::prelude::*;

use self::step::step;
use self::world::{MAX_LEAD, World};
use crate::property::cases::cases;

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

fn paused<F: Future>(run: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(run)
}
