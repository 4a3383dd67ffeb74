//! RFC 9728: the metadata, and the way to it.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use axum_authgear::authorize::{HasScope, ScopeName};
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthUser, Authgear, AuthgearBuilder, ProtectedResource};
use http::{HeaderValue, Method, Request, StatusCode, header};

use crate::support::{Answer, get as get_with, ready, send};

struct ReadOrders;

impl ScopeName for ReadOrders {
    const NAME: &str = "read:orders";
}

async fn api(builder: AuthgearBuilder, resource: ProtectedResource) -> Router {
    let authgear = ready(builder).await.for_resource(resource).unwrap();
    Router::new()
        .route(
            "/",
            get(|user: AuthUser| async move { user.id().to_owned() }),
        )
        .route("/orders", get(|_: HasScope<ReadOrders>| async { "orders" }))
        .layer(authgear.layer())
        .merge(authgear.resource_metadata_router())
}

fn bare(path: &str, host: &str) -> Request<Body> {
    let request = Request::get(path).header(header::HOST, host);
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_challenge_leads_to_the_metadata_whatever_the_host() {
    let fake = FakeAuthgear::start().await;
    let resource = ProtectedResource::new("https://api.example.com/v1")
        .audience(fake.endpoint())
        .scopes(["read:orders"]);
    let api = api(Authgear::builder(fake.endpoint()), resource).await;
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

/// The answer's header fields, but for the length that axum adds.
fn fields(answer: &Answer) -> Vec<(&str, &str)> {
    let mut fields: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .filter(|(name, _)| *name != "content-length")
        .collect();
    fields.sort_unstable();
    fields
}

/// It is for pages of any origin: a client in a browser sends fields that need a preflight.
#[tokio::test]
async fn a_page_of_any_origin_may_ask_for_the_metadata() {
    const PATH: &str = "/.well-known/oauth-protected-resource/v1";
    let fake = FakeAuthgear::start().await;
    let resource = ProtectedResource::new("https://api.example.com/v1");
    let api = api(Authgear::builder(fake.endpoint()), resource).await;
    let ask = |method: Method, headers: &[(&str, &str)]| {
        let mut request = Request::builder().method(method).uri(PATH);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let api = api.clone();
        async move { send(&api, request).await }
    };
    let asks = ("access-control-request-method", "GET");
    for (origin, names) in [
        ("https://inspector.example", Some("mcp-protocol-version")),
        (
            "http://localhost:6274",
            Some("authorization,mcp-protocol-version"),
        ),
        ("capacitor://localhost", Some("X-Anything-At-All, Another")),
        ("null", None),
    ] {
        let mut headers = vec![("origin", origin), asks];
        headers.extend(names.map(|names| ("access-control-request-headers", names)));
        let answer = ask(Method::OPTIONS, &headers).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(answer.body, "");
        let mut wanted = vec![
            ("access-control-allow-methods", "GET, HEAD"),
            ("access-control-allow-origin", "*"),
            ("access-control-max-age", "86400"),
            ("allow", "GET,HEAD"),
        ];
        // As they came: `*` would leave `Authorization` out.
        wanted.extend(names.map(|names| ("access-control-allow-headers", names)));
        wanted.sort_unstable();
        assert_eq!(fields(&answer), wanted, "{origin}");
    }
    // The method that is asked for need not be one of ours: the browser compares.
    let answer = ask(
        Method::OPTIONS,
        &[
            ("origin", "https://a.example"),
            ("access-control-request-method", "DELETE"),
        ],
    )
    .await;
    assert_eq!(answer.header("access-control-allow-methods"), "GET, HEAD");

    // What follows it can be read.
    for method in [Method::GET, Method::HEAD] {
        let answer = ask(
            method,
            &[
                ("origin", "https://a.example"),
                ("mcp-protocol-version", "2025-06-18"),
            ],
        )
        .await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(
            fields(&answer),
            [
                ("access-control-allow-origin", "*"),
                ("content-type", "application/json"),
            ]
        );
    }

    // What is no preflight gets nothing of it.
    for (method, headers) in [
        (Method::OPTIONS, &[][..]),
        (Method::OPTIONS, &[("origin", "https://a.example")]),
        (
            Method::OPTIONS,
            &[
                ("origin", "https://a.example"),
                ("access-control-request-headers", "x"),
            ],
        ),
        (Method::POST, &[asks]),
        (Method::PUT, &[asks]),
        (Method::DELETE, &[]),
        (Method::from_bytes(b"options").unwrap(), &[asks]),
    ] {
        let answer = ask(method, headers).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(fields(&answer), [("allow", "GET,HEAD")]);
        assert_eq!(answer.body, "");
    }
    // And the API itself opens no door.
    let mut request = bare("/", "x");
    *request.method_mut() = Method::OPTIONS;
    request
        .headers_mut()
        .insert(asks.0, HeaderValue::from_static(asks.1));
    let answer = send(&api, request).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_a_resource_nothing_is_served() {
    let fake = FakeAuthgear::start().await;
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let api = Router::new()
        .route("/", get(|_: AuthUser| async {}))
        .layer(authgear.layer())
        .merge(authgear.resource_metadata_router());
    let answer = send(&api, bare("/.well-known/oauth-protected-resource", "x")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(send(&api, bare("/", "x")).await.challenge(), Some("Bearer"));

    let resource = ProtectedResource::new("https://api.example.com/");
    let error = authgear.for_resource(resource).unwrap_err();
    assert_eq!(error.option(), Some("protected_resource"));
}
