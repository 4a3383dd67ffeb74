//! A project that comes, goes or changes while requests wait for the revocation log.

use std::time::{Duration, Instant};

use axum_authgear::testkit::User;
use axum_authgear::{AuthErrorKind, Authgear};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::stage::{Stage, all_have_keys, api, ask, assert_is};
use crate::support::{Answer, assert_refused};

/// A server that accepts connections and never says a word: requests wait for it, for two seconds.
async fn silent_server() -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let open = tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            connections.push(connection);
        }
    });
    (format!("redis://127.0.0.1:{port}"), open)
}

async fn soon(waiting: JoinHandle<Answer>) -> Answer {
    timeout(Duration::from_millis(500), waiting)
        .await
        .expect("it need not wait any longer")
        .unwrap()
}

#[tokio::test]
async fn what_waits_for_the_log_is_refused_when_the_project_is_removed() {
    let stage = Stage::new().await;
    let (url, _server) = silent_server().await;
    let authgear = Authgear::any_of(stage.builders())
        .redis(url)
        .build()
        .unwrap();
    let api = api(&authgear);
    let started = Instant::now();
    let wait_with = |token: String| {
        let api = api.clone();
        tokio::spawn(async move { ask(&api, &token).await })
    };
    let own = wait_with(stage.one.token(&stage.alice).sign());
    let others = wait_with(stage.other.token(&stage.other_alice).sign());
    let verifying = tokio::spawn({
        let (authgear, token) = (authgear.clone(), stage.one.token(&stage.alice).sign());
        async move { authgear.verify(&token).await.map(drop) }
    });
    all_have_keys(&authgear).await;
    sleep(Duration::from_millis(300)).await;
    assert!(!own.is_finished() && !others.is_finished() && !verifying.is_finished());
    authgear.projects().remove(stage.one.endpoint()).unwrap();
    assert_refused(&soon(own).await, 401, AuthErrorKind::WrongIssuer);
    let verified = timeout(Duration::from_millis(500), verifying)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(verified.unwrap_err().kind(), AuthErrorKind::WrongIssuer);
    // Near miss: the other project's request still waits, and passes after its two seconds.
    assert!(!others.is_finished());
    let others = others.await.unwrap();
    assert_is(&others, &stage.other, &stage.other_alice);
    assert!(started.elapsed() >= Duration::from_millis(1_900));
}

/// Else a replica that has just started would let in who was ended on the others.
#[tokio::test]
async fn a_request_waits_for_the_log_also_where_the_keys_are_there() {
    let stage = Stage::new().await;
    let (url, _server) = silent_server().await;
    let started = Instant::now();
    let authgear = Authgear::any_of(stage.builders())
        .redis(url)
        .build()
        .unwrap();
    all_have_keys(&authgear).await;
    let token = stage.one.token(&stage.alice).sign();
    let answer = ask(&api(&authgear), &token).await;
    assert_is(&answer, &stage.one, &stage.alice);
    assert!(started.elapsed() >= Duration::from_millis(1_900));
}

#[tokio::test]
async fn what_waits_for_the_log_goes_on_with_the_new_options_when_the_project_is_replaced() {
    let stage = Stage::new().await;
    let (url, _server) = silent_server().await;
    let authgear = Authgear::any_of(stage.builders())
        .redis(url)
        .build()
        .unwrap();
    let api = api(&authgear);
    let wait_with = |client: &str| {
        let token = stage.one.token(&stage.alice).client_id(client).sign();
        let api = api.clone();
        tokio::spawn(async move { ask(&api, &token).await })
    };
    let (good, bad) = (wait_with("web"), wait_with("spa"));
    all_have_keys(&authgear).await;
    sleep(Duration::from_millis(300)).await;
    assert!(!good.is_finished() && !bad.is_finished());
    let [one, _] = stage.builders();
    authgear
        .projects()
        .replace(one.client_ids(["web"]))
        .unwrap();
    assert_refused(&soon(bad).await, 401, AuthErrorKind::ClientNotAllowed);
    assert_is(&good.await.unwrap(), &stage.one, &stage.alice);
}

#[tokio::test]
async fn what_was_ended_while_requests_wait_for_the_log_stays_ended() {
    let stage = Stage::new().await;
    let (url, _server) = silent_server().await;
    let authgear = Authgear::any_of(stage.builders())
        .redis(url)
        .build()
        .unwrap();
    let api = api(&authgear);
    let projects = authgear.projects();
    let (own, others) = (
        stage.one.token(&stage.alice).sign(),
        stage.other.token(&stage.other_alice).sign(),
    );
    let waiting = tokio::spawn({
        let (api, token) = (api.clone(), own.clone());
        async move { ask(&api, &token).await }
    });
    all_have_keys(&authgear).await;
    sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    let project = projects.get(stage.one.endpoint()).unwrap();
    project.revoke_user(stage.alice.id());
    // Removed, and added with other times: what is known is taken over, and a new reading begun.
    projects.remove(stage.one.endpoint()).unwrap();
    let [one, _] = stage.builders();
    let retention = Duration::from_secs(3_600);
    projects.add(one.revocation_retention(retention)).unwrap();
    // It begins again with the project that is there now, which waits for its own reading.
    assert_refused(&waiting.await.unwrap(), 401, AuthErrorKind::Revoked);
    assert_refused(&ask(&api, &own).await, 401, AuthErrorKind::Revoked);
    assert_is(&ask(&api, &others).await, &stage.other, &stage.other_alice);
    // And with the first times again.
    projects.remove(stage.one.endpoint()).unwrap();
    let [one, _] = stage.builders();
    projects.add(one).unwrap();
    assert_refused(&ask(&api, &own).await, 401, AuthErrorKind::Revoked);
    // Near miss: who was not ended.
    let bob = stage.one.add_user(User::new("bob"));
    let bobs = stage.one.token(&bob).sign();
    assert_is(&ask(&api, &bobs).await, &stage.one, &bob);
}
