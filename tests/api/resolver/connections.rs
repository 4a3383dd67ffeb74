//! Long connections: a purge concerns one user's, and a short outage ends none.

use std::time::Duration;

use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{AuthErrorKind, Authgear, SessionResolver};
use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Each answer counts for long, so that only a purge makes anybody ask.
fn keeping(fake: &FakeAuthgear, time: Duration) -> Authgear {
    let resolver = SessionResolver::new()
        .cache_ttl(time)
        .max_queued(4_000)
        .timeout(Duration::from_secs(30));
    Authgear::builder(fake.endpoint())
        .session_resolver(resolver)
        .dangerous()
        .clock(fake.clock().clone())
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_purge_asks_about_the_connections_of_that_user_alone() {
    let fake = FakeAuthgear::start().await;
    let users: Vec<_> = (0..2_000)
        .map(|_| fake.add_user(User::new("someone")))
        .collect();
    let sessions: Vec<_> = users.iter().map(|user| fake.sign_in(user)).collect();
    let authgear = keeping(&fake, Duration::from_secs(3_600));
    let verified = sessions
        .iter()
        .map(|session| {
            let (authgear, token) = (authgear.clone(), session.opaque_token());
            async move { authgear.verify(&token).await.unwrap() }
        })
        .collect::<Vec<_>>();
    let mut streams = JoinSet::new();
    for user in join_all(verified).await {
        let authgear = authgear.clone();
        streams.spawn(async move { (user.id().to_owned(), authgear.ended(&user).await) });
    }
    sleep(Duration::from_millis(200)).await;
    let resolver = Endpoint::Resolver;
    assert_eq!(fake.requests(resolver), 2_000);
    // Nothing has happened to that user, and all go on.
    authgear.invalidate_user(users[7].id());
    fake.requests_reached(resolver, 2_001).await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(fake.requests(resolver), 2_001);
    assert!(streams.try_join_next().is_none());
    // A failure of the one question ends nobody, either.
    fake.fail_once(resolver, Fault::Status(502));
    authgear.invalidate_user(users[7].id());
    fake.requests_reached(resolver, 2_002).await;
    sleep(Duration::from_millis(500)).await;
    assert!(streams.try_join_next().is_none());
    // The end of the session does.
    fake.disable(&users[11]);
    authgear.invalidate_user(users[11].id());
    let (id, error) = streams.join_next().await.unwrap().unwrap();
    assert_eq!(
        (&*id, error.kind()),
        (users[11].id(), AuthErrorKind::SessionInvalid)
    );
    sleep(Duration::from_millis(100)).await;
    assert!(streams.try_join_next().is_none());
}

#[tokio::test]
async fn an_outage_ends_a_connection_a_minute_after_the_last_confirmation() {
    let clock = Clock::frozen_at(1_800_000_000);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.sign_in(&alice).opaque_token();
    let authgear = keeping(&fake, Duration::ZERO);
    let user = authgear.verify(&token).await.unwrap();
    let ended = authgear.ended(&user);
    tokio::pin!(ended);
    fake.fail(Endpoint::Resolver, Fault::Status(502));
    clock.shift_millis(50_000);
    // However often it is begun to be waited for.
    for _ in 0..2 {
        let still = timeout(Duration::from_millis(300), authgear.ended(&user)).await;
        assert!(still.is_err(), "{still:?}");
    }
    let still = timeout(Duration::from_millis(300), &mut ended).await;
    assert!(still.is_err(), "{still:?}");
    clock.shift_millis(11_000);
    let error = timeout(Duration::from_secs(20), &mut ended).await.unwrap();
    assert_eq!(error.kind(), AuthErrorKind::SessionUnavailable);
    let error = timeout(Duration::from_secs(20), authgear.ended(&user)).await;
    assert_eq!(error.unwrap().kind(), AuthErrorKind::SessionUnavailable);
    // Whoever asks once is told at once.
    let error = authgear.recheck(&user).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::SessionUnavailable);
}
