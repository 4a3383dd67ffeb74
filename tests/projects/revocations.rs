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
    let none = Authgear::builder(other);
    projects.replace(none).unwrap();
    let none = deliver(other, &stage.other, &stage.other_alice).await;
    assert_eq!(none, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_ends_users_while_their_project_is_out_counts_when_it_is_back() {
    let stage = Stage::new().await;
    let with_secret =
        || Authgear::builder(stage.one.endpoint()).webhook_secrets([stage.one.webhook_secret()]);
    let [_, other] = stage.builders();
    let authgear = Authgear::any_of([with_secret(), other]).build().unwrap();
    all_have_keys(&authgear).await;
    let api = api(&authgear);
    let (projects, service) = (authgear.projects(), authgear.webhook_service());
    let users = ["bob", "carol", "dave"].map(|name| stage.one.add_user(User::new(name)));
    let tokens = users.each_ref().map(|user| stage.one.token(user).sign());
    let [bob, carol, dave] = &users;
    let project = projects.get(stage.one.endpoint()).unwrap();
    // Nothing was known of anybody when it was removed.
    projects.remove(stage.one.endpoint()).unwrap();
    project.revoke_user(bob.id());
    let deliver = |fake: &FakeAuthgear, user: &User| {
        let webhook = fake.webhook(WebhookEvent::UserDeleted, user);
        let request = Request::post("/")
            .header("x-authgear-body-signature", webhook.signature())
            .body(Body::from(webhook.body()))
            .unwrap();
        let issuer = stage.one.endpoint().to_owned();
        let answer = service.clone().oneshot((issuer, request));
        async move { answer.await.unwrap().status() }
    };
    assert_eq!(deliver(&stage.one, carol).await, StatusCode::NO_CONTENT);
    // Near miss: another's signature is no better than before.
    let forged = deliver(&stage.other, dave).await;
    assert_eq!(forged, StatusCode::UNAUTHORIZED);
    for token in &tokens {
        assert_refused(&ask(&api, token).await, 401, AuthErrorKind::WrongIssuer);
    }
    projects.add(with_secret()).unwrap();
    let [bobs, carols, daves] = &tokens;
    for token in [bobs, carols] {
        assert_refused(&ask(&api, token).await, 401, AuthErrorKind::Revoked);
    }
    assert_is(&ask(&api, daves).await, &stage.one, dave);
}

#[tokio::test]
async fn new_secrets_count_under_each_name_of_the_project() {
    let stage = Stage::new().await;
    let (new, old) = (stage.one.endpoint(), "https://old.example");
    let first = stage.one.webhook_secret();
    let authgear = Authgear::any_of([]).build().unwrap();
    let (projects, service) = (authgear.projects(), authgear.webhook_service());
    let deliver = |issuer: &str| {
        let webhook = stage.one.webhook(WebhookEvent::UserDeleted, &stage.alice);
        let request = Request::post("/")
            .header("x-authgear-body-signature", webhook.signature())
            .body(Body::from(webhook.body()))
            .unwrap();
        let answer = service.clone().oneshot((issuer.to_owned(), request));
        async move { answer.await.unwrap().status() }
    };
    let with = |issuer: &str, secret: &str| Authgear::builder(issuer).webhook_secrets([secret]);
    projects.add(with(old, "before")).unwrap();
    // Moved, as documented, with the secret that signs here.
    projects.remove(old).unwrap();
    projects.add(with(new, &first).former_issuer(old)).unwrap();
    all_have_keys(&authgear).await;
    let api = api(&authgear);
    for issuer in [new, old] {
        assert_eq!(deliver(issuer).await, StatusCode::NO_CONTENT, "{issuer}");
    }
    let token = stage.one.token(&stage.alice).sign();
    assert_refused(&ask(&api, &token).await, 401, AuthErrorKind::Revoked);

    for changed in [
        with(new, "second").former_issuer(old),
        // A name that leaves the project keeps no secret that the project no longer has.
        with(new, "third"),
    ] {
        projects
            .replace(with(new, &first).former_issuer(old))
            .unwrap();
        assert_eq!(deliver(old).await, StatusCode::NO_CONTENT);
        projects.replace(changed).unwrap();
        for issuer in [new, old] {
            assert_eq!(deliver(issuer).await, StatusCode::UNAUTHORIZED, "{issuer}");
        }
    }
    // Without secrets, no name has any.
    projects
        .replace(with(new, &first).former_issuer(old))
        .unwrap();
    projects
        .replace(Authgear::builder(new).former_issuer(old))
        .unwrap();
    for issuer in [new, old] {
        assert_eq!(deliver(issuer).await, StatusCode::NOT_FOUND, "{issuer}");
    }
    // Near miss: the secret of another project stays.
    let other = stage.other.endpoint();
    projects.add(with(other, &first)).unwrap();
    projects.replace(with(new, "fourth")).unwrap();
    assert_eq!(deliver(other).await, StatusCode::NO_CONTENT);
}

/// A body that comes in two parts.
fn in_two_parts(body: &[u8]) -> (Body, tokio::sync::mpsc::Sender<Vec<u8>>, Vec<u8>) {
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Vec<u8>>(2);
    let (first, rest) = body.split_at(body.len() / 2);
    sender.try_send(first.to_vec()).unwrap();
    let parts = futures_util::stream::poll_fn(move |context| {
        receiver
            .poll_recv(context)
            .map(|part| part.map(Ok::<_, std::convert::Infallible>))
    });
    (Body::from_stream(parts), sender, rest.to_vec())
}

#[tokio::test]
async fn a_webhook_that_is_under_way_counts_whatever_becomes_of_the_project() {
    enum Change {
        Removed,
        Replaced,
        RemovedAndAdded,
    }
    for change in [Change::Removed, Change::Replaced, Change::RemovedAndAdded] {
        let stage = Stage::new().await;
        let with_secret = || {
            Authgear::builder(stage.one.endpoint()).webhook_secrets([stage.one.webhook_secret()])
        };
        // Revocations that are kept elsewhere from then on.
        let changed = || with_secret().revocation_retention(Duration::from_secs(3_600));
        let [_, other] = stage.builders();
        let authgear = Authgear::any_of([with_secret(), other]).build().unwrap();
        all_have_keys(&authgear).await;
        let api = api(&authgear);
        let projects = authgear.projects();
        let token = stage.one.token(&stage.alice).sign();
        let others = stage.other.token(&stage.other_alice).sign();
        assert_is(&ask(&api, &token).await, &stage.one, &stage.alice);

        let webhook = stage.one.webhook(WebhookEvent::UserDeleted, &stage.alice);
        let (body, sender, rest) = in_two_parts(webhook.body().as_bytes());
        let request = Request::post("/")
            .header("x-authgear-body-signature", webhook.signature())
            .body(body)
            .unwrap();
        let service = authgear.webhook_service();
        let answer = tokio::spawn(service.oneshot((stage.one.endpoint().to_owned(), request)));
        tokio::time::sleep(Duration::from_millis(50)).await;
        match change {
            Change::Removed => assert!(projects.remove(stage.one.endpoint()).unwrap()),
            Change::Replaced => projects.replace(changed()).unwrap(),
            Change::RemovedAndAdded => {
                projects.remove(stage.one.endpoint()).unwrap();
                projects.add(changed()).unwrap();
            }
        }
        sender.send(rest).await.unwrap();
        drop(sender);
        let status = answer.await.unwrap().unwrap().status();
        assert_eq!(status, StatusCode::NO_CONTENT);
        if matches!(change, Change::Removed) {
            projects.add(changed()).unwrap();
        }
        assert_refused(&ask(&api, &token).await, 401, AuthErrorKind::Revoked);
        assert_is(&ask(&api, &others).await, &stage.other, &stage.other_alice);
    }
}

#[tokio::test]
async fn slow_deliveries_for_one_project_refuse_none_for_another() {
    let stage = Stage::new().await;
    let projects = [&stage.one, &stage.other]
        .map(|fake| Authgear::builder(fake.endpoint()).webhook_secrets([fake.webhook_secret()]));
    let authgear = Authgear::any_of(projects).build().unwrap();
    let service = authgear.webhook_service();
    let deliver = |fake: &FakeAuthgear, user: &User, is_slow: bool| {
        let webhook = fake.webhook(WebhookEvent::UserDeleted, user);
        let (slow, sender, _) = in_two_parts(webhook.body().as_bytes());
        let body = if is_slow {
            slow
        } else {
            Body::from(webhook.body())
        };
        let request = Request::post("/")
            .header("x-authgear-body-signature", webhook.signature())
            .body(body)
            .unwrap();
        let answer = service
            .clone()
            .oneshot((fake.endpoint().to_owned(), request));
        async move {
            let status = answer.await.unwrap().status();
            drop(sender);
            status
        }
    };
    let flood: Vec<_> = (0..300)
        .map(|_| tokio::spawn(deliver(&stage.one, &stage.alice, true)))
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let refused = deliver(&stage.one, &stage.alice, false).await;
    assert_eq!(refused, StatusCode::SERVICE_UNAVAILABLE);
    let taken = deliver(&stage.other, &stage.other_alice, false).await;
    assert_eq!(taken, StatusCode::NO_CONTENT);
    // Near miss: the project's own places are free again when its bodies are gone.
    for delivery in flood {
        delivery.abort();
        let _ = delivery.await;
    }
    let taken = deliver(&stage.one, &stage.alice, false).await;
    assert_eq!(taken, StatusCode::NO_CONTENT);
}
