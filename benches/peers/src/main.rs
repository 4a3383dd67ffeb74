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

mod claims;
mod decode;
mod peers;
#[path = "../../support/mod.rs"]
mod support;

use std::convert::Infallible;

use axum::Router;
use axum_authgear::testkit::{FakeAuthgear, User};
use decode::Decode;
use http::{Request, Response, StatusCode};
use support::race::{Contender, Course, race};
use support::report::{self, Arguments, BARE, RAW};
use support::{FILL, World, at_once, forged, plot, request};
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
    let (jwt_authorizer, oauth2_resource_server, axum_jwt_auth, huskarl_axum) =
        runtime.block_on(others(fake));
    let decode = Decode::new(fake);
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
        routed("huskarl-axum 0.1", huskarl_axum, |n| n),
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

/// The routers of the others, each of which has its keys.
async fn others(fake: &FakeAuthgear) -> (axum_07::Router, Router, Router, Router) {
    let issuer = fake.endpoint();
    let id = |user: &claims::User<'_>| user.id.to_owned();
    let old = peers::jwt_authorizer(issuer, id).await;
    prime(fake, |request| {
        old.clone().oneshot(request.map(axum_07::body::Body::new))
    })
    .await;
    let routers = [
        peers::tower_oauth2_resource_server(issuer, id).await,
        peers::axum_jwt_auth(issuer, id).await,
        peers::huskarl_axum(issuer, id).await,
    ];
    for router in &routers {
        prime(fake, |request| router.clone().oneshot(request)).await;
    }
    let [oauth2_resource_server, axum_jwt_auth, huskarl_axum] = routers;
    (old, oauth2_resource_server, axum_jwt_auth, huskarl_axum)
}

/// Sees that a router takes a good token and refuses a forged one, and lets it fetch its keys.
async fn prime<F, B>(fake: &FakeAuthgear, send: impl Fn(Request<axum::body::Body>) -> F)
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    let user = fake.add_user(User::new("first"));
    let good = fake.token(&user).sign();
    for (token, status) in [(forged(&good), 401), (good, 200)] {
        let response = send(request(&token)).await.unwrap();
        assert_eq!(response.status(), status);
    }
}
