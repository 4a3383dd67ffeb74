//! Two projects with users of the same id, and an API for both.

use std::time::Duration;

use axum::Router;
use axum::routing::any;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, User};
use axum_authgear::{AuthUser, Authgear, AuthgearBuilder};
use http::StatusCode;

use crate::support::{Answer, get, ready};

pub struct Stage {
    pub one: FakeAuthgear,
    pub other: FakeAuthgear,
    pub alice: User,
    pub other_alice: User,
}

impl Stage {
    pub async fn new() -> Self {
        let (one, other) = (FakeAuthgear::start().await, FakeAuthgear::start().await);
        let alice = one.add_user(User::new("alice").with_id("alice"));
        let other_alice = other.add_user(User::new("alice").with_id("alice"));
        Self {
            one,
            other,
            alice,
            other_alice,
        }
    }

    pub fn builders(&self) -> [AuthgearBuilder; 2] {
        [&self.one, &self.other].map(|fake| Authgear::builder(fake.endpoint()))
    }

    pub async fn authgear(&self) -> Authgear {
        let authgear = ready(Authgear::any_of(self.builders())).await;
        all_have_keys(&authgear).await;
        authgear
    }

    /// How often each project was asked for its keys.
    pub fn fetches(&self) -> [usize; 2] {
        [&self.one, &self.other].map(|fake| fake.requests(Endpoint::Jwks))
    }
}

pub async fn all_have_keys(authgear: &Authgear) {
    let all = async {
        while authgear
            .status()
            .projects()
            .iter()
            .any(|project| project.status().key_age().is_none())
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all)
        .await
        .unwrap();
}

/// An API that says whose user it has let in.
pub fn api(authgear: &Authgear) -> Router {
    who().layer(authgear.layer())
}

pub fn who() -> Router {
    let whose = |user: AuthUser| async move { user.key().as_str().to_owned() };
    Router::new().route("/user", any(whose))
}

#[track_caller]
pub fn assert_is(answer: &Answer, fake: &FakeAuthgear, user: &User) {
    let key = format!("{}#{}", fake.endpoint(), user.id());
    assert_eq!(
        (answer.status, &*answer.body),
        (StatusCode::OK, &*key),
        "{answer:?}"
    );
}

pub async fn ask(api: &Router, token: &str) -> Answer {
    get(api, "/user", token).await
}
