//! A resolver that cannot be reached.

use std::time::Duration;

use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{
    AuthErrorKind, Authgear, AuthgearBuilder, Health, LiveSessions, SessionResolver,
};

use crate::faults;
use crate::support::{api, assert_refused, assert_says, describing_api, get, ready, turns};

const NOW: u64 = 1_800_000_000;
const BOUND: Duration = Duration::from_secs(10);

async fn start() -> (Clock, FakeAuthgear) {
    let clock = Clock::frozen_at(NOW);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    (clock, fake)
}

fn live(fake: &FakeAuthgear, live: LiveSessions) -> AuthgearBuilder {
    let live = live.session_resolver(SessionResolver::new().timeout(Duration::from_millis(500)));
    Authgear::builder(fake.endpoint())
        .live_sessions(live)
        .dangerous()
        .clock(fake.clock().clone())
}

#[tokio::test]
async fn without_a_grace_it_is_503_once_the_bound_has_passed() {
    let (clock, fake) = start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let authgear = ready(live(&fake, LiveSessions::within(BOUND))).await;
    let api = api(&authgear);
    assert_eq!(get(&api, "/user", &token).await.body, alice.id());
    for fault in [Fault::Status(500), Fault::Hang, faults::garbage_headers()] {
        fake.fail(Endpoint::Resolver, fault);
        clock.shift_millis(9_999);
        assert_eq!(get(&api, "/user", &token).await.body, alice.id());
        clock.shift_millis(1);
        let answer = get(&api, "/user", &token).await;
        assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
        turns(&authgear, Health::Degraded).await;
        assert!(authgear.status().last_error().is_some());
        fake.heal(Endpoint::Resolver);
        // The question of a moment ago may still be under way.
        let healed = async {
            while !get(&api, "/user", &token).await.status.is_success() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), healed)
            .await
            .unwrap();
        turns(&authgear, Health::Healthy).await;
    }
}

#[tokio::test]
async fn in_the_grace_the_token_stands_alone_and_what_was_said_last_still_counts() {
    let (clock, fake) = start().await;
    let user = || User::new("someone").roles(["admin"]);
    let (alice, bob, carol) = (
        fake.add_user(user()),
        fake.add_user(user()),
        fake.add_user(user()),
    );
    let (known, ended, new) = (
        fake.sign_in(&alice),
        fake.sign_in(&bob),
        fake.sign_in(&carol),
    );
    let [known, ended_token, new] = [&known, &ended, &new].map(|session| session.token().sign());
    fake.set_roles(&alice, Vec::<String>::new());
    fake.end_session(&ended);
    let grace = Duration::from_secs(60);
    let authgear = ready(live(&fake, LiveSessions::within(BOUND).grace_period(grace))).await;
    let api = describing_api(&authgear);
    assert_says(
        &get(&api, "/user", &known).await,
        &["roles=", "by=jwt+resolver"],
    );
    let answer = get(&api, "/user", &ended_token).await;
    assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);

    fake.fail(Endpoint::Resolver, Fault::Status(500));
    clock.shift_millis(20_000);
    assert_says(&get(&api, "/user", &new).await, &["roles=admin", "by=jwt"]);
    // Alice is an admin by her token, and was none when the resolver was last asked.
    assert_says(&get(&api, "/user", &known).await, &["roles=", "by=jwt"]);
    // And a session that had ended does not come back.
    let answer = get(&api, "/user", &ended_token).await;
    assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
    assert_eq!(authgear.status().health(), Health::Degraded);

    clock.shift_millis(59_000);
    assert_says(&get(&api, "/user", &new).await, &["by=jwt"]);
    clock.shift_millis(1_000);
    for token in [&new, &known] {
        let answer = get(&api, "/user", token).await;
        assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
    }
    fake.heal(Endpoint::Resolver);
    assert_says(&get(&api, "/user", &new).await, &["by=jwt+resolver"]);
}

#[tokio::test]
async fn a_resolver_that_hangs_makes_nobody_wait_twice_in_the_grace() {
    let (clock, fake) = start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let live = LiveSessions::within(BOUND)
        .grace_period(Duration::from_secs(3_600))
        .session_resolver(SessionResolver::new().timeout(Duration::from_secs(2)));
    let builder = Authgear::builder(fake.endpoint()).live_sessions(live);
    let api = api(&ready(builder.dangerous().clock(clock.clone())).await);
    fake.fail(Endpoint::Resolver, Fault::Hang);
    assert_eq!(get(&api, "/user", &token).await.body, alice.id());
    let quick = async {
        for _ in 0..50 {
            assert_eq!(get(&api, "/user", &token).await.body, alice.id());
        }
    };
    tokio::time::timeout(Duration::from_millis(1_500), quick)
        .await
        .unwrap();
    assert!(fake.requests(Endpoint::Resolver) <= 4);
}

#[tokio::test]
async fn a_database_fault_lets_a_good_session_wait_for_two_seconds_at_most() {
    let (clock, fake) = start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let api = api(&ready(live(&fake, LiveSessions::within(BOUND))).await);
    fake.fail_once(Endpoint::Resolver, Fault::Status(200));
    for _ in 0..3 {
        let answer = get(&api, "/user", &token).await;
        assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
    }
    assert_eq!(fake.requests(Endpoint::Resolver), 2);
    clock.shift_millis(2_000);
    assert_eq!(get(&api, "/user", &token).await.body, alice.id());
}
