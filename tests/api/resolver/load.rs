//! Many at once: one question for all who ask the same, bounded, and fair under attack.

use std::time::Duration;

use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{AuthErrorKind, Authgear, SessionResolver};
use futures_util::future::join_all;

use crate::support::{api, get};

#[tokio::test]
async fn a_thousand_requests_of_one_session_are_one_question() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.sign_in(&alice).opaque_token();
    let authgear = Authgear::builder(fake.endpoint())
        .session_resolver(SessionResolver::new())
        .build()
        .unwrap();
    let api = api(&authgear);
    fake.fail(Endpoint::Resolver, Fault::Hold);
    let mut requests: Vec<_> = (0..1_000)
        .map(|_| Box::pin(get(&api, "/user", &token)))
        .collect();
    // All of them have asked.
    for request in &mut requests {
        assert!(futures_util::poll!(request).is_pending());
    }
    fake.requests_reached(Endpoint::Resolver, 1).await;
    // Some go away, the first one among them: the others still get their answer.
    drop(requests.drain(..100));
    fake.heal(Endpoint::Resolver);
    for answer in join_all(requests).await {
        assert_eq!(answer.body, alice.id());
    }
    assert_eq!(fake.requests(Endpoint::Resolver), 1);
}

#[tokio::test]
async fn of_a_thousand_sessions_no_more_than_the_allowed_number_is_asked_at_once() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let tokens: Vec<_> = (0..1_000).map(|_| session.opaque_token()).collect();
    let resolver = SessionResolver::new()
        .max_in_flight(32)
        .timeout(Duration::from_secs(30));
    let authgear = Authgear::builder(fake.endpoint())
        .session_resolver(resolver)
        .build()
        .unwrap();
    let api = api(&authgear);
    fake.fail(Endpoint::Resolver, Fault::Delay(Duration::from_millis(5)));
    for answer in join_all(tokens.iter().map(|token| get(&api, "/user", token))).await {
        assert_eq!(answer.body, alice.id());
    }
    assert_eq!(fake.requests(Endpoint::Resolver), 1_000);
    // A quarter of the 32 is reserved for those who were confirmed before: none of these.
    assert_eq!(fake.max_in_flight(Endpoint::Resolver), 24);
}

#[tokio::test]
async fn a_flood_of_invented_bearers_does_not_keep_confirmed_users_out() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let tokens: Vec<_> = (0..20).map(|_| session.opaque_token()).collect();
    let resolver = SessionResolver::new()
        .max_in_flight(16)
        .timeout(Duration::from_secs(30));
    let authgear = Authgear::builder(fake.endpoint())
        .session_resolver(resolver)
        .build()
        .unwrap();
    let api = api(&authgear);
    for token in &tokens {
        assert!(get(&api, "/user", token).await.status.is_success());
    }
    fake.fail(Endpoint::Resolver, Fault::Delay(Duration::from_millis(10)));
    let flood = join_all((0..5_000).map(|number| {
        let api = api.clone();
        async move { get(&api, "/user", &format!("invented{number}")).await }
    }));
    let flood = tokio::spawn(flood);
    fake.requests_reached(Endpoint::Resolver, 20 + 8).await;
    let served = async {
        for token in tokens.iter().cycle().take(60) {
            let answer = get(&api, "/user", token).await;
            assert_eq!(answer.body, alice.id());
        }
    };
    tokio::time::timeout(Duration::from_secs(20), served)
        .await
        .unwrap();
    // A stranger with a good token is one of the crowd.
    flood.abort();
    let invented = get(&api, "/user", "invented").await;
    assert!(matches!(
        invented.kind,
        Some(AuthErrorKind::SessionInvalid | AuthErrorKind::SessionUnavailable)
    ));
}
