//! Other crates for the same job, ours, and the bare signature check: in one process, against the
//! same issuer, with the same tokens, taking turns.
//!
//! ```sh
//! cargo run --release --manifest-path benches/peers/Cargo.toml                      # thin LTO
//! cargo run --profile plain --manifest-path benches/peers/Cargo.toml                # cargo's default profile
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- --svg benches/ratios.svg
//! ```
//!
//! Each of the others is set up to check issuer, audience and expiry, as its documentation shows,
//! and none of them keeps what it has verified: a token that was seen before costs the same again.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark"
)]

mod peers;
#[path = "../../support/mod.rs"]
mod support;

use axum::Router;
use http::StatusCode;
use support::race::{Contender, Course, race};
use support::report::{self, Arguments, BARE, RAW};
use support::{FILL, World, at_once, plot};
use tower::ServiceExt;

fn main() {
    let arguments = Arguments::read();
    let course = Course {
        rounds: if arguments.quick { 20 } else { 200 },
        calls: 50,
    };
    // One of them takes so long that a longer turn would be interrupted by other programs.
    let short = Course { calls: 4, ..course };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(World::new(course.tokens()));
    let fake = &world.fake;
    let jwt_authorizer = runtime.block_on(peers::jwt_authorizer(fake));
    let oauth2_resource_server = runtime.block_on(peers::tower_oauth2_resource_server(fake));
    let axum_jwt_auth = runtime.block_on(peers::axum_jwt_auth(fake));
    let decode = peers::Decode::new(fake);
    let full = runtime.block_on(world.router_after(&world.more_tokens(FILL)));
    let _entered = runtime.enter();

    let tokens = &world.tokens;
    let routed = |name, router: Router, pick: fn(usize) -> usize| {
        Contender::of_router(name, course, router, StatusCode::OK, move |n| {
            tokens[pick(n)].as_str()
        })
    };
    let mut contenders = [
        Contender::of_router(
            "axum-jwt-auth 0.7",
            short,
            axum_jwt_auth,
            StatusCode::OK,
            |n| tokens[n].as_str(),
        ),
        Contender::of_sender(
            "jwt-authorizer 0.15",
            course,
            move |request| {
                let request = request.map(axum_07::body::Body::new);
                let response = at_once(jwt_authorizer.clone().oneshot(request)).unwrap();
                assert_eq!(response.status(), StatusCode::OK);
            },
            |n| tokens[n].as_str(),
        ),
        routed(
            "tower-oauth2-resource-server 0.12",
            oauth2_resource_server,
            |n| n,
        ),
        Contender::of_work("jsonwebtoken::decode alone", course, |n| {
            decode.run(&tokens[n]);
        }),
        Contender::of_work("raw verify, key parsed on every call", course, |n| {
            assert!(world.raw_verify_parsing(&tokens[n]));
        }),
        Contender::of_work(RAW, course, |n| assert!(world.raw_verify(&tokens[n]))),
        routed("axum-authgear, first seen", world.our_router(), |n| n).cold(),
        routed("axum-authgear, first seen, full cache", full, |n| n).cold(),
        routed("axum-authgear, seen before", world.our_router(), |n| n % 50),
        routed(BARE, world.bare_router(), |n| n),
    ];
    let timings = race(course, &mut contenders);
    report::print("the call alone", &timings);
    if let Some(path) = &arguments.json {
        report::save(path, &timings, &[], &[]);
    }
    if let Some(path) = &arguments.svg {
        report::write(path, &plot::bars(&timings));
    }
}
