//! How several projects are doing, and when they can verify.

use std::error::Error;
use std::time::Duration;

use axum_authgear::testkit::{Endpoint, Fault};
use axum_authgear::{AuthErrorKind, Authgear, Health};
use tokio::runtime::Runtime;

use crate::stage::{Stage, all_have_keys, api, ask, assert_is};
use crate::support::{assert_refused, turns};

#[tokio::test]
async fn one_that_can_verify_is_enough_to_be_ready_and_the_other_is_said() {
    let stage = Stage::new().await;
    stage.one.fail(Endpoint::Discovery, Fault::Status(503));
    let authgear = Authgear::any_of(stage.builders()).build().unwrap();
    authgear.ready(Duration::from_secs(10)).await.unwrap();
    let status = authgear.status();
    assert_eq!(status.health(), Health::Degraded);
    assert!(status.last_error().is_some());
    assert_eq!(status.projects().len(), 2);
    for project in status.projects() {
        let is_down = project.issuer() == stage.one.endpoint();
        let health = if is_down {
            Health::Down
        } else {
            Health::Healthy
        };
        assert_eq!(project.status().health(), health, "{}", project.issuer());
        assert_eq!(project.status().last_error().is_some(), is_down);
        assert_eq!(project.status().key_age().is_none(), is_down);
        let own = authgear.projects().get(project.issuer()).unwrap();
        assert_eq!(own.status().unwrap().health(), health);
    }
    let api = api(&authgear);
    let token = stage.one.token(&stage.alice).sign();
    assert_refused(
        &ask(&api, &token).await,
        503,
        AuthErrorKind::KeysUnavailable,
    );
    let token = stage.other.token(&stage.other_alice).sign();
    assert_is(&ask(&api, &token).await, &stage.other, &stage.other_alice);
}

#[tokio::test]
async fn none_that_can_verify_is_down_and_not_ready() {
    let stage = Stage::new().await;
    for fake in [&stage.one, &stage.other] {
        fake.fail(Endpoint::Discovery, Fault::Status(503));
    }
    let authgear = Authgear::any_of(stage.builders()).build().unwrap();
    let error = authgear.ready(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::KeysUnavailable);
    assert_eq!(authgear.status().health(), Health::Down);

    // A tenant that has no keys yet keeps no replica out of service once another has.
    stage.other.heal(Endpoint::Discovery);
    authgear.ready(Duration::from_secs(30)).await.unwrap();
    turns(&authgear, Health::Degraded).await;
}

#[tokio::test]
async fn without_projects_there_is_nothing_to_wait_for() {
    let authgear = Authgear::any_of([]).build().unwrap();
    authgear.ready(Duration::from_secs(1)).await.unwrap();
    assert_eq!(authgear.status().health(), Health::Healthy);
    assert!(authgear.status().projects().is_empty());
}

#[tokio::test]
async fn all_well_is_healthy_and_a_removed_project_is_not_spoken_of() {
    let stage = Stage::new().await;
    let authgear = Authgear::any_of(stage.builders()).build().unwrap();
    all_have_keys(&authgear).await;
    assert_eq!(authgear.status().health(), Health::Healthy);
    let project = authgear.projects().get(stage.one.endpoint()).unwrap();
    authgear.projects().remove(stage.one.endpoint()).unwrap();
    assert!(project.status().is_none());
    assert_eq!(authgear.status().projects().len(), 1);
    // Of the last one, too.
    let project = authgear.projects().get(stage.other.endpoint()).unwrap();
    assert!(project.status().is_some());
    authgear.projects().remove(stage.other.endpoint()).unwrap();
    assert!(project.status().is_none());
    assert!(authgear.status().projects().is_empty());
}

/// The other one will never have keys, and is not waited for.
#[test]
fn one_that_has_keys_is_enough_if_the_runtime_has_ended() {
    let server = Runtime::new().unwrap();
    let stage = server.block_on(Stage::new());
    // Whichever comes first.
    for with_keys in [&stage.one, &stage.other] {
        let first = Runtime::new().unwrap();
        let authgear = first.block_on(async {
            let without = [&stage.one, &stage.other]
                .into_iter()
                .find(|fake| fake.endpoint() != with_keys.endpoint())
                .unwrap();
            without.fail(Endpoint::Discovery, Fault::Status(503));
            let authgear = Authgear::any_of(stage.builders()).build().unwrap();
            authgear.ready(Duration::from_secs(60)).await.unwrap();
            without.heal(Endpoint::Discovery);
            authgear
        });
        drop(first);
        let ready = authgear.ready(Duration::from_secs(60));
        Runtime::new().unwrap().block_on(ready).unwrap();
    }
}

#[test]
fn if_none_can_ever_verify_that_is_said_at_once() {
    let server = Runtime::new().unwrap();
    let stage = server.block_on(Stage::new());
    for fake in [&stage.one, &stage.other] {
        fake.fail(Endpoint::Discovery, Fault::Status(503));
    }
    let first = Runtime::new().unwrap();
    let authgear = first.block_on(async {
        let authgear = Authgear::any_of(stage.builders()).build().unwrap();
        authgear
            .ready(Duration::from_millis(200))
            .await
            .unwrap_err();
        authgear
    });
    drop(first);
    let ready = authgear.ready(Duration::from_secs(600));
    let error = Runtime::new().unwrap().block_on(ready).unwrap_err();
    assert!(says_so(&error), "{error:?}");
}

fn says_so(error: &(dyn Error + 'static)) -> bool {
    let text = error.to_string();
    text.contains("runtime") && text.contains("ended") || error.source().is_some_and(says_so)
}
