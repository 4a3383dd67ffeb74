//! A day of load, or as much of it as there is time for: `resource_server` in each mode over real HTTP,
//! while keys change, Authgear and Redis go away and come back, tokens are forged by the thousand, users
//! are disabled, and clocks are set.
//!
//! ```sh
//! cargo build --profile bench --all-features --example resource_server --example live_events
//! cargo bench --all-features --bench soak -- --minutes 60 --svg soak.svg --json soak.json
//! ```
//!
//! It needs `redis-server`. Relative paths begin in `benches/`. Each minute has all events (`script.rs`),
//! so that one minute is a run, too; each tenth minute is one long outage of Authgear.
//!
//! Nobody good may be refused, nobody bad may be let in, streams end with their users, and what is fetched
//! and held stays bounded (`judge.rs`). Each violation is printed with its time, and the exit status is 1
//! if there was any. What is bound to a time is not judged while the machine has no time at all for this
//! (`machine.rs`): the last lines say for how long that was.
//!
//! The load is paced, and leaves the servers idle most of the time: the figures say what stays the same
//! over time, not how much a server can do.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark"
)]
#![allow(
    clippy::missing_panics_doc,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::must_use_candidate,
    reason = "a benchmark"
)]

mod chart;
mod contenders;
mod credentials;
mod judge;
mod lane;
mod ledger;
mod machine;
#[path = "../../tests/api/redis_server.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod redis_server;
mod report;
mod sample;
mod script;
mod stage;
mod streams;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::contenders::gateway_traffic;
use crate::judge::Sender;
use crate::lane::Lane;
use crate::ledger::{Ledger, lock};
use crate::sample::Sampler;
use crate::script::{Script, VIEWERS};
use crate::stage::{GATEWAY_SECRET, Stage};
use crate::streams::{Streams, Viewer};
use crate::support::report::{Arguments, write};

/// Requests in a second. With those for mode `jwt`, a million tokens are new in an hour.
const JWT_RATE: u32 = 500;
const LIVE_RATE: u32 = 80;
const RESOLVER_RATE: u32 = 60;
const GATEWAY_RATE: u32 = 100;
const CLOCKED_RATE: u32 = 60;

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments {
        minutes, svg, json, ..
    } = Arguments::read();
    let minutes = minutes.unwrap_or(1);
    let stage = Arc::new(Stage::set().await);
    let ledger = Arc::new(Ledger::new());
    let lane = |name, needs_resolver| Lane::new(name, needs_resolver, &ledger);
    let [jwt, live, resolver, gateway, clocked] = [
        lane("jwt", false),
        lane("jwt+resolver", true),
        lane("resolver", true),
        lane("gateway", false),
        lane("jwt, clock set", false),
    ];
    // It ends before the servers do.
    let mut load = JoinSet::new();
    load.spawn(Arc::clone(&jwt).drive(JWT_RATE, Arc::clone(&stage.jwt).traffic()));
    load.spawn(Arc::clone(&live).drive(LIVE_RATE, Arc::clone(&stage.live).traffic()));
    load.spawn(Arc::clone(&resolver).drive(RESOLVER_RATE, Arc::clone(&stage.resolver).traffic()));
    load.spawn(Arc::clone(&clocked).drive(CLOCKED_RATE, Arc::clone(&stage.clocked).traffic()));
    let from_gateway = gateway_traffic(&stage.gateway, GATEWAY_SECRET);
    load.spawn(Arc::clone(&gateway).drive(GATEWAY_RATE, from_gateway));
    load.spawn(machine::watch(Arc::clone(&ledger)));
    let streams = Streams::new(&stage.live.fake, &stage.streams, &ledger);
    for _ in 0..VIEWERS {
        let viewer = Viewer::new(&stage.live.fake);
        load.spawn(Arc::clone(&streams).watch(viewer));
    }
    let sampler = Arc::new(Sampler {
        ledger: Arc::clone(&ledger),
        processes: stage.processes(),
        lanes: vec![
            Arc::clone(&jwt),
            Arc::clone(&live),
            Arc::clone(&resolver),
            gateway,
            clocked,
        ],
        lines: Mutex::default(),
    });
    let pause = Duration::from_secs(if minutes < 5 { 2 } else { 5 });
    load.spawn(Arc::clone(&sampler).run(pause));

    let script = Script {
        stage: Arc::clone(&stage),
        ledger: Arc::clone(&ledger),
        jwt,
        live,
        resolver,
        streams,
    };
    for minute in 1..=minutes {
        script.play(minute).await;
        let violations: u64 = ledger.violations().values().sum();
        println!("minute {minute} of {minutes}: {violations} violations so far");
    }
    while let Some(ended) = load.try_join_next() {
        ledger.violation(
            "load",
            "a part of the load has ended",
            &format!("{ended:?}"),
        );
    }
    load.shutdown().await;
    // For the last answers.
    sleep(Duration::from_secs(1)).await;

    sampler.judge_growth();
    judge_tries(&ledger);
    let seconds = ledger.seconds(std::time::Instant::now());
    let lines = lock(&sampler.lines);
    report::print(&lines, &ledger);
    if let Some(path) = svg {
        write(&path, &chart::draw(&lines, &ledger, seconds));
    }
    if let Some(path) = json {
        write(&path, &report::json(&lines, &ledger, seconds));
    }
    ExitCode::from(u8::from(!ledger.violations().is_empty()))
}

/// A rule that nothing was held against proves nothing.
fn judge_tries(ledger: &Ledger) {
    let counts = ledger.counts();
    for (contender, senders) in TRIED {
        for sender in *senders {
            if !counts.contains_key(&(contender, *sender)) {
                let what = format!("{sender:?} was never tried");
                ledger.violation(contender, &what, "");
            }
        }
    }
}

const TRIED: &[(&str, &[Sender])] = &[
    (
        "jwt",
        &[
            Sender::Good,
            Sender::Forged,
            Sender::Garbage,
            Sender::UnknownKey,
            Sender::Expired,
            Sender::Disabled,
        ],
    ),
    (
        "jwt+resolver",
        &[
            Sender::Good,
            Sender::Forged,
            Sender::Garbage,
            Sender::UnknownKey,
            Sender::Expired,
            Sender::Disabled,
        ],
    ),
    (
        "resolver",
        &[
            Sender::Good,
            Sender::Forged,
            Sender::Garbage,
            Sender::Disabled,
        ],
    ),
    (
        "gateway",
        &[Sender::Good, Sender::Garbage, Sender::Unproven],
    ),
    (
        "jwt, clock set",
        &[Sender::Good, Sender::Expired, Sender::Future],
    ),
    (streams::NAME, &[Sender::Good, Sender::Disabled]),
];
