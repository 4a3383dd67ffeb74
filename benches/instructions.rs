//! How many instructions a request takes: a count does not depend on the machine's mood.
//!
//! `.ci/instructions` runs this under valgrind, once for each kind of request, and compares with
//! `instructions.txt`. Valgrind counts only while `counted` runs. It shows the program a processor
//! of its own, so the features that are listed at the end are what the dispatch inside of the
//! libraries saw.
//!
//! Without a kind it sends requests of all kinds, and says only that they work.
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

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use support::{World, expect, garbage, request};

/// Requests of each kind. The first ones of a run make tables, buffers and caches: they are sent
/// before counting begins.
const REQUESTS: usize = 200;
const WARM_UP: usize = 50;

const KINDS: [&str; 6] = [
    "bare router",
    "first seen",
    "seen before",
    "garbage",
    "unknown key",
    "raw verify",
];

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(World::of_fixed_name(WARM_UP + REQUESTS));
    let (in_cooldown, of_unknown_key) = runtime.block_on(world.unknown_key());
    let _entered = runtime.enter();
    let unparsable = garbage(world.token(0));

    let asked = std::env::args().nth(1);
    for kind in KINDS {
        if asked
            .as_deref()
            .is_some_and(|asked| KINDS.contains(&asked) && asked != kind)
        {
            continue;
        }
        let distinct: Vec<_> = world.tokens.iter().map(|token| request(token)).collect();
        let same = |token| (0..WARM_UP + REQUESTS).map(|_| request(token)).collect();
        match kind {
            "bare router" => send(&world.bare_router(), StatusCode::OK, distinct),
            "first seen" => send(&world.our_router(), StatusCode::OK, distinct),
            "seen before" => {
                let router = world.our_router();
                for token in &world.tokens {
                    expect(&router, request(token), StatusCode::OK);
                }
                send(&router, StatusCode::OK, distinct);
            }
            "garbage" => {
                let requests = same(&unparsable);
                send(&world.our_router(), StatusCode::UNAUTHORIZED, requests);
            }
            "unknown key" => {
                let requests = same(&of_unknown_key);
                send(&in_cooldown, StatusCode::UNAUTHORIZED, requests);
            }
            _ => {
                for tokens in world.tokens.chunks(WARM_UP) {
                    assert!(tokens.iter().all(|token| world.raw_verify(token)));
                }
                counted(|| {
                    for token in &world.tokens[WARM_UP..] {
                        assert!(world.raw_verify(token));
                    }
                });
            }
        }
    }
    println!("requests {REQUESTS}");
    println!("token {}", world.token(0).len());
    println!("features {}", features());
}

fn send(router: &Router, status: StatusCode, mut requests: Vec<Request<Body>>) {
    let rest = requests.split_off(WARM_UP);
    for request in requests {
        expect(router, request, status);
    }
    counted(|| {
        for request in rest {
            expect(router, request, status);
        }
    });
}

/// What valgrind looks for by its name.
#[inline(never)]
fn counted(work: impl FnOnce()) {
    work();
    std::hint::black_box(());
}

/// What this processor, or the one that valgrind shows, has of what libraries ask for.
#[cfg(target_arch = "x86_64")]
fn features() -> String {
    macro_rules! list {
        ($($feature:tt)*) => {
            [$(($feature, std::arch::is_x86_feature_detected!($feature))),*]
        };
    }
    let all = list!("ssse3" "sse4.1" "sse4.2" "avx" "avx2" "bmi1" "bmi2" "adx" "sha" "avx512f");
    let there: Vec<_> = all
        .into_iter()
        .filter(|(_, there)| *there)
        .map(|(feature, _)| feature)
        .collect();
    format!("x86_64 {}", there.join(" "))
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> String {
    std::env::consts::ARCH.to_owned()
}
