//! The bound: how soon a disabled user is out, and what that costs.

use std::time::{Duration, Instant};

use axum::Router;
use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{AuthErrorKind, Authgear, LiveSessions};

use crate::support::{api, assert_refused, get, ready};

#[tokio::test]
async fn a_session_is_confirmed_in_the_background_at_half_of_the_bound() {
    let clock = Clock::frozen_at(1_800_000_000);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let builder = Authgear::builder(fake.endpoint())
        .live_sessions(LiveSessions::within(Duration::from_secs(10)));
    let api = api(&ready(builder.dangerous().clock(clock.clone())).await);
    let resolver = Endpoint::Resolver;
    let asked = || fake.requests(resolver) - 1;
    let pass = || async {
        assert_eq!(get(&api, "/user", &token).await.body, alice.id());
    };
    pass().await;
    clock.shift_millis(4_999);
    pass().await;
    assert_eq!(asked(), 1);

    // Nobody waits for the answer, and nobody asks a second time.
    fake.fail(resolver, Fault::Hold);
    clock.shift_millis(1);
    for _ in 0..10 {
        pass().await;
    }
    fake.requests_reached(resolver, 3).await;
    clock.shift_millis(4_999);
    pass().await;
    assert_eq!(asked(), 2);

    // The bound has passed: now one waits, for the very answer that is under way.
    clock.shift_millis(1);
    let waiting = tokio::spawn({
        let (api, token) = (api.clone(), token.clone());
        async move { get(&api, "/user", &token).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    fake.disable(&alice);
    // What is held back was said before.
    fake.heal(resolver);
    assert!(waiting.await.unwrap().status.is_success());
    assert_eq!(asked(), 2);
    // It counts from when it was asked, 5 s ago; and so the next request sees to the next one.
    pass().await;
    fake.requests_reached(resolver, 4).await;
    let out = async {
        while get(&api, "/user", &token).await.status.is_success() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), out)
        .await
        .unwrap();
    let answer = get(&api, "/user", &token).await;
    assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
    assert_eq!(asked(), 3);
}

/// Sends requests at a steady pace, and gives how long each took and when the last good one began.
async fn drive(api: &Router, tokens: &[String], rate: u32, time: Duration) -> Vec<Duration> {
    let mut tasks = tokio::task::JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    let end = Instant::now() + time;
    let mut turn = 0;
    while Instant::now() < end {
        ticks.tick().await;
        let (api, token) = (api.clone(), tokens[turn % tokens.len()].clone());
        turn += 1;
        tasks.spawn(async move {
            let began = Instant::now();
            assert!(get(&api, "/user", &token).await.status.is_success());
            began.elapsed()
        });
    }
    tasks.join_all().await
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_the_bound_holds_and_active_users_do_not_wait() {
    let fake = FakeAuthgear::start().await;
    let users: Vec<_> = (0..10)
        .map(|_| fake.add_user(User::new("someone")))
        .collect();
    let sessions: Vec<_> = users.iter().map(|user| fake.sign_in(user)).collect();
    let tokens: Vec<_> = sessions
        .iter()
        .map(|session| session.token().sign())
        .collect();
    let bound = Duration::from_secs(2);
    let delay = Duration::from_millis(300);
    let plain = api(&ready(Authgear::builder(fake.endpoint())).await);
    let live = Authgear::builder(fake.endpoint()).live_sessions(LiveSessions::within(bound));
    let live = api(&ready(live).await);
    fake.fail(Endpoint::Resolver, Fault::Delay(delay));
    // The first request of each token waits, all of them at once.
    let first = tokens.iter().map(|token| get(&live, "/user", token));
    for answer in futures_util::future::join_all(first).await {
        assert!(answer.status.is_success());
    }
    let time = Duration::from_secs(4);
    let before = fake.requests(Endpoint::Resolver);
    let (plain, times) = tokio::join!(
        drive(&plain, &tokens, 200, time),
        drive(&live, &tokens, 200, time)
    );
    let asked = fake.requests(Endpoint::Resolver) - before;
    // One for each half bound that has begun, and each token.
    assert!(asked <= 10 * 5, "{asked} questions");
    let (plain, with_sessions) = (p99(plain), p99(times));
    println!("p99: JWT {plain:?}, with live sessions {with_sessions:?}; {asked} questions");
    // A wide margin for a busy machine, and still far from what the resolver takes.
    assert!(with_sessions < plain * 3 / 2 + Duration::from_millis(100));

    let disabled = Instant::now();
    fake.disable(&users[0]);
    let mut last_good = disabled;
    while disabled.elapsed() < bound * 2 {
        let began = Instant::now();
        if get(&live, "/user", &tokens[0]).await.status.is_success() {
            last_good = began;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let after = last_good - disabled;
    println!("last accepted {after:?} after the disabling");
    assert!(after <= bound + delay, "{after:?}");
}

#[tokio::test]
async fn a_long_connection_ends_with_the_session() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let bob = fake.add_user(User::new("bob"));
    let bound = Duration::from_secs(2);
    let builder = Authgear::builder(fake.endpoint()).live_sessions(LiveSessions::within(bound));
    let authgear = ready(builder).await;
    let user = authgear.verify(&fake.token(&alice).sign()).await.unwrap();
    let other = authgear.verify(&fake.token(&bob).sign()).await.unwrap();
    assert_eq!(authgear.recheck(&user).await.unwrap().id(), alice.id());
    let watched = tokio::spawn({
        let authgear = authgear.clone();
        async move { (authgear.ended(&user).await, Instant::now()) }
    });
    let disabled = Instant::now();
    fake.disable(&alice);
    let (error, at) = watched.await.unwrap();
    assert_eq!(error.kind(), AuthErrorKind::SessionInvalid);
    assert!(at - disabled < bound + Duration::from_secs(1));
    let still = tokio::time::timeout(bound * 2, authgear.ended(&other)).await;
    assert!(still.is_err(), "{still:?}");

    // That it cannot be said any more ends the connection, too: but not before the bound.
    fake.fail(Endpoint::Resolver, Fault::Status(500));
    let error = authgear.ended(&other).await;
    assert_eq!(error.kind(), AuthErrorKind::SessionUnavailable);

    // A purge is heard at once.
    fake.heal(Endpoint::Resolver);
    let builder = Authgear::builder(fake.endpoint())
        .live_sessions(LiveSessions::within(Duration::from_secs(3_600)));
    let authgear = ready(builder).await;
    let carol = fake.add_user(User::new("carol"));
    let user = authgear.verify(&fake.token(&carol).sign()).await.unwrap();
    let watched = tokio::spawn({
        let authgear = authgear.clone();
        async move { authgear.ended(&user).await }
    });
    fake.disable(&carol);
    tokio::time::sleep(Duration::from_millis(50)).await;
    authgear.invalidate_user(carol.id());
    let error = tokio::time::timeout(Duration::from_secs(10), watched).await;
    assert_eq!(
        error.unwrap().unwrap().kind(),
        AuthErrorKind::SessionInvalid
    );
}

#[tokio::test]
async fn with_the_token_alone_a_connection_ends_with_token_or_key() {
    let clock = Clock::frozen_at(1_800_000_000);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    let alice = fake.add_user(User::new("alice"));
    let builder = || {
        Authgear::builder(fake.endpoint())
            .jwks_cooldown(Duration::from_millis(1))
            .dangerous()
            .clock(clock.clone())
    };
    let authgear = ready(builder()).await;
    let user = authgear.verify(&fake.token(&alice).sign()).await.unwrap();
    assert!(authgear.recheck(&user).await.is_ok());
    clock.shift_millis(1_859_000);
    assert!(authgear.recheck(&user).await.is_ok(), "within the leeway");
    clock.shift_millis(1_000);
    assert_eq!(authgear.ended(&user).await.kind(), AuthErrorKind::Expired);

    // The key goes: whatever it signed goes with it.
    let authgear = ready(builder()).await;
    let old = fake.signing_kid();
    let user = authgear.verify(&fake.token(&alice).sign()).await.unwrap();
    let _ = fake.rotate();
    fake.remove_key(&old);
    assert!(authgear.recheck(&user).await.is_ok());
    let fetched = authgear.verify(&fake.token(&alice).sign()).await;
    assert!(fetched.is_ok());
    assert_eq!(
        authgear.ended(&user).await.kind(),
        AuthErrorKind::UnknownKey
    );
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_nobody_ask_more_often() {
    let clock = Clock::starting_at(1_800_000_000);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let bound = Duration::from_secs(1);
    let builder = Authgear::builder(fake.endpoint()).live_sessions(LiveSessions::within(bound));
    let api = api(&ready(builder.dangerous().clock(clock.clone())).await);
    assert_eq!(get(&api, "/user", &token).await.body, alice.id());
    clock.shift_millis(-50_000);
    let before = fake.requests(Endpoint::Resolver);
    let began = Instant::now();
    while began.elapsed() < bound * 3 {
        assert_eq!(get(&api, "/user", &token).await.body, alice.id());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = fake.requests(Endpoint::Resolver) - before;
    assert!(asked <= 7, "{asked} questions in six half bounds");
}
