//! What ends one project's users and tokens ends nobody else's, and outlives the project.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, User, WebhookEvent};
use axum_authgear::{AuthErrorKind, Authgear, LiveSessions};
use http::{Request, StatusCode};
use tower::ServiceExt;

use crate::stage::{Stage, all_have_keys, api, ask, assert_is};
use crate::support::{assert_refused, send};

#[tokio::test]
async fn a_user_of_the_same_id_is_another_user() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let api = api(&authgear);
    let (own, others) = (
        stage.one.token(&stage.alice).sign(),
        stage.other.token(&stage.other_alice).sign(),
    );
    assert_is(&ask(&api, &own).await, &stage.one, &stage.alice);
    assert_is(&ask(&api, &others).await, &stage.other, &stage.other_alice);
    // An id alone names nobody.
    let error = authgear.revoke_user(stage.alice.id()).unwrap_err();
    assert_eq!(error.option(), Some("revoke_user"));
    assert_is(&ask(&api, &own).await, &stage.one, &stage.alice);

    let project = authgear.projects().get(stage.one.endpoint()).unwrap();
    project.revoke_user(stage.alice.id());
    assert_refused(&ask(&api, &own).await, 401, AuthErrorKind::Revoked);
    assert_is(&ask(&api, &others).await, &stage.other, &stage.other_alice);
}

#[tokio::test]
async fn a_token_of_the_same_id_is_another_token() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let api = api(&authgear);
    let token = |fake: &FakeAuthgear, user: &User| fake.token(user).claim("jti", "same").sign();
    let (own, others) = (
        token(&stage.one, &stage.alice),
        token(&stage.other, &stage.other_alice),
    );
    authgear.revoke_token(&authgear.verify(&own).await.unwrap());
    assert_refused(&ask(&api, &own).await, 401, AuthErrorKind::Revoked);
    assert_is(&ask(&api, &others).await, &stage.other, &stage.other_alice);
}

#[tokio::test]
async fn revocations_outlive_the_project() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let api = api(&authgear);
    let projects = authgear.projects();
    let project = projects.get(stage.one.endpoint()).unwrap();
    let ended = stage.one.token(&stage.alice).sign();
    let bob = stage.one.add_user(User::new("bob"));
    let bobs = stage.one.token(&bob).sign();
    project.revoke_user(stage.alice.id());

    // Replaced, with other times for what is remembered.
    let [one, _] = stage.builders();
    let retention = Duration::from_secs(3_600);
    projects
        .replace(one.revocation_retention(retention))
        .unwrap();
    assert_refused(&ask(&api, &ended).await, 401, AuthErrorKind::Revoked);
    assert_is(&ask(&api, &bobs).await, &stage.one, &bob);

    // Removed, and told of another user meanwhile.
    projects.remove(stage.one.endpoint()).unwrap();
    project.revoke_user(bob.id());
    let [one, _] = stage.builders();
    projects.add(one).unwrap();
    assert_refused(&ask(&api, &ended).await, 401, AuthErrorKind::Revoked);
    assert_refused(&ask(&api, &bobs).await, 401, AuthErrorKind::Revoked);
    // Near miss: whoever was not ended.
    let carol = stage.one.add_user(User::new("carol"));
    assert_is(
        &ask(&api, &stage.one.token(&carol).sign()).await,
        &stage.one,
        &carol,
    );
}

#[tokio::test]
async fn a_webhook_ends_the_users_of_its_project_alone() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let api = api(&authgear);
    let secret = |fake: &FakeAuthgear| fake.webhook_secret();
    let error = authgear
        .webhooks::<(), _>([secret(&stage.one)])
        .unwrap_err();
    assert_eq!(error.option(), Some("webhooks"));
    let routes = [&stage.one, &stage.other].map(|fake| {
        let project = authgear.projects().get(fake.endpoint()).unwrap();
        Router::new().route("/hook", project.webhooks([secret(fake)]).unwrap())
    });
    let deliver = |route: &Router, fake: &FakeAuthgear, user: &User| {
        let webhook = fake.webhook(WebhookEvent::UserDeleted, user);
        let request = Request::post("/hook")
            .header("x-authgear-body-signature", webhook.signature())
            .body(Body::from(webhook.body()))
            .unwrap();
        let route = route.clone();
        async move { send(&route, request).await.status }
    };
    let [own_route, others_route] = routes;
    let (own, others) = (
        stage.one.token(&stage.alice).sign(),
        stage.other.token(&stage.other_alice).sign(),
    );
    assert_is(&ask(&api, &own).await, &stage.one, &stage.alice);
    // At the route of another project its signature is no good.
    let misdirected = deliver(&others_route, &stage.one, &stage.alice).await;
    assert_eq!(misdirected, StatusCode::UNAUTHORIZED);
    assert_is(&ask(&api, &own).await, &stage.one, &stage.alice);
    assert_is(&ask(&api, &others).await, &stage.other, &stage.other_alice);

    let taken = deliver(&own_route, &stage.one, &stage.alice).await;
    assert_eq!(taken, StatusCode::NO_CONTENT);
    assert_refused(&ask(&api, &own).await, 401, AuthErrorKind::Revoked);
    assert_is(&ask(&api, &others).await, &stage.other, &stage.other_alice);

    // The route goes on with the project that is there.
    let [_, other] = stage.builders();
    let projects = authgear.projects();
    projects
        .replace(other.leeway(Duration::from_secs(1)))
        .unwrap();
    let taken = deliver(&others_route, &stage.other, &stage.other_alice).await;
    assert_eq!(taken, StatusCode::NO_CONTENT);
    assert_refused(&ask(&api, &others).await, 401, AuthErrorKind::Revoked);
    // Also while it is away: it may come back.
    projects.remove(stage.other.endpoint()).unwrap();
    let bob = stage.other.add_user(User::new("bob"));
    let bobs = stage.other.token(&bob).sign();
    let taken = deliver(&others_route, &stage.other, &bob).await;
    assert_eq!(taken, StatusCode::NO_CONTENT);
    let [_, other] = stage.builders();
    projects.add(other).unwrap();
    assert_refused(&ask(&api, &bobs).await, 401, AuthErrorKind::Revoked);
}

#[tokio::test]
async fn a_session_of_one_project_says_nothing_of_anothers() {
    let stage = Stage::new().await;
    let live = |fake: &FakeAuthgear| {
        Authgear::builder(fake.endpoint())
            .live_sessions(LiveSessions::within(Duration::from_secs(2)))
    };
    let authgear = Authgear::any_of([live(&stage.one), live(&stage.other)]);
    let authgear = authgear.build().unwrap();
    all_have_keys(&authgear).await;
    let api = api(&authgear);
    let (own, others) = (
        stage.one.token(&stage.alice).sign(),
        stage.other.token(&stage.other_alice).sign(),
    );
    assert_is(&ask(&api, &others).await, &stage.other, &stage.other_alice);
    assert_is(&ask(&api, &own).await, &stage.one, &stage.alice);
    // Each asks its own; probes bring an opaque token.
    for (fake, token) in [(&stage.one, &own), (&stage.other, &others)] {
        let asked = fake.recorded(Endpoint::Resolver);
        let asked = asked
            .iter()
            .filter_map(|asked| asked.header("authorization"));
        let asked: Vec<_> = asked.filter(|value| value.contains('.')).collect();
        assert_eq!(asked, [format!("Bearer {token}")]);
    }
    stage.one.disable(&stage.alice);
    let project = authgear.projects().get(stage.one.endpoint()).unwrap();
    project.invalidate_user(stage.alice.id());
    assert_refused(&ask(&api, &own).await, 401, AuthErrorKind::SessionInvalid);
    assert_is(&ask(&api, &others).await, &stage.other, &stage.other_alice);
}

#[tokio::test]
async fn one_service_takes_the_webhooks_of_projects_that_come_and_go() {
    let stage = Stage::new().await;
    let authgear = Authgear::any_of([]).build().unwrap();
    let projects = authgear.projects();
    let service = authgear.webhook_service();
    let deliver = |issuer: &str, fake: &FakeAuthgear, user: &User| {
        let webhook = fake.webhook(WebhookEvent::UserDeleted, user);
        let request = Request::post("/")
            .header("x-authgear-body-signature", webhook.signature())
            .body(Body::from(webhook.body()))
            .unwrap();
        let answer = service.clone().oneshot((issuer.to_owned(), request));
        async move { answer.await.unwrap().status() }
    };
    let (one, other) = (stage.one.endpoint(), stage.other.endpoint());
    let unknown = deliver(one, &stage.one, &stage.alice).await;
    assert_eq!(unknown, StatusCode::NOT_FOUND);
    let with_secret = |fake: &FakeAuthgear| {
        Authgear::builder(fake.endpoint()).webhook_secrets([fake.webhook_secret()])
    };
    projects.add(with_secret(&stage.one)).unwrap();
    projects.add(with_secret(&stage.other)).unwrap();
    all_have_keys(&authgear).await;
    let api = api(&authgear);
    let (own, others) = (
        stage.one.token(&stage.alice).sign(),
        stage.other.token(&stage.other_alice).sign(),
    );
    assert_is(&ask(&api, &own).await, &stage.one, &stage.alice);
    // Revocation is on: what ended a token that does not say when it was issued cannot be known.
    let undated = stage.one.token(&stage.alice).remove_claim("iat").sign();
    assert_refused(
        &ask(&api, &undated).await,
        401,
        AuthErrorKind::MissingIssuedAt,
    );

    for (issuer, status) in [
        (other, StatusCode::UNAUTHORIZED),
        (&*format!("{one}/"), StatusCode::NOT_FOUND),
        ("", StatusCode::NOT_FOUND),
        (one, StatusCode::NO_CONTENT),
    ] {
        assert_is(&ask(&api, &own).await, &stage.one, &stage.alice);
        assert_eq!(
            deliver(issuer, &stage.one, &stage.alice).await,
            status,
            "{issuer}"
        );
        assert_is(&ask(&api, &others).await, &stage.other, &stage.other_alice);
    }
    assert_refused(&ask(&api, &own).await, 401, AuthErrorKind::Revoked);
    // Another secret counts at once, and no project has none.
    let another = Authgear::builder(other).webhook_secrets(["another"]);
    projects.replace(another).unwrap();
    let old = deliver(other, &stage.other, &stage.other_alice).await;
    assert_eq!(old, StatusCode::UNAUTHORIZED);
    projects.remove(other).unwrap();
    let gone = deliver(other, &stage.other, &stage.other_alice).await;
    assert_eq!(gone, StatusCode::NOT_FOUND);
}
