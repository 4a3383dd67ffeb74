//! The same for criterion, which keeps its own record and compares with the run before.
//!
//! ```sh
//! cargo bench --all-features --bench verify
//! ```
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

use std::time::Duration;

use axum::Router;
use criterion::{BatchSize, Criterion};
use http::StatusCode;
use support::{World, expect, request};
use tokio::runtime::Runtime;

/// Distinct tokens; as many first-seen calls are one instance's share.
const TOKENS: usize = 4_000;

fn main() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(World::new(TOKENS));
    let _entered = runtime.enter();
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();

    criterion.bench_function("raw", |bencher| {
        let mut n = 0;
        bencher.iter(|| {
            n += 1;
            assert!(world.raw_verify(world.token(n)));
        });
    });
    let mut first_seen = FirstSeen::new(&world, &runtime);
    criterion.bench_function("first seen", |bencher| {
        bencher.iter_batched(
            || first_seen.next(),
            |(router, request)| expect(&router, request, StatusCode::OK),
            BatchSize::SmallInput,
        );
    });
    for (name, router) in [
        ("seen before", world.our_router()),
        ("bare router", world.bare_router()),
    ] {
        let mut n = 0;
        criterion.bench_function(name, |bencher| {
            bencher.iter_batched(
                || {
                    n += 1;
                    request(world.token(n % 100))
                },
                |request| expect(&router, request, StatusCode::OK),
                BatchSize::SmallInput,
            );
        });
    }
    criterion.final_summary();
}

/// Requests whose tokens their router has not seen: an instance that has seen all is replaced.
struct FirstSeen<'a> {
    world: &'a World,
    runtime: &'a Runtime,
    router: Router,
    n: usize,
}

impl<'a> FirstSeen<'a> {
    fn new(world: &'a World, runtime: &'a Runtime) -> Self {
        Self {
            world,
            runtime,
            router: runtime.block_on(world.fresh_router()),
            n: 0,
        }
    }

    fn next(&mut self) -> (Router, http::Request<axum::body::Body>) {
        if self.n == TOKENS {
            self.router = self.runtime.block_on(self.world.fresh_router());
            self.n = 0;
        }
        self.n += 1;
        (self.router.clone(), request(self.world.token(self.n - 1)))
    }
}
