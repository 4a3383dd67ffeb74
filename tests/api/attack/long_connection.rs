//! A long connection goes on by its last confirmation, and not by that confirmation told once more.

use std::time::Duration;

use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{AuthErrorKind, Authgear, LiveSessions};
use tokio::time::timeout;

#[tokio::test]
async fn an_answer_that_is_kept_does_not_confirm_a_connection_once_more() {
    let clock = Clock::frozen_at(1_800_000_000);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = Authgear::builder(fake.endpoint())
        .live_sessions(LiveSessions::within(Duration::from_secs(10)))
        .dangerous()
        .clock(clock.clone())
        .build()
        .unwrap();
    authgear.ready(Duration::from_secs(10)).await.unwrap();
    let user = authgear.verify(&fake.token(&alice).sign()).await.unwrap();
    // The last confirmation is of now; the user is disabled, and the outage begins.
    fake.disable(&alice);
    fake.fail(Endpoint::Resolver, Fault::Status(502));
    let ended = authgear.ended(&user);
    tokio::pin!(ended);
    // Shorter than the bound.
    for _ in 0..3 {
        clock.shift_millis(3_000);
        let still = timeout(Duration::from_millis(1_500), &mut ended).await;
        assert!(still.is_err(), "{still:?}");
    }
    // 18 seconds after the last confirmation, with a bound of 10.
    clock.shift_millis(9_000);
    let error = timeout(Duration::from_secs(4), &mut ended).await;
    let error = error.expect("it goes on for nearly twice the bound");
    assert_eq!(error.kind(), AuthErrorKind::SessionUnavailable);
}

/// An outage shorter than the bound ends nobody, whenever it begins.
#[tokio::test]
async fn an_outage_shorter_than_the_bound_ends_nobody() {
    let clock = Clock::frozen_at(1_800_000_000);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = Authgear::builder(fake.endpoint())
        .live_sessions(LiveSessions::within(Duration::from_secs(10)))
        .dangerous()
        .clock(clock.clone())
        .build()
        .unwrap();
    authgear.ready(Duration::from_secs(10)).await.unwrap();
    let user = authgear.verify(&fake.token(&alice).sign()).await.unwrap();
    let ended = authgear.ended(&user);
    tokio::pin!(ended);
    clock.shift_millis(4_900);
    let still = timeout(Duration::from_millis(1_200), &mut ended).await;
    assert!(still.is_err(), "{still:?}");
    fake.fail(Endpoint::Resolver, Fault::Status(502));
    for _ in 0..3 {
        clock.shift_millis(3_200);
        let still = timeout(Duration::from_millis(1_500), &mut ended).await;
        assert!(still.is_err(), "{still:?}");
    }
    fake.heal(Endpoint::Resolver);
    let still = timeout(Duration::from_millis(2_500), &mut ended).await;
    assert!(still.is_err(), "{still:?}");
}
