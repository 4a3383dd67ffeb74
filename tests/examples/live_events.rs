//! `live_events`: the stream ends with the session.

use std::time::{Duration, Instant};

use axum_authgear::testkit::{FakeAuthgear, User};
use tokio::time::timeout;

use crate::process::{Example, PATIENCE, client, get};

#[tokio::test]
async fn the_stream_of_a_disabled_user_ends_within_the_bound() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let environment = [("AUTHGEAR_ENDPOINT", fake.endpoint()), ("BOUND_SECS", "2")];
    let mut example = Example::start("live_events", &environment);
    let line = example.line().await;
    let url = line.strip_prefix("listening on ").unwrap();
    assert_eq!(get(url, None).await.status, 401);

    let bearer = format!("Bearer {token}");
    let request = client().get(url).header("authorization", bearer);
    let mut stream = request.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert!(stream.chunk().await.unwrap().is_some());
    let disabled = Instant::now();
    fake.disable(&alice);
    let rest = timeout(PATIENCE, stream.text()).await.unwrap().unwrap();
    assert!(rest.contains("event: end"), "{rest}");
    assert!(disabled.elapsed() < Duration::from_secs(3));
    assert_eq!(get(url, Some(&token)).await.status, 401);
}
