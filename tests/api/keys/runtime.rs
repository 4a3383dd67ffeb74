//! The runtime of `build()` ends, and the `Authgear` lives on in another one.

use std::time::Duration;

use axum_authgear::{AuthErrorKind, Authgear, Health};
use tokio::runtime::{Builder, Runtime};

use super::{LONG, Stage, assert_unavailable, at_once, foreign};
use crate::support::{api, get, ready};

const ENDED: &str = "the runtime on which the Authgear was built has ended (call `build()` on \
                     the runtime that serves requests)";

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// The last error, if the status has one.
fn last_error(authgear: &Authgear) -> Option<String> {
    authgear.status().last_error().map(ToString::to_string)
}

#[test]
fn known_keys_serve_and_a_new_one_is_unavailable_at_once() {
    let (fakes, first) = (runtime(), runtime());
    let stage = fakes.block_on(Stage::new());
    let authgear = first.block_on(ready(stage.builder()));
    let good = stage.token();
    let _ = stage.fake.rotate();
    let rotated = stage.token();
    assert_eq!(authgear.status().health(), Health::Healthy);
    drop(first);

    assert_eq!(authgear.status().health(), Health::Degraded);
    assert_eq!(last_error(&authgear).as_deref(), Some(ENDED));
    runtime().block_on(async {
        let api = api(&authgear);
        stage.assert_is_alice(&at_once(&api, &good));
        for token in [&rotated, &foreign(&stage)] {
            assert_unavailable(&at_once(&api, token));
            let error = authgear.verify(token).await.unwrap_err();
            assert_eq!(error.kind(), AuthErrorKind::KeysUnavailable);
            let source = std::error::Error::source(&error).unwrap();
            assert_eq!(source.to_string(), ENDED);
        }

        stage.clock.shift_millis(86_400_000);
        assert_unavailable(&at_once(&api, &good));
        assert_eq!(authgear.status().health(), Health::Down);
        assert_eq!(last_error(&authgear).as_deref(), Some(ENDED));
    });
}

#[test]
fn a_request_that_waits_when_the_runtime_ends_waits_no_longer() {
    let (fakes, first, second) = (runtime(), runtime(), runtime());
    let stage = fakes.block_on(Stage::new());
    let (authgear, waiting) = first.block_on(async {
        stage.fake.fail(
            axum_authgear::testkit::Endpoint::Discovery,
            axum_authgear::testkit::Fault::Hold,
        );
        let builder = stage.builder().request_timeout(LONG);
        let authgear = builder.build().unwrap();
        let (api, token) = (api(&authgear), stage.token());
        let waiting = second.spawn(async move { get(&api, "/user", &token).await });
        let held = axum_authgear::testkit::Endpoint::Discovery;
        stage.fake.requests_reached(held, 1).await;
        (authgear, waiting)
    });
    assert_eq!(last_error(&authgear), None);
    drop(first);
    assert_unavailable(&second.block_on(waiting).unwrap());
    assert_eq!(authgear.status().health(), Health::Down);
    assert_eq!(last_error(&authgear).as_deref(), Some(ENDED));
}

#[test]
fn built_on_a_runtime_that_has_ended_it_says_so_from_the_start() {
    let fakes = runtime();
    let stage = fakes.block_on(Stage::new());
    let first = runtime();
    let handle = first.handle().clone();
    first.shutdown_timeout(Duration::from_secs(1));
    let authgear = {
        let _entered = handle.enter();
        stage.builder().build()
    };
    // Its timers are gone as well, which `build()` may notice.
    let Ok(authgear) = authgear else { return };
    assert_eq!(authgear.status().health(), Health::Down);
    assert_eq!(last_error(&authgear).as_deref(), Some(ENDED));
    runtime().block_on(async {
        assert_unavailable(&at_once(&api(&authgear), &stage.token()));
    });
}
