//! Routes on which some projects count, and requirements that name one.

use std::time::Duration;

use axum::Router;
use axum::http::request::Parts;
use axum::routing::get;
use axum_authgear::authorize::{any_scope, has_role, issued_by};
use axum_authgear::testkit::{Endpoint, Fault, User};
use axum_authgear::{AuthErrorKind, Authgear, Principal};
use http::StatusCode;

use crate::stage::{Stage, all_have_keys, assert_is, who};
use crate::support::{assert_refused, get as get_path, send};

/// The project of the tenant whose path it is.
fn tenants(stage: &Stage) -> impl Fn(&Parts, &str) -> bool + Clone + Send + Sync + 'static {
    let (one, other) = (
        stage.one.endpoint().to_owned(),
        stage.other.endpoint().to_owned(),
    );
    move |request, issuer| {
        let path = request.uri.path();
        (path.starts_with("/one/") && issuer == one)
            || (path.starts_with("/other/") && issuer == other)
    }
}

fn tenant_api(authgear: &Authgear, stage: &Stage) -> Router {
    // Around the whole: what is nested sees its own part of the path.
    Router::new()
        .nest("/one", who())
        .nest("/other", who())
        .layer(authgear.layer().issuers(tenants(stage)))
}

#[tokio::test]
async fn a_good_token_of_another_tenant_is_forbidden() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let api = tenant_api(&authgear, &stage);
    let own = stage.one.token(&stage.alice).sign();
    let others = stage.other.token(&stage.other_alice).sign();
    for _ in 0..2 {
        assert_is(
            &get_path(&api, "/one/user", &own).await,
            &stage.one,
            &stage.alice,
        );
        let answer = get_path(&api, "/other/user", &others).await;
        assert_is(&answer, &stage.other, &stage.other_alice);
        for (path, token) in [("/other/user", &own), ("/one/user", &others)] {
            let refused = get_path(&api, path, token).await;
            assert_refused(&refused, 403, AuthErrorKind::IssuerNotAllowed);
        }
    }
    // A bad one is bad anywhere, and none at all is none.
    let forged = stage.one.token(&stage.alice).tamper_signature().sign();
    let refused = get_path(&api, "/other/user", &forged).await;
    assert_refused(&refused, 401, AuthErrorKind::BadSignature);
    let none = http::Request::get("/one/user").body(axum::body::Body::empty());
    let refused = send(&api, none.unwrap()).await;
    assert_refused(&refused, 401, AuthErrorKind::MissingCredential);
}

#[tokio::test]
async fn a_second_filter_of_one_layer_narrows_the_first() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let suspended = stage.other.endpoint().to_owned();
    let layer = authgear
        .layer()
        .issuers(tenants(&stage))
        .issuers(move |_, issuer| issuer != suspended);
    let api = Router::new()
        .nest("/one", who())
        .nest("/other", who())
        .layer(layer);
    let own = stage.one.token(&stage.alice).sign();
    let others = stage.other.token(&stage.other_alice).sign();
    assert_is(
        &get_path(&api, "/one/user", &own).await,
        &stage.one,
        &stage.alice,
    );
    for (path, token) in [("/other/user", &own), ("/other/user", &others)] {
        let refused = get_path(&api, path, token).await;
        assert_refused(&refused, 403, AuthErrorKind::IssuerNotAllowed);
    }
}

#[tokio::test]
async fn a_token_that_had_to_wait_is_forbidden_as_well() {
    let stage = Stage::new().await;
    let authgear = Authgear::any_of(stage.builders()).build().unwrap();
    let api = tenant_api(&authgear, &stage);
    stage
        .one
        .fail_once(Endpoint::Jwks, Fault::Delay(Duration::from_millis(200)));
    let own = stage.one.token(&stage.alice).sign();
    let refused = get_path(&api, "/other/user", &own).await;
    assert_refused(&refused, 403, AuthErrorKind::IssuerNotAllowed);
    assert_is(
        &get_path(&api, "/one/user", &own).await,
        &stage.one,
        &stage.alice,
    );
}

#[tokio::test]
async fn a_layer_inside_narrows_what_an_outer_one_lets_pass() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let api = Router::new()
        .merge(who().layer(authgear.layer().issuers({
            let one = stage.one.endpoint().to_owned();
            move |_: &Parts, issuer: &str| issuer == one
        })))
        .route(
            "/open",
            get(|user: Option<axum_authgear::AuthUser>| async move {
                user.map_or("nobody".to_owned(), |user| user.key().as_str().to_owned())
            }),
        )
        .layer(authgear.layer().optional());
    let own = stage.one.token(&stage.alice).sign();
    let others = stage.other.token(&stage.other_alice).sign();
    assert_is(
        &get_path(&api, "/user", &own).await,
        &stage.one,
        &stage.alice,
    );
    let refused = get_path(&api, "/user", &others).await;
    assert_refused(&refused, 403, AuthErrorKind::IssuerNotAllowed);
    let open = get_path(&api, "/open", &others).await;
    assert_is(&open, &stage.other, &stage.other_alice);
}

#[tokio::test]
async fn an_optional_layer_refuses_those_who_do_not_count() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let api = Router::new()
        .route(
            "/open",
            get(|caller: Option<Principal>| async move {
                if caller.is_some() {
                    "somebody"
                } else {
                    "nobody"
                }
            }),
        )
        .layer(authgear.layer().optional().issuers({
            let one = stage.one.endpoint().to_owned();
            move |_: &Parts, issuer: &str| issuer == one
        }));
    let request = http::Request::get("/open").body(axum::body::Body::empty());
    assert_eq!(send(&api, request.unwrap()).await.body, "nobody");
    let own = stage.one.token(&stage.alice).sign();
    assert_eq!(get_path(&api, "/open", &own).await.body, "somebody");
    let others = stage.other.token(&stage.other_alice).sign();
    let refused = get_path(&api, "/open", &others).await;
    assert_refused(&refused, 403, AuthErrorKind::IssuerNotAllowed);
}

#[tokio::test]
async fn a_role_is_one_of_an_issuer() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let admin = |endpoint: &str| issued_by(endpoint).and(has_role("admin"));
    let api = who()
        .route_layer(authgear.require(admin(&format!("{}/", stage.one.endpoint()))))
        .layer(authgear.layer());
    stage.other.set_roles(&stage.other_alice, ["admin"]);
    let others = stage.other.token(&stage.other_alice).sign();
    let refused = get_path(&api, "/user", &others).await;
    assert_refused(&refused, 403, AuthErrorKind::IssuerNotAllowed);
    let own = stage.one.token(&stage.alice).sign();
    let refused = get_path(&api, "/user", &own).await;
    assert_refused(&refused, 403, AuthErrorKind::RoleMissing);
    stage.one.set_roles(&stage.alice, ["admin"]);
    let own = stage.one.token(&stage.alice).sign();
    assert_is(
        &get_path(&api, "/user", &own).await,
        &stage.one,
        &stage.alice,
    );
}

#[tokio::test]
async fn a_machine_is_one_of_an_issuer() {
    let stage = Stage::new().await;
    let resource = "https://api.example.com";
    let [one, other] = stage.builders();
    let authgear = Authgear::any_of([one.audience(resource), other.audience(resource)]);
    let authgear = authgear.build().unwrap();
    all_have_keys(&authgear).await;
    let requirement = issued_by(stage.one.endpoint()).and(any_scope(["read"]).unwrap());
    let api = Router::new()
        .route("/any", get(|| async { "reached" }))
        .route_layer(authgear.require(requirement))
        .layer(authgear.layer());
    let machine = |fake: &axum_authgear::testkit::FakeAuthgear| {
        fake.client_token("worker", resource).scope("read").sign()
    };
    let answer = get_path(&api, "/any", &machine(&stage.one)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let refused = get_path(&api, "/any", &machine(&stage.other)).await;
    assert_refused(&refused, 403, AuthErrorKind::IssuerNotAllowed);
    let _: &User = &stage.alice;
}
