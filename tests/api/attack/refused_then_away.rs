//! What a probe met before a question failed says nothing of that question: it waits for the word of
//! a probe that was sent since.

use std::time::Duration;

use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{AuthErrorKind, Authgear, Health, LiveSessions};

use crate::support::{assert_refused, assert_says, describing_api, get, ready, turns};

#[tokio::test]
async fn a_resolver_that_goes_away_after_it_refused_opens_the_grace_at_once() {
    let clock = Clock::frozen_at(1_800_000_000);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let live = LiveSessions::within(Duration::from_secs(10)).grace_period(Duration::from_secs(600));
    let builder = Authgear::builder(fake.endpoint()).live_sessions(live);
    let authgear = ready(builder.dangerous().clock(clock.clone())).await;
    let api = describing_api(&authgear);
    assert_says(&get(&api, "/user", &token).await, &["by=jwt+resolver"]);
    // An ingress that loses its backend: 404 (or 429), then 503.
    fake.fail(Endpoint::Resolver, Fault::Status(404));
    clock.shift_millis(10_000);
    let answer = get(&api, "/user", &token).await;
    assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
    turns(&authgear, Health::Degraded).await;
    fake.fail(Endpoint::Resolver, Fault::Status(503));
    assert_says(&get(&api, "/user", &token).await, &["by=jwt"]);
}
