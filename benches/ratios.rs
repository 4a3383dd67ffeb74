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
const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;

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

    let tokens = &world.tokens;
    let long = garbage(world.token(0));
    let (first, known) = (world.our_router(), world.our_router());
    let routed = |name, router: &Router, pick: fn(usize) -> usize| {
        let token = move |n| tokens[pick(n)].as_str();
        Contender::of_router(name, course, router.clone(), StatusCode::OK, token)
    };
    let served = |name, router: &Router| {
        let token = |n: usize| tokens[n % SEEN].as_str();
        Contender::of_server(name, course, router.clone(), StatusCode::OK, token)
    };
    let refused: [(_, _, &dyn Fn(usize) -> String); 4] = [
        ("refused: forged signature", &first, &|n| forged(&tokens[n])),
        ("refused: unparsable, as long as a token", &first, &|_| {
            long.clone()
        }),
        ("refused: unparsable, short", &first, &|_| {
            "garbage".to_owned()
        }),
        (
            "refused: unknown key, old, in the cooldown",
            &in_cooldown,
            &|_| of_unknown_key.clone(),
        ),
    ];
    let mut contenders = vec![
        Contender::of_work(RAW, course, |n| assert!(world.raw_verify(world.token(n)))),
        routed(BARE, &world.bare_router(), |n| n),
        routed("first seen", &first, |n| n),
        routed("first seen, cache off", &world.uncached_router(), |n| n),
        routed("seen before", &known, |n| n % SEEN),
    ];
    for (name, router, token) in refused {
        let router = router.clone();
        contenders.push(Contender::of_router(
            name,
            course,
            router,
            UNAUTHORIZED,
            token,
        ));
    }
    let calls_alone = contenders.len();
    contenders.push(served(BARE, &world.bare_router()));
    contenders.push(served("seen before", &known));
    for (name, router, token) in refused {
        let router = router.clone();
        contenders.push(Contender::of_server(
            name,
            course,
            router,
            UNAUTHORIZED,
            token,
        ));
    }
    let mut calls = race(course, &mut contenders);
    drop(contenders);
    let requests = calls.split_off(calls_alone);
    report::print("the call alone", &calls);
    report::print("the request made, the answer read", &requests);

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
            (known.clone(), request(world.token(n % 1_000)))
        }),
    ];
    let turns = [quick_calls, slow_calls, slow_calls, quick_calls];
    let scaling = scaling(rounds, &turns, &mut teams);
    report::print_scaling(&scaling);

    if let Some(path) = &arguments.json {
        report::save(path, &calls, &requests, &scaling);
    }
    if let Some(path) = &arguments.svg {
        report::write(path, &plot::bars(&calls));
    }
}
