//! One request through all stages.

use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthErrorKind, Authgear};
use http::StatusCode;

use crate::support::{api, get, ready};

#[tokio::test]
async fn a_good_token_is_its_user_and_an_expired_one_is_nobody() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let api = api(&authgear);

    let answer = get(&api, "/user", &fake.token(&alice).sign()).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, alice.id())
    );

    let expired = fake.token(&alice).expires_at(1_000_000_000).sign();
    let answer = get(&api, "/user", &expired).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.kind, Some(AuthErrorKind::Expired));
}

#[tokio::test]
async fn a_rotation_heals_inside_the_request() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let api = api(&authgear);
    let _ = fake.rotate();
    let answer = get(&api, "/user", &fake.token(&alice).sign()).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, alice.id())
    );
}
