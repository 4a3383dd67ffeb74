//! Requests in a second over real HTTP, of `resource_server` in each of its modes and of what else is
//! used for the same job. `http.sh` builds what it needs and runs it.
//!
//! All on loopback: the load (`wrk`, 32 connections) and Authgear's fake have one processor, and the
//! servers have another one, a gateway and what is behind it together, so only ratios within one run
//! say something. Where the load is what is slow, requests a second flatter the server: its own
//! processor time for a request does not. Where Authgear is asked for each request, the fake is what is
//! slow.
//!
//! All have one issuer and the tokens of the same 100 users, so what has a cache finds each token
//! there. Before a contender is measured, it must accept a good token, name its user, and refuse a forged
//! token; the server behind a gateway names the first user always.
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
    reason = "a benchmark"
)]

mod bare;
mod contenders;
mod gateways;
mod load;
mod project;
mod report;
mod run;
#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;

use contenders::Field;
use report::Row;
use run::Run;
use support::report::Arguments;
use support::servers::{LOAD, stay_on};

fn main() {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some("bare") {
        bare::serve(&words.next().unwrap());
        return;
    }
    let arguments = Arguments::read();
    stay_on(LOAD);
    let rows = if arguments.quick {
        measure(1, 1)
    } else {
        measure(5, 3)
    };
    report::print(&rows);
    if let Some(path) = &arguments.json {
        report::save(path, &rows);
    }
    if let Some(path) = &arguments.svg {
        support::report::write(path, &report::svg(&rows));
    }
}

#[tokio::main]
async fn measure(rounds: usize, seconds: u64) -> Vec<Row> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("http");
    std::fs::create_dir_all(&folder).unwrap();
    let field = Field::start(&folder).await;
    for contender in &field.contenders {
        contender.check().await;
    }
    field.disturb();

    let count = field.contenders.len();
    let mut runs = vec![Vec::new(); count];
    for round in 0..rounds {
        for turn in 0..count {
            let index = (turn + round) % count;
            let contender = field.contenders[index].clone();
            // On a blocking thread: the fake goes on serving meanwhile.
            let run = tokio::task::spawn_blocking(move || Run::of(&contender, seconds));
            runs[index].push(run.await.unwrap());
        }
    }
    field.print_fetches();
    report::rows(&field.contenders, &runs)
}
