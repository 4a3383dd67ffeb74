//! Projects that come, go and change while requests run.

use std::time::Duration;

use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, SigningKey, User};
use axum_authgear::{AuthErrorKind, Authgear, LiveSessions, RedisConfig, SessionResolver};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::stage::{Stage, all_have_keys, api, ask, assert_is};
use crate::support::assert_refused;

#[tokio::test]
async fn a_project_counts_from_when_it_is_added_until_it_is_removed() {
    let stage = Stage::new().await;
    let authgear = Authgear::any_of([]).build().unwrap();
    let projects = authgear.projects();
    let api = api(&authgear);
    let token = stage.one.token(&stage.alice).sign();
    let others = stage.other.token(&stage.other_alice).sign();

    assert_refused(&ask(&api, &token).await, 401, AuthErrorKind::WrongIssuer);
    let [one, other] = stage.builders();
    projects.add(one).unwrap();
    // It waits for the first fetch.
    assert_is(&ask(&api, &token).await, &stage.one, &stage.alice);
    assert_refused(&ask(&api, &others).await, 401, AuthErrorKind::WrongIssuer);
    projects.add(other).unwrap();
    assert_is(&ask(&api, &others).await, &stage.other, &stage.other_alice);
    assert_eq!(projects.issuers().len(), 2);

    // Known tokens too.
    assert_is(&ask(&api, &token).await, &stage.one, &stage.alice);
    assert!(projects.remove(stage.one.endpoint()).unwrap());
    assert_refused(&ask(&api, &token).await, 401, AuthErrorKind::WrongIssuer);
    assert_is(&ask(&api, &others).await, &stage.other, &stage.other_alice);
    assert!(!projects.remove(stage.one.endpoint()).unwrap());
    assert!(projects.get(stage.one.endpoint()).is_none());

    let [one, _] = stage.builders();
    projects.add(one).unwrap();
    assert_is(&ask(&api, &token).await, &stage.one, &stage.alice);
}

#[tokio::test]
async fn a_change_that_cannot_be_made_changes_nothing() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let projects = authgear.projects();
    let [one, _] = stage.builders();
    assert_eq!(projects.add(one).unwrap_err().option(), Some("endpoint"));
    let unknown = Authgear::builder("https://unknown.example");
    assert_eq!(
        projects.replace(unknown).unwrap_err().option(),
        Some("endpoint")
    );
    let [one, _] = stage.builders();
    let misplaced = projects.replace(one.token_cookie("at")).unwrap_err();
    assert_eq!(misplaced.option(), Some("token_cookie"));
    assert_eq!(projects.issuers().len(), 2);
    assert!(projects.get("https://unknown.example").is_none());
    // A trailing slash is dropped, as in the builder.
    let with_slash = format!("{}/", stage.one.endpoint());
    assert!(projects.get(&with_slash).is_some());

    // One that is not made for it has the projects that it was built with.
    let alone = Authgear::builder(stage.one.endpoint()).build().unwrap();
    let [_, other] = stage.builders();
    assert_eq!(
        alone.projects().add(other).unwrap_err().option(),
        Some("projects")
    );
    assert!(alone.projects().remove(stage.one.endpoint()).is_err());
    assert_eq!(alone.projects().issuers(), [stage.one.endpoint()]);
}

/// It is refused before the revocations of both are joined.
#[tokio::test]
async fn a_refused_project_does_not_get_the_revocations_of_the_one_whose_issuer_it_claims() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let projects = authgear.projects();
    let third = FakeAuthgear::start().await;
    let third_alice = third.add_user(User::new("alice").with_id(stage.alice.id()));
    let builder = || Authgear::builder(third.endpoint());
    let claims = || builder().former_issuer(stage.one.endpoint());
    let refused = projects.add(claims()).unwrap_err().to_string();
    assert!(refused.contains(stage.one.endpoint()), "{refused}");
    assert_eq!(projects.issuers().len(), 2);

    let token = stage.one.token(&stage.alice).sign();
    let third_token = third.token(&third_alice).sign();
    let one = projects.get(stage.one.endpoint()).unwrap();
    one.revoke_user(stage.alice.id());
    projects.add(builder()).unwrap();
    let api = api(&authgear);
    assert_refused(&ask(&api, &token).await, 401, AuthErrorKind::Revoked);
    assert_is(&ask(&api, &third_token).await, &third, &third_alice);

    projects.replace(claims()).unwrap_err();
    assert_is(&ask(&api, &third_token).await, &third, &third_alice);
}

#[tokio::test]
async fn dropping_handles_removes_nothing() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let api = api(&authgear);
    let projects = authgear.projects();
    drop(projects.get(stage.one.endpoint()));
    drop(projects);
    drop(authgear);
    let token = stage.one.token(&stage.alice).sign();
    assert_is(&ask(&api, &token).await, &stage.one, &stage.alice);
}

#[tokio::test]
async fn what_waits_for_keys_is_refused_when_the_project_is_removed() {
    let stage = Stage::new().await;
    stage.one.fail(Endpoint::Jwks, Fault::Hang);
    let [one, other] = stage.builders();
    let authgear = Authgear::any_of([one, other]).build().unwrap();
    let api = api(&authgear);
    let token = stage.one.token(&stage.alice).sign();
    let waiting = tokio::spawn({
        let (api, token) = (api.clone(), token.clone());
        async move { ask(&api, &token).await }
    });
    let verifying = tokio::spawn({
        let (authgear, token) = (authgear.clone(), token.clone());
        async move { authgear.verify(&token).await.map(drop) }
    });
    sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished() && !verifying.is_finished());
    authgear.projects().remove(stage.one.endpoint()).unwrap();
    // Not after the patience of a fetch.
    let answer = timeout(Duration::from_secs(2), waiting)
        .await
        .unwrap()
        .unwrap();
    assert_refused(&answer, 401, AuthErrorKind::WrongIssuer);
    let verified = timeout(Duration::from_secs(2), verifying)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(verified.unwrap_err().kind(), AuthErrorKind::WrongIssuer);
    // Near miss: the other project, in the same moment.
    let others = stage.other.token(&stage.other_alice).sign();
    assert_is(&ask(&api, &others).await, &stage.other, &stage.other_alice);
}

#[tokio::test]
async fn what_waits_for_keys_goes_on_with_the_new_options_when_the_project_is_replaced() {
    let stage = Stage::new().await;
    stage.one.fail(Endpoint::Jwks, Fault::Hang);
    let [one, other] = stage.builders();
    let authgear = Authgear::any_of([one, other]).build().unwrap();
    let api = api(&authgear);
    let wait_with = |client: &str| {
        let token = stage.one.token(&stage.alice).client_id(client).sign();
        let api = api.clone();
        tokio::spawn(async move { ask(&api, &token).await })
    };
    let (good, bad) = (wait_with("web"), wait_with("spa"));
    sleep(Duration::from_millis(300)).await;
    assert!(!good.is_finished() && !bad.is_finished());
    stage.one.heal(Endpoint::Jwks);
    let [one, _] = stage.builders();
    authgear
        .projects()
        .replace(one.client_ids(["web"]))
        .unwrap();
    let good = timeout(Duration::from_secs(4), good)
        .await
        .unwrap()
        .unwrap();
    assert_is(&good, &stage.one, &stage.alice);
    let bad = timeout(Duration::from_secs(4), bad).await.unwrap().unwrap();
    assert_refused(&bad, 401, AuthErrorKind::ClientNotAllowed);
}

fn live(fake: &FakeAuthgear) -> axum_authgear::AuthgearBuilder {
    let resolver = SessionResolver::new().timeout(Duration::from_secs(5));
    Authgear::builder(fake.endpoint())
        .live_sessions(LiveSessions::within(Duration::from_secs(10)).session_resolver(resolver))
}

#[tokio::test]
async fn what_waits_for_the_resolver_is_refused_when_the_project_is_removed() {
    let stage = Stage::new().await;
    let [_, other] = stage.builders();
    let authgear = Authgear::any_of([live(&stage.one), other]).build().unwrap();
    all_have_keys(&authgear).await;
    let api = api(&authgear);
    // Another session: the question is its own.
    let token = stage.one.token(&stage.alice).sign();
    stage.one.fail(Endpoint::Resolver, Fault::Hang);
    let waiting = tokio::spawn({
        let (api, token) = (api.clone(), token.clone());
        async move { ask(&api, &token).await }
    });
    sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    authgear.projects().remove(stage.one.endpoint()).unwrap();
    let answer = timeout(Duration::from_secs(2), waiting)
        .await
        .unwrap()
        .unwrap();
    assert_refused(&answer, 401, AuthErrorKind::WrongIssuer);

    // Added again without live sessions, the token stands alone; nothing of before is left.
    let [one, _] = stage.builders();
    authgear.projects().add(one).unwrap();
    assert_is(&ask(&api, &token).await, &stage.one, &stage.alice);
}

/// Redis that takes connections and says nothing.
async fn silent_redis() -> RedisConfig {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    RedisConfig::new(format!("redis://{address}"))
}

#[tokio::test]
async fn what_waits_for_the_log_of_revocations_is_refused_when_the_project_is_removed() {
    let stage = Stage::new().await;
    let [one, other] = stage.builders();
    let authgear = Authgear::any_of([one, other]).redis(silent_redis().await);
    let authgear = authgear.build().unwrap();
    let api = api(&authgear);
    let waits = |fake: &FakeAuthgear, user: &User, client: &str| {
        let token = fake.token(user).client_id(client).sign();
        let api = api.clone();
        tokio::spawn(async move { ask(&api, &token).await })
    };
    let removed = waits(&stage.one, &stage.alice, "web");
    let replaced = waits(&stage.other, &stage.other_alice, "web");
    let refused = waits(&stage.other, &stage.other_alice, "spa");
    all_have_keys(&authgear).await;
    sleep(Duration::from_millis(100)).await;
    for waiting in [&removed, &replaced, &refused] {
        assert!(!waiting.is_finished());
    }
    let projects = authgear.projects();
    projects.remove(stage.one.endpoint()).unwrap();
    let answer = timeout(Duration::from_millis(500), removed).await;
    assert_refused(&answer.unwrap().unwrap(), 401, AuthErrorKind::WrongIssuer);
    let [_, other] = stage.builders();
    projects.replace(other.client_ids(["web"])).unwrap();
    let answer = timeout(Duration::from_millis(500), refused).await;
    let refused = AuthErrorKind::ClientNotAllowed;
    assert_refused(&answer.unwrap().unwrap(), 401, refused);
    // It is waited for as long as before, and no longer than ever.
    let answer = timeout(Duration::from_secs(5), replaced).await;
    assert_is(&answer.unwrap().unwrap(), &stage.other, &stage.other_alice);
}

#[tokio::test]
async fn a_user_is_as_good_as_before_once_the_project_is_back_with_the_same_keys() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let alice = authgear
        .verify(&stage.one.token(&stage.alice).sign())
        .await
        .unwrap();
    let projects = authgear.projects();
    let back = async |builder| {
        projects.remove(stage.one.endpoint()).unwrap();
        let error = authgear.recheck(&alice).await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::WrongIssuer);
        projects.add(builder).unwrap();
        all_have_keys(&authgear).await;
        authgear.recheck(&alice).await
    };
    let [one, _] = stage.builders();
    back(one).await.unwrap();
    // Near miss: another key of the same name.
    let kid = stage.one.signing_kid();
    stage.one.remove_key(&kid);
    stage.one.list_key(&SigningKey::rsa().with_kid(kid));
    let [one, _] = stage.builders();
    let error = back(one).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::UnknownKey);
}

#[tokio::test]
async fn long_connections_end_with_their_project_and_outlive_new_options() {
    let stage = Stage::new().await;
    let [one, _] = stage.builders();
    let authgear = Authgear::any_of([one, live(&stage.other)]).build().unwrap();
    all_have_keys(&authgear).await;
    let alice = authgear
        .verify(&stage.one.token(&stage.alice).sign())
        .await
        .unwrap();
    let others = authgear
        .verify(&stage.other.token(&stage.other_alice).sign())
        .await
        .unwrap();
    let watch = |user: &axum_authgear::AuthUser| {
        let (authgear, user) = (authgear.clone(), user.clone());
        tokio::spawn(async move { authgear.ended(&user).await })
    };
    let (ended, others_ended) = (watch(&alice), watch(&others));
    sleep(Duration::from_millis(300)).await;

    // Other options, the same keys: the streams go on.
    let [one, _] = stage.builders();
    authgear
        .projects()
        .replace(one.leeway(Duration::from_secs(1)))
        .unwrap();
    authgear.projects().replace(live(&stage.other)).unwrap();
    authgear.recheck(&alice).await.unwrap();
    authgear.recheck(&others).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    assert!(!ended.is_finished() && !others_ended.is_finished());

    // Options by which the next request would be refused.
    let [one, _] = stage.builders();
    authgear
        .projects()
        .replace(one.client_ids(["another"]))
        .unwrap();
    let reason = timeout(Duration::from_secs(3), ended)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(reason.kind(), AuthErrorKind::ClientNotAllowed);

    authgear.projects().remove(stage.other.endpoint()).unwrap();
    let reason = timeout(Duration::from_millis(900), others_ended)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(reason.kind(), AuthErrorKind::WrongIssuer);
    let again = authgear.recheck(&others).await.unwrap_err();
    assert_eq!(again.kind(), AuthErrorKind::WrongIssuer);
}

#[tokio::test]
async fn replaced_options_keep_the_keys_while_authgear_is_away() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let api = api(&authgear);
    let token = stage.one.token(&stage.alice).client_id("web").sign();
    stage.one.stop();
    let [one, _] = stage.builders();
    authgear
        .projects()
        .replace(one.client_ids(["web"]))
        .unwrap();
    assert_is(&ask(&api, &token).await, &stage.one, &stage.alice);
    // Removed and added, they are fetched from the start.
    authgear.projects().remove(stage.one.endpoint()).unwrap();
    let [one, _] = stage.builders();
    authgear.projects().add(one).unwrap();
    assert_refused(
        &ask(&api, &token).await,
        503,
        AuthErrorKind::KeysUnavailable,
    );
}

#[tokio::test]
async fn keys_of_another_address_take_the_place_of_the_old_ones_and_are_waited_for() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let api = api(&authgear);
    // Two minutes ago: no younger key is waited for.
    let before = stage.one.clock().now().unix().as_secs() - 120;
    let token = stage.one.token(&stage.alice).issued_at(before).sign();
    assert_is(&ask(&api, &token).await, &stage.one, &stage.alice);
    let elsewhere = FakeAuthgear::start().await;
    elsewhere.fail_once(Endpoint::Jwks, Fault::Delay(Duration::from_millis(300)));
    let [one, _] = stage.builders();
    let one = one.jwks_uri(format!("{}/oauth2/jwks", elsewhere.endpoint()));
    authgear.projects().replace(one).unwrap();
    let moved = stage.one.token(&stage.alice);
    let moved = moved.signed_by(&elsewhere.signing_key()).sign();
    assert_is(&ask(&api, &moved).await, &stage.one, &stage.alice);
    assert_refused(&ask(&api, &token).await, 401, AuthErrorKind::UnknownKey);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_that_comes_and_goes_costs_nobody_an_answer() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let api = api(&authgear);
    let changing = tokio::spawn({
        let projects = authgear.projects();
        let fake = stage.other.clone();
        async move {
            for _ in 0..200 {
                projects.remove(fake.endpoint()).unwrap();
                projects.add(Authgear::builder(fake.endpoint())).unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    let own = stage.one.token(&stage.alice).sign();
    let others = stage.other.token(&stage.other_alice).sign();
    while !changing.is_finished() {
        assert_is(&ask(&api, &own).await, &stage.one, &stage.alice);
        let fresh = stage.one.token(&stage.alice).sign();
        assert_is(&ask(&api, &fresh).await, &stage.one, &stage.alice);
        let theirs = ask(&api, &others).await;
        match theirs.status.as_u16() {
            200 => assert_is(&theirs, &stage.other, &stage.other_alice),
            503 => assert_refused(&theirs, 503, AuthErrorKind::KeysUnavailable),
            _ => assert_refused(&theirs, 401, AuthErrorKind::WrongIssuer),
        }
    }
    changing.await.unwrap();
    assert_is(&ask(&api, &others).await, &stage.other, &stage.other_alice);
    let _: &User = &stage.alice;
}
