//! How long contenders take for the same request, as ratios of medians within one run.
//!
//! ```sh
//! cargo bench --all-features --bench ratios                      # thin LTO
//! cargo bench --all-features --bench ratios --profile release    # cargo's default profile
//! cargo bench --all-features --bench ratios -- --quick --json target/ratios.json --svg target/ratios.svg
//! ```
//!
//! A path is relative to the package. Other crates for the same job are measured in `peers/`, a
//! package of its own.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark"
)]
#![allow(
    clippy::missing_panics_doc,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark"
)]

mod support;

/// How many tokens are seen again and again.
const SEEN: usize = 50;

use axum::Router;
use http::StatusCode;
use support::race::{Contender, Course, Team, race, scaling};
use support::report::{self, Arguments, BARE, RAW};
use support::{World, forged, garbage, plot, request};

fn main() {
    let arguments = Arguments::read();
    let course = Course {
        rounds: if arguments.quick { 20 } else { 200 },
        calls: 50,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(World::new(course.tokens()));
    let (in_cooldown, of_unknown_key) = runtime.block_on(world.unknown_key());
    let _entered = runtime.enter();
    println!("a token of {} bytes\n", world.token(0).len());

    let unparsable = garbage(world.token(0));
    let ours = world.our_router();
    let known = world.our_router();
    let tokens = &world.tokens;
    let routed = |name, router: &Router, pick: fn(usize) -> usize| {
        Contender::of_router(name, course, router.clone(), StatusCode::OK, move |n| {
            tokens[pick(n)].as_str()
        })
    };
    let refused = |name, router: &Router, token: Box<dyn Fn(usize) -> String>| {
        Contender::of_router(
            name,
            course,
            router.clone(),
            StatusCode::UNAUTHORIZED,
            token,
        )
    };
    let call_alone = |name, router, pick: fn(usize) -> usize| {
        Contender::of_calls_alone(name, course, router, move |n| tokens[pick(n)].as_str())
    };
    let others = tokens.clone();
    let mut contenders = [
        Contender::of_work(RAW, course, |n| assert!(world.raw_verify(world.token(n)))),
        routed(BARE, &world.bare_router(), |n| n),
        routed("first seen", &ours, |n| n),
        routed("first seen, cache off", &world.uncached_router(), |n| n),
        routed("seen before", &known, |n| n % SEEN),
        refused(
            "refused: forged signature",
            &ours,
            Box::new(move |n| forged(&others[n])),
        ),
        refused(
            "refused: unparsable, as long as a token",
            &ours,
            Box::new(move |_| unparsable.clone()),
        ),
        refused(
            "refused: unparsable, short",
            &ours,
            Box::new(|_| "garbage".to_owned()),
        ),
        refused(
            "refused: unknown key, old, in the cooldown",
            &in_cooldown,
            Box::new(move |_| of_unknown_key.clone()),
        ),
        call_alone("the call alone: bare router", world.bare_router(), |n| n),
        call_alone(
            "the call alone: first seen",
            runtime.block_on(world.fresh_router()),
            |n| n,
        ),
        call_alone("the call alone: seen before", known, |n| n % SEEN),
    ];
    let timings = race(course, &mut contenders);
    drop(contenders);
    report::print(&timings);

    // Calls in a turn: about a millisecond for each team, so that many turns are not interrupted.
    let (quick_calls, slow_calls) = (1_000, 80);
    let rounds = if arguments.quick { 10 } else { 200 };
    let distinct = (rounds + 1) * 3 * slow_calls;
    let fresh: Vec<Router> = (0..=distinct / world.tokens.len())
        .map(|_| runtime.block_on(world.fresh_router()))
        .collect();
    let bare = world.bare_router();
    let uncached = world.uncached_router();
    let mut teams = [
        Team::new(BARE, |n| (bare.clone(), request(world.token(n % 1_000)))),
        Team::new("first seen", |n| {
            let fresh = &fresh[n / world.tokens.len()];
            (fresh.clone(), request(world.token(n)))
        }),
        Team::new("first seen, cache off", |n| {
            (uncached.clone(), request(world.token(n)))
        }),
        Team::new("seen before", |n| {
            (ours.clone(), request(world.token(n % 1_000)))
        }),
    ];
    let calls = [quick_calls, slow_calls, slow_calls, quick_calls];
    let scaling = scaling(rounds, &calls, &mut teams);
    report::print_scaling(&scaling);

    if let Some(path) = &arguments.json {
        report::save(path, &timings, &scaling);
    }
    if let Some(path) = &arguments.svg {
        report::write(path, &plot::bars(&timings));
    }
}
