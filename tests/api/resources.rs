//! Several protected resources over one `Authgear`.

use std::collections::HashSet;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use axum_authgear::authorize::all_scopes;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, User};
use axum_authgear::{
    AuthErrorKind, Authgear, GatewayProof, LiveSessions, Principal, ProtectedResource,
    SessionResolver,
};
use http::StatusCode;

use crate::support::{Answer, assert_refused, get as ask, ready, send, with_headers};

const ORDERS: &str = "https://api.example.com/orders";
const TOOLS: &str = "https://api.example.com/tools";

fn router(authgear: &Authgear, path: &str) -> Router {
    let whoami = |caller: Principal| async move { caller.client_id().unwrap_or("").to_owned() };
    Router::new()
        .route(path, get(whoami).route_layer(authgear.layer()))
        .merge(authgear.resource_metadata_router())
}

fn leads_to(answer: &Answer, path: &str) {
    let expected = format!(
        "resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource{path}\""
    );
    let challenge = answer.challenge().unwrap();
    assert!(challenge.ends_with(&expected), "{challenge}");
}

#[tokio::test]
async fn a_token_for_one_resource_is_refused_by_another_although_it_was_seen() {
    let fake = FakeAuthgear::start().await;
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let orders = authgear
        .for_resource(ProtectedResource::new(ORDERS))
        .unwrap();
    let tools = authgear
        .for_resource(ProtectedResource::new(TOOLS))
        .unwrap();
    let app = router(&orders, "/orders").merge(router(&tools, "/tools"));
    let app = app.merge(Router::new().route(
        "/plain",
        get(|_: Principal| async {}).route_layer(authgear.layer()),
    ));

    let for_orders = fake.client_token("robot", ORDERS).sign();
    let for_tools = fake.client_token("robot", TOOLS).sign();
    let for_users = fake.token(&fake.add_user(User::new("alice"))).sign();
    // Whichever sees it first, and again.
    for _ in 0..3 {
        for (path, token, passes) in [
            ("/tools", &for_orders, false),
            ("/orders", &for_orders, true),
            ("/tools", &for_orders, false),
            ("/plain", &for_orders, false),
            ("/orders", &for_tools, false),
            ("/tools", &for_tools, true),
            ("/plain", &for_users, true),
            ("/orders", &for_users, false),
        ] {
            let answer = ask(&app, path, token).await;
            if passes {
                assert_eq!(answer.status, StatusCode::OK, "{path}");
                continue;
            }
            assert_refused(&answer, 401, AuthErrorKind::WrongAudience);
            if path != "/plain" {
                leads_to(&answer, path);
            }
        }
    }
    for path in ["/orders", "/tools"] {
        let mut request = with_headers(&[]);
        *request.uri_mut() = path.parse().unwrap();
        leads_to(&send(&app, request).await, path);
    }
    // Without HTTP.
    let robot = orders.verify_principal(&for_orders).await;
    assert!(robot.is_ok());
    for other in [&tools, &authgear] {
        let error = other.verify_principal(&for_orders).await.unwrap_err();
        assert_eq!(error.kind(), AuthErrorKind::WrongAudience);
    }
    let alice = authgear.verify(&for_users).await.unwrap();
    assert!(authgear.recheck(&alice).await.is_ok());
    let error = orders.recheck(&alice).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::WrongAudience);
    assert_eq!(
        orders.ended(&alice).await.kind(),
        AuthErrorKind::WrongAudience
    );
    assert_eq!(fake.requests(Endpoint::Jwks), 1);
}

/// An outer layer of one resource does not let its callers into another.
#[tokio::test]
async fn a_layer_inside_of_another_resources_checks_once_more() {
    let fake = FakeAuthgear::start().await;
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let orders = authgear
        .for_resource(ProtectedResource::new(ORDERS))
        .unwrap();
    let both = ProtectedResource::new(TOOLS)
        .audience(TOOLS)
        .audience(ORDERS);
    let tools = authgear.for_resource(both).unwrap();
    let app = Router::new()
        .route("/", get(|| async {}).route_layer(orders.layer()))
        .layer(tools.layer());
    let for_tools = fake.client_token("robot", TOOLS).sign();
    assert_refused(
        &ask(&app, "/", &for_tools).await,
        401,
        AuthErrorKind::WrongAudience,
    );
    let for_orders = fake.client_token("robot", ORDERS).sign();
    assert_eq!(ask(&app, "/", &for_orders).await.status, StatusCode::OK);
    // Nor does a requirement take another resource's caller for its own.
    let requirement = all_scopes(["x"]).unwrap();
    let app = Router::new()
        .route(
            "/",
            get(|| async {}).route_layer(orders.require(requirement)),
        )
        .layer(tools.layer());
    let token = fake.client_token("robot", ORDERS).scope("x").sign();
    let answer = ask(&app, "/", &token).await;
    assert_eq!(answer.kind, Some(AuthErrorKind::AuthgearMismatch));
}

/// A token that waits for its key is asked for its audience before, and after.
#[tokio::test]
async fn the_audience_is_checked_around_a_rotation() {
    let fake = FakeAuthgear::start().await;
    let builder = Authgear::builder(fake.endpoint()).jwks_cooldown(Duration::from_millis(100));
    let authgear = ready(builder).await;
    let orders = authgear
        .for_resource(ProtectedResource::new(ORDERS))
        .unwrap();
    let tools = authgear
        .for_resource(ProtectedResource::new(TOOLS))
        .unwrap();
    let app = router(&orders, "/orders").merge(router(&tools, "/tools"));
    fake.rotate();
    let token = fake.client_token("robot", ORDERS).sign();
    let before = fake.requests(Endpoint::Jwks);
    assert_refused(
        &ask(&app, "/tools", &token).await,
        401,
        AuthErrorKind::WrongAudience,
    );
    assert_eq!(fake.requests(Endpoint::Jwks), before, "it needs no key");
    assert_eq!(ask(&app, "/orders", &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_ended_user_is_ended_for_all() {
    let fake = FakeAuthgear::start().await;
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let resource = |url| ProtectedResource::new(url).audience(fake.endpoint());
    let orders = authgear.for_resource(resource(ORDERS)).unwrap();
    let tools = authgear.for_resource(resource(TOOLS)).unwrap();
    let app = router(&orders, "/orders").merge(router(&tools, "/tools"));
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    for path in ["/orders", "/tools"] {
        assert_eq!(ask(&app, path, &token).await.status, StatusCode::OK);
    }
    orders.revoke_user(alice.id()).unwrap();
    for path in ["/orders", "/tools"] {
        assert_refused(&ask(&app, path, &token).await, 401, AuthErrorKind::Revoked);
    }
}

/// Where no token is read, nothing but the endpoint is ever compared.
#[tokio::test]
async fn an_audience_that_nobody_compares_is_refused() {
    let fake = FakeAuthgear::start().await;
    let builder = || Authgear::builder(fake.endpoint());
    let proof = || GatewayProof::secret("a secret of thirty-two characters");
    let live = LiveSessions::within(Duration::from_secs(10));
    for (name, authgear, compares) in [
        ("jwt", builder().build(), true),
        ("live", builder().live_sessions(live.clone()).build(), true),
        (
            "live, with Authgear's cookies",
            builder().live_sessions(live.session_cookies()).build(),
            false,
        ),
        (
            "resolver",
            builder().session_resolver(SessionResolver::new()).build(),
            false,
        ),
        (
            "gateway",
            builder().dangerous().gateway(proof()).build(),
            false,
        ),
    ] {
        let authgear = authgear.unwrap();
        let plain = ProtectedResource::new(ORDERS);
        let of_project = plain.clone().project_audience();
        assert!(authgear.for_resource(of_project).is_ok(), "{name}");
        for other in [plain.clone(), plain.audience(fake.endpoint())] {
            let outcome = authgear.for_resource(other);
            assert_eq!(outcome.is_ok(), compares, "{name}");
            if let Err(error) = outcome {
                assert_eq!(error.option(), Some("audience"));
            }
        }
    }
}

/// The audience that the builder names counts for its own resources that take it, and for no other.
#[tokio::test]
async fn the_projects_own_audience() {
    let fake = FakeAuthgear::start().await;
    let users = || fake.token(&fake.add_user(User::new("alice"))).sign();
    let machine = |audience: &str| fake.client_token("robot", audience).sign();
    let plain = ready(Authgear::builder(fake.endpoint())).await;
    let named = ready(Authgear::builder(fake.endpoint()).audience(TOOLS)).await;
    for (authgear, passes, refused) in [
        (&plain, users(), machine(ORDERS)),
        (&named, machine(TOOLS), users()),
    ] {
        let resource = ProtectedResource::new(ORDERS).project_audience();
        let orders = authgear.for_resource(resource).unwrap();
        let app = router(&orders, "/orders");
        for _ in 0..2 {
            assert_eq!(ask(&app, "/orders", &passes).await.status, StatusCode::OK);
            let answer = ask(&app, "/orders", &refused).await;
            assert_refused(&answer, 401, AuthErrorKind::WrongAudience);
            leads_to(&answer, "/orders");
        }
        let of_its_own = authgear
            .for_resource(ProtectedResource::new(ORDERS))
            .unwrap();
        assert!(of_its_own.verify_principal(&passes).await.is_err());
        assert!(of_its_own.verify_principal(&machine(ORDERS)).await.is_ok());
    }
}

#[tokio::test]
async fn a_thousand_resources_fetch_no_more_than_one() {
    let fake = FakeAuthgear::start().await;
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let url = |number| format!("https://api.example.com/tenants/{number}");
    let mut app = Router::new();
    for number in 0..1_000 {
        let resource = ProtectedResource::new(url(number)).scopes(["read:orders"]);
        let tenant = authgear.for_resource(resource).unwrap();
        app = app.merge(router(&tenant, &format!("/tenants/{number}")));
    }
    let mut seen = HashSet::new();
    for number in (0..1_000).step_by(37) {
        let token = fake.client_token("robot", url(number)).sign();
        for (other, status) in [(number, 200), ((number + 1) % 1_000, 401)] {
            let answer = ask(&app, &format!("/tenants/{other}"), &token).await;
            assert_eq!(answer.status.as_u16(), status);
            if status == 401 {
                leads_to(&answer, &format!("/tenants/{other}"));
                seen.insert(answer.challenge().unwrap().to_owned());
            }
        }
    }
    assert_eq!(seen.len(), 28);
    assert_eq!(fake.requests(Endpoint::Discovery), 1);
    assert_eq!(fake.requests(Endpoint::Jwks), 1);
}
