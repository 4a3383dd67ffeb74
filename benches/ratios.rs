//! How long contenders take for the same request, as ratios of medians within one run.
//!
//! Contenders take turns in short rounds, so that a noisy machine is noisy for all of them.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

mod support;

use std::time::{Duration, Instant};

use support::{World, call, request};

const ROUNDS: usize = 200;
const CALLS: usize = 50;

struct Contender<'a> {
    name: &'static str,
    /// Runs a batch, and says how long the part that counts took.
    batch: Box<dyn FnMut(usize) -> Duration + 'a>,
    times: Vec<Duration>,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(World::new((ROUNDS as u64 + 10) * CALLS as u64));
    let _entered = runtime.enter();
    let tokens = &world.tokens;

    let routed = |name, router: axum::Router, pick: fn(usize, usize) -> usize| Contender {
        name,
        batch: Box::new(move |round| {
            let requests: Vec<_> = (0..CALLS)
                .map(|call| request(&tokens[pick(round, call) % tokens.len()]))
                .collect();
            let start = Instant::now();
            for request in requests {
                let response = call(&router, request);
                assert_eq!(response.status(), 204);
            }
            start.elapsed()
        }),
        times: Vec::new(),
    };
    let distinct = |round, call| round * CALLS + call;
    let mut contenders = vec![
        Contender {
            name: "raw verify, parsed key",
            batch: Box::new(|round| {
                let start = Instant::now();
                for call in 0..CALLS {
                    assert!(world.raw_verify(&tokens[distinct(round, call) % tokens.len()]));
                }
                start.elapsed()
            }),
            times: Vec::new(),
        },
        routed("bare router", world.bare_router(), |round, call| {
            round * CALLS + call
        }),
        routed("ours, first seen", world.our_router(), |round, call| {
            round * CALLS + call
        }),
        routed("ours, seen before", world.our_router(), |_, call| call),
    ];
    let only = std::env::var("ONLY").ok();
    for round in 0..ROUNDS + 10 {
        for contender in &mut contenders {
            if only
                .as_ref()
                .is_some_and(|only| !contender.name.contains(only.as_str()))
            {
                for _ in 0..50 {}
                contender.times.push(Duration::from_nanos(1));
                continue;
            }
            let time = (contender.batch)(round);
            if round >= 10 {
                contender.times.push(time);
            }
        }
    }
    let medians: Vec<f64> = contenders
        .iter_mut()
        .map(|contender| {
            contender.times.sort();
            contender.times[contender.times.len() / 2].as_secs_f64() / CALLS as f64 * 1e9
        })
        .collect();
    println!("{:<28}{:>10}{:>10}{:>10}", "", "ns", "× raw", "× bare");
    for (contender, median) in contenders.iter().zip(&medians) {
        println!(
            "{:<28}{median:>10.0}{:>10.3}{:>10.2}",
            contender.name,
            median / medians[0],
            median / medians[1],
        );
    }
}
