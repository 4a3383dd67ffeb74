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
//!
//! *Hot* rows use the same memory in each call. *Cold* rows use memory that is in no near cache of the
//! processor: an entry of the cache that was last used thousands of calls ago, or a new one.
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

use std::iter;

use axum::Router;
use http::StatusCode;
use support::race::{Contender, Course, Scaling, Team, Timing, race, scaling};
use support::report::{self, Arguments, BARE, RAW};
use support::{FILL, World, forged, garbage, plot, request};
use tokio::runtime::Runtime;

/// How many tokens are seen again and again.
const SEEN: usize = 50;
/// Entries of which each call uses another one: more than a near cache of the processor holds.
const DISTINCT: usize = 5_000;
/// Projects beside the one of the tokens.
const OTHERS: u16 = 99;
const OK: StatusCode = StatusCode::OK;
const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;

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
    println!("a token of {} bytes\n", world.token(0).len());

    let (calls, requests) = one_thread(course, &world, &runtime);
    report::print("the call alone", &calls);
    report::print("the request made, the answer read", &requests);
    let rounds = if arguments.quick { 10 } else { 200 };
    let scaling = two_threads(rounds, &world, &runtime);
    report::print_scaling(&scaling);

    if let Some(path) = &arguments.json {
        report::save(path, &calls, &requests, &scaling);
    }
    if let Some(path) = &arguments.svg {
        report::write(path, &plot::bars(&calls));
    }
}

/// What each contender takes for the call alone, and what for the whole request.
fn one_thread(course: Course, world: &World, runtime: &Runtime) -> (Vec<Timing>, Vec<Timing>) {
    let (in_cooldown, of_unknown_key) = runtime.block_on(world.unknown_key());
    let of_many = runtime.block_on(world.router_beside(OTHERS));
    let of_changing = runtime.block_on(world.router_beside_changes(OTHERS));
    let earlier = world.more_tokens(FILL);
    let full = runtime.block_on(world.router_after(&earlier));
    let roomy = runtime.block_on(world.roomy_router());
    let of_distinct = runtime.block_on(world.router_after(&earlier[..DISTINCT]));
    let _entered = runtime.enter();
    let (ours, uncached) = (&world.our_router(), &world.uncached_router());
    let tokens = &world.tokens;
    let new = |n: usize| tokens[n].clone();
    let seen = |n: usize| tokens[n % SEEN].clone();
    let distinct = |n: usize| earlier[n % DISTINCT].clone();
    let long = garbage(world.token(0));

    let bare = (BARE, &world.bare_router(), OK, &seen as Tokens<'_>);
    let known = ("seen before", ours, OK, &seen as Tokens<'_>);
    let refused: [(_, _, _, Tokens<'_>); 4] = [
        ("refused: forged signature", ours, UNAUTHORIZED, &|n| {
            forged(&tokens[n])
        }),
        (
            "refused: unparsable, as long as a token",
            ours,
            UNAUTHORIZED,
            &|_| long.clone(),
        ),
        ("refused: unparsable, short", ours, UNAUTHORIZED, &|_| {
            "garbage".to_owned()
        }),
        (
            "refused: unknown key, old, in the cooldown",
            &in_cooldown,
            UNAUTHORIZED,
            &|_| of_unknown_key.clone(),
        ),
    ];
    let hot = [
        bare,
        ("first seen, cache off", uncached, OK, &new),
        known,
        ("seen before, 100 projects", &of_many, OK, &seen),
        (
            "seen before, 100 projects that come and go",
            &of_changing,
            OK,
            &seen,
        ),
    ];
    let cold: [(_, _, _, Tokens<'_>); 5] = [
        ("first seen", &roomy, OK, &new),
        ("first seen, full cache", &full, OK, &new),
        ("seen before, one of 5,000", &of_distinct, OK, &distinct),
        ("first seen, 100 projects", &of_many, OK, &new),
        (
            "first seen, 100 projects that come and go",
            &of_changing,
            OK,
            &new,
        ),
    ];
    let raw = Contender::of_work(RAW, course, |n| assert!(world.raw_verify(world.token(n))));
    let of_router = |(name, router, status, token): (_, &Router, _, _)| {
        Contender::of_router(name, course, router.clone(), status, token)
    };
    let hot = hot.into_iter().chain(refused).map(of_router);
    let calls = hot.chain(cold.map(|row| of_router(row).cold()));
    let requests = [bare, known].into_iter().chain(refused);
    let requests = requests.map(|(name, router, status, token)| {
        Contender::of_server(name, course, router.clone(), status, token)
    });

    let mut contenders: Vec<_> = iter::once(raw).chain(calls).collect();
    let calls_alone = contenders.len();
    contenders.extend(requests);
    let mut calls = race(course, &mut contenders);
    let requests = calls.split_off(calls_alone);
    (calls, requests)
}

/// Makes the token for the number of a call.
type Tokens<'a> = &'a dyn Fn(usize) -> String;

fn two_threads(rounds: usize, world: &World, runtime: &Runtime) -> Vec<Scaling> {
    // Calls in a turn: about a millisecond for each team, so that many turns are not interrupted.
    let (quick_calls, slow_calls) = (1_000, 80);
    let distinct = (rounds + 1) * 3 * slow_calls;
    let fresh: Vec<Router> = (0..=distinct / world.tokens.len())
        .map(|_| runtime.block_on(world.roomy_router()))
        .collect();
    let _entered = runtime.enter();
    let (bare, ours, uncached) = (
        world.bare_router(),
        world.our_router(),
        world.uncached_router(),
    );
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
    scaling(rounds, &calls, &mut teams)
}
