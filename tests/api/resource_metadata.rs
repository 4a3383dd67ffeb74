//! RFC 9728: the metadata, and the way to it.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use axum_authgear::authorize::{HasScope, ScopeName};
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthUser, Authgear, AuthgearBuilder, ConfigError, ProtectedResource};
use http::{Request, StatusCode, header};

use crate::support::{get as get_with, ready, send};

struct ReadOrders;

impl ScopeName for ReadOrders {
    const NAME: &str = "read:orders";
}

async fn api(builder: AuthgearBuilder) -> Router {
    let authgear = ready(builder).await;
    Router::new()
        .route(
            "/",
            get(|user: AuthUser| async move { user.id().to_owned() }),
        )
        .route("/orders", get(|_: HasScope<ReadOrders>| async { "orders" }))
        .layer(authgear.layer())
        .merge(authgear.metadata_router())
}

fn bare(path: &str, host: &str) -> Request<Body> {
    let request = Request::get(path).header(header::HOST, host);
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_challenge_leads_to_the_metadata_whatever_the_host() {
    let fake = FakeAuthgear::start().await;
    let resource = ProtectedResource::new("https://api.example.com/v1").scopes(["read:orders"]);
    let api = api(Authgear::builder(fake.endpoint()).protected_resource(resource)).await;
    let path = "/.well-known/oauth-protected-resource/v1";
    let parameter = format!("resource_metadata=\"https://api.example.com{path}\"");

    for host in ["api.example.com", "evil.example"] {
        let refusal = send(&api, bare("/", host)).await;
        assert_eq!(refusal.status, StatusCode::UNAUTHORIZED);
        assert_eq!(
            refusal.challenge(),
            Some(format!("Bearer {parameter}").as_str())
        );

        let answer = send(&api, bare(path, host)).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(
            answer.body,
            format!(
                "{{\"resource\":\"https://api.example.com/v1\",\
                 \"authorization_servers\":[\"{}\"],\"scopes_supported\":[\"read:orders\"],\
                 \"bearer_methods_supported\":[\"header\"]}}",
                fake.endpoint()
            )
        );
    }
    // It stands at its own path alone.
    let answer = send(&api, bare("/.well-known/oauth-protected-resource", "x")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);

    // And in the other challenges.
    let token = fake.token(&fake.add_user(User::new("alice"))).sign();
    let refusal = get_with(&api, "/orders", &token).await;
    assert_eq!(refusal.status, StatusCode::FORBIDDEN);
    assert_eq!(
        refusal.challenge(),
        Some(
            format!("Bearer error=\"insufficient_scope\", scope=\"read:orders\", {parameter}")
                .as_str()
        )
    );
}

#[tokio::test]
async fn without_one_nothing_is_served_and_two_contradict_each_other() {
    let fake = FakeAuthgear::start().await;
    let api = api(Authgear::builder(fake.endpoint())).await;
    let answer = send(&api, bare("/.well-known/oauth-protected-resource", "x")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(send(&api, bare("/", "x")).await.challenge(), Some("Bearer"));

    let resource = ProtectedResource::new("https://api.example.com");
    let error = Authgear::builder(fake.endpoint())
        .protected_resource(resource)
        .resource_metadata("https://api.example.com/meta")
        .build()
        .unwrap_err();
    assert!(matches!(error, ConfigError::Conflict { .. }), "{error}");
    let error = Authgear::builder(fake.endpoint())
        .protected_resource(ProtectedResource::new("https://api.example.com/"))
        .build()
        .unwrap_err();
    assert_eq!(error.option(), Some("protected_resource"));
}
