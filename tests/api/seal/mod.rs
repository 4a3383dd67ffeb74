//! The seal around an application, and the walk through its routes.

mod false_alarms;
mod wirings;

use axum::Router;
use axum_authgear::AuthErrorKind::UnprotectedRoute;
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{Authgear, testkit};
use http::{Method, Request, StatusCode};

use crate::support::{Answer, ready, send, with_bearer};

/// A project, its token, and an `Authgear` of it.
struct World {
    fake: FakeAuthgear,
    authgear: Authgear,
    token: String,
}

impl World {
    async fn new() -> Self {
        let fake = FakeAuthgear::start().await;
        let alice = fake.add_user(User::new("alice").roles(["admin"]));
        let authgear = ready(Authgear::builder(fake.endpoint())).await;
        let token = fake.token(&alice).sign();
        Self {
            fake,
            authgear,
            token,
        }
    }

    /// Another `Authgear` of the same project: its layers let the same users in.
    async fn another(&self) -> Authgear {
        ready(Authgear::builder(self.fake.endpoint())).await
    }

    /// What a user gets.
    async fn user(&self, app: &Router, path: &str) -> Answer {
        send(app, with_bearer(path, &self.token)).await
    }
}

/// What anybody gets.
async fn anybody(app: &Router, method: &str, path: &str) -> Answer {
    let request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path)
        .body(axum::body::Body::empty());
    send(app, request.unwrap()).await
}

fn is_caught(answer: &Answer) -> bool {
    answer.kind == Some(UnprotectedRoute)
        && answer.status == StatusCode::INTERNAL_SERVER_ERROR
        && answer.body.contains("server_error")
        && answer.body.contains("nothing protects this route")
        && !answer.body.contains(SECRET)
        && !format!("{:?}", answer.headers).contains(SECRET)
}

/// What no stranger may read.
const SECRET: &str = "the-secret-answer";

/// The routes of a walk that are open.
async fn open(app: &Router, routes: &[(&str, &str)]) -> Vec<String> {
    let report = testkit::RouteWalk::new(routes.iter().copied())
        .ask(app)
        .await;
    report.open().into_iter().map(str::to_owned).collect()
}
