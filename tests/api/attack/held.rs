//! What was tried and held.

use std::time::Duration;

use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{
    AuthErrorKind, Authgear, AuthgearBuilder, Health, LiveSessions, SessionResolver,
};
use http::Method;

use crate::hop;
use crate::support::{
    api, assert_refused, get, optional_api, ready, send, with_bearer, with_headers,
};

#[tokio::test]
async fn odd_statuses_for_one_caller_turn_nothing() {
    let fake = FakeAuthgear::start().await;
    let url = hop::start(&fake, hop::by_agent).await;
    let alice = fake.add_user(User::new("alice"));
    let resolver = SessionResolver::new().url(url.clone());
    let session = fake.sign_in(&alice);
    let modes: [AuthgearBuilder; 2] = [
        Authgear::builder(fake.endpoint()).session_resolver(resolver.clone()),
        Authgear::builder(fake.endpoint()).live_sessions(
            LiveSessions::within(Duration::from_millis(1))
                .grace_period(Duration::from_secs(600))
                .session_resolver(resolver),
        ),
    ];
    for builder in modes {
        let authgear = ready(builder).await;
        let api = api(&authgear);
        let token = session.token().sign();
        for status in [
            201, 202, 203, 204, 205, 206, 226, 300, 301, 302, 303, 308, 402, 405, 408, 410, 421,
            426, 451, 499, 501, 504, 507, 599,
        ] {
            let mut request = with_bearer("/user", &token);
            let agent = format!("answer-{status}").parse().unwrap();
            request.headers_mut().insert("user-agent", agent);
            tokio::time::sleep(Duration::from_millis(2)).await;
            let answer = send(&api, request).await;
            assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
            assert_eq!(authgear.status().health(), Health::Healthy, "{status}");
            tokio::time::sleep(Duration::from_millis(2)).await;
            assert_eq!(get(&api, "/user", &token).await.body, alice.id());
        }
    }
}

#[tokio::test]
async fn cookies_that_are_nearly_ours() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let authgear = ready(Authgear::builder(fake.endpoint()).token_cookie("__Host-at")).await;
    let api = optional_api(&authgear);
    for near in [
        "\u{2000}__Host-at",
        "\u{a0}__Host-at",
        "\u{85}__Host-at",
        "\u{feff}__Host-at",
        "\u{3000}__Host-at",
        "__host-at",
        "__HOST-at",
        "__Secure-at",
        "__Host-at\u{200b}",
        "__Host-",
        "=__Host-at",
        "\"__Host-at\"",
        "__Host-a t",
        "x__Host-at",
        "__Host-at_",
    ] {
        for cookie in [format!("{near}={token}"), format!("a=b;;;{near}={token};;")] {
            let mut request = with_headers(&[("x", "y")]);
            *request.uri_mut() = "/optional".parse().unwrap();
            request.headers_mut().insert(
                "cookie",
                http::HeaderValue::from_bytes(cookie.as_bytes()).unwrap(),
            );
            let answer = send(&api, request).await;
            assert_eq!(
                (answer.status.as_u16(), &*answer.body),
                (200, "nobody"),
                "{near:?}"
            );
        }
    }
    let many = "x=1; ".repeat(5_000);
    for good in [
        format!(";;__Host-at={token};;"),
        format!("\t__Host-at\t=\t{token}\t"),
        format!("{many}__Host-at={token}"),
        format!("__Host-at=; __Host-at=\"\"; __Host-at={token}; __Host-at={token}"),
    ] {
        let answer = send(&api, with_headers(&[("cookie", &good)])).await;
        assert_eq!(answer.body, alice.id(), "{}", &good[..20]);
    }
    let mut request = with_headers(&[("cookie", &format!("__Host-at={token}"))]);
    request
        .headers_mut()
        .append("cookie", format!("__Host-at={token}").parse().unwrap());
    assert_eq!(send(&api, request).await.body, alice.id());
}

#[tokio::test]
async fn kept_and_joined_answers_pass_cookies_on() {
    let fake = FakeAuthgear::start().await;
    let headers: Vec<(String, String)> = [
        ("x-authgear-session-valid", "false"),
        ("set-cookie", "session=; Max-Age=0"),
        ("set-cookie", "b=2"),
    ]
    .map(|(n, v)| (n.to_owned(), v.to_owned()))
    .into();
    fake.fail(
        Endpoint::Resolver,
        Fault::Answer {
            status: 200,
            headers,
            body: String::new(),
        },
    );
    let authgear = Authgear::builder(fake.endpoint())
        .session_resolver(
            SessionResolver::new()
                .cache_ttl(Duration::from_secs(5))
                .forward_set_cookie(true),
        )
        .build()
        .unwrap();
    let api = api(&authgear);
    let asks = (0..8).map(|_| send(&api, with_headers(&[("cookie", "session=abc")])));
    for answer in futures_util::future::join_all(asks).await {
        assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
    }
    let answer = send(&api, with_headers(&[("cookie", "session=abc")])).await;
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
}

#[tokio::test]
async fn preflights_that_are_nearly_one() {
    use axum_authgear::ProtectedResource;
    let fake = FakeAuthgear::start().await;
    let authgear = Authgear::builder(fake.endpoint()).build().unwrap();
    let resource = ProtectedResource::new("https://api.example.com");
    let authgear = authgear.for_resource(resource).unwrap();
    let router: axum::Router = authgear.resource_metadata_router();
    for (method, fields, status) in [
        (
            Method::OPTIONS,
            vec![
                ("access-control-request-method", "GET"),
                ("origin", "null"),
                ("access-control-request-headers", "mcp-protocol-version"),
            ],
            204,
        ),
        (Method::OPTIONS, vec![("origin", "https://x.example")], 405),
        (
            Method::POST,
            vec![("access-control-request-method", "GET")],
            405,
        ),
        (Method::DELETE, vec![], 405),
        (Method::HEAD, vec![], 200),
        (Method::GET, vec![("origin", "null")], 200),
    ] {
        let mut request = with_headers(&fields);
        *request.method_mut() = method.clone();
        *request.uri_mut() = "/.well-known/oauth-protected-resource".parse().unwrap();
        let answer = send(&router, request).await;
        assert_eq!(answer.status, status, "{method} {fields:?}");
        if status < 300 {
            assert_eq!(answer.header("access-control-allow-origin"), "*");
        }
    }
}
