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

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use support::{World, expect, garbage, request};
use tower::{Layer, Service, ServiceExt};

/// Requests of each kind. The first ones of a run make tables, buffers and caches: they are sent
/// before counting begins.
const REQUESTS: usize = 200;
const WARM_UP: usize = 50;

const KINDS: [&str; 16] = [
    "bare router",
    "bare router, a layer that does nothing",
    "seen before, a layer that does nothing",
    "seen before, sealed",
    "seen before, sealed as a service",
    "seen before, accounts without a listener",
    "seen before, accounts",
    "first seen",
    "seen before",
    "first seen of two",
    "seen before of two",
    "first seen of many",
    "seen before of many",
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
    let asked = std::env::args().nth(1);
    // Made only where they are asked for: what they hold would change what the others cost.
    let beside = |kind: &str, others| {
        let is_asked = asked.as_deref().is_none_or(|asked| asked.ends_with(kind));
        is_asked.then(|| runtime.block_on(world.router_beside(others)))
    };
    let of_two = beside("of two", 1).unwrap_or_default();
    let full = std::env::var("AXUM_AUTHGEAR_CASES").is_ok_and(|cases| cases == "full");
    let of_many = beside("of many", if full { 999 } else { 99 }).unwrap_or_default();
    let _entered = runtime.enter();
    let unparsable = garbage(world.token(0));

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
            "first seen of two" => send(&of_two, StatusCode::OK, distinct),
            "first seen of many" => send(&of_many, StatusCode::OK, distinct),
            "seen before" => {
                send_again(&world.our_router(), &world, distinct);
            }
            "seen before of two" => send_again(&of_two, &world, distinct),
            "seen before of many" => send_again(&of_many, &world, distinct),
            "bare router, a layer that does nothing" => {
                let router = world.bare_router().layer(DoesNothing);
                send(&router, StatusCode::OK, distinct);
            }
            "seen before, a layer that does nothing" => {
                let router = world.our_router().layer(DoesNothing);
                send_again(&router, &world, distinct);
            }
            "seen before, sealed" => {
                let router = world.our_router().layer(world.authgear.seal());
                send_again(&router, &world, distinct);
            }
            "seen before, sealed as a service" => {
                let service = world.authgear.seal().layer(world.our_router());
                for token in &world.tokens {
                    assert_eq!(call(&service, request(token)).status(), StatusCode::OK);
                }
                counted_after_warm_up(distinct, |request| {
                    assert_eq!(call(&service, request).status(), StatusCode::OK);
                });
            }
            "seen before, accounts without a listener" => {
                let router = runtime.block_on(world.audited_router());
                send_again(&router, &world, distinct);
            }
            "seen before, accounts" => {
                let router = runtime.block_on(world.audited_router());
                let _listens = tracing::subscriber::set_default(Listener);
                send_again(&router, &world, distinct);
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

/// Requests whose tokens the router has seen before.
fn send_again(router: &Router, world: &World, requests: Vec<Request<Body>>) {
    for token in &world.tokens {
        expect(router, request(token), StatusCode::OK);
    }
    send(router, StatusCode::OK, requests);
}

fn send(router: &Router, status: StatusCode, requests: Vec<Request<Body>>) {
    counted_after_warm_up(requests, |request| expect(router, request, status));
}

fn counted_after_warm_up(mut requests: Vec<Request<Body>>, ask: impl Fn(Request<Body>)) {
    let rest = requests.split_off(WARM_UP);
    requests.into_iter().for_each(&ask);
    counted(|| rest.into_iter().for_each(&ask));
}

fn call(
    service: &(impl Service<Request<Body>, Response = Response, Error = Infallible> + Clone),
    request: Request<Body>,
) -> Response {
    match support::at_once(service.clone().oneshot(request)) {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// What axum takes for any layer of a router.
#[derive(Clone)]
struct DoesNothing;

impl<S> Layer<S> for DoesNothing {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner
    }
}

/// Reads all fields of every event, and keeps none.
#[derive(Default)]
struct Listener;

impl tracing::Subscriber for Listener {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "axum_authgear::audit"
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(
            &mut |field: &tracing::field::Field, _: &dyn std::fmt::Debug| {
                std::hint::black_box(field.name());
            },
        );
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
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
