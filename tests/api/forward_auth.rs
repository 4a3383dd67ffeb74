//! The server for a gateway's sub-requests.

use std::time::Duration;

use axum::Router;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{AuthErrorKind, Authgear, LiveSessions, SessionResolver};
use http::{HeaderName, HeaderValue, Method};

use crate::support::{Answer, assert_refused, get, ready, send, with_bearer, with_headers};

fn server(authgear: &Authgear) -> Router {
    Router::new().fallback_service(authgear.forward_auth())
}

#[tokio::test]
async fn a_user_is_told_in_headers_and_everyone_else_is_refused_by_status() {
    let fake = FakeAuthgear::start().await;
    let alice = User::new("alice")
        .roles(["editor", "billing:admin"])
        .verified(true);
    let alice = fake.add_user(alice);
    let modes = [
        ready(
            Authgear::builder(fake.endpoint())
                .audience("https://api.example")
                .audience(fake.endpoint()),
        )
        .await,
        ready(Authgear::builder(fake.endpoint()).session_resolver(SessionResolver::new())).await,
        ready(
            Authgear::builder(fake.endpoint())
                .live_sessions(LiveSessions::within(Duration::from_secs(1))),
        )
        .await,
    ];
    for (index, authgear) in modes.iter().enumerate() {
        let session = fake.sign_in_at(&alice, 1_700_000_000);
        fake.set_session_amr(&session, ["pwd", "otp"]);
        let token = session
            .token()
            .auth_time(1_700_000_000)
            .amr(["pwd", "otp"])
            .sign();
        let server = server(authgear);
        for path in ["/_auth", "/", "/any/where?x=1"] {
            for method in [Method::GET, Method::POST, Method::DELETE, Method::HEAD] {
                let mut request = with_bearer(path, &token);
                *request.method_mut() = method;
                // Whatever the client's headers say.
                let headers = request.headers_mut();
                headers.insert("content-type", "application/grpc".parse().unwrap());
                headers.insert("x-authgear-user-id", "admin".parse().unwrap());
                let answer = send(&server, request).await;
                assert_eq!(answer.status, 200);
                let told: Vec<_> = [
                    "session-valid",
                    "user-id",
                    "user-anonymous",
                    "user-verified",
                    "user-can-reauthenticate",
                    "user-roles",
                    "session-amr",
                    "session-authenticated-at",
                ]
                .iter()
                .map(|name| {
                    let name = format!("x-authgear-{name}");
                    let mut fields = answer.headers.get_all(name).iter();
                    let field = fields.next().unwrap().to_str().unwrap();
                    assert_eq!(fields.next(), None);
                    field
                })
                .collect();
                let wanted = [
                    "true",
                    alice.id(),
                    "false",
                    "true",
                    "true",
                    "editor,billing:admin",
                    "pwd otp",
                    "1700000000",
                ];
                assert_eq!(told, wanted);
            }
        }
        for (headers, status, kind) in [
            (&[][..], 401, AuthErrorKind::MissingCredential),
            (
                &[("authorization", "Bearer a b")],
                400,
                AuthErrorKind::MalformedAuthorizationHeader,
            ),
        ] {
            let grpc = [headers, &[("content-type", "application/grpc")]].concat();
            assert_refused(&send(&server, with_headers(&grpc)).await, status, kind);
        }
        let bad = get(&server, "/_auth", "garbage").await;
        let kind = match index {
            1 => AuthErrorKind::SessionInvalid,
            _ => AuthErrorKind::OpaqueToken,
        };
        assert_refused(&bad, 401, kind);
        if index > 0 {
            fake.fail(Endpoint::Resolver, Fault::Status(500));
            let answer = get(&server, "/", &session.token().sign()).await;
            assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
            fake.heal(Endpoint::Resolver);
        }
    }
    let machine = fake.client_token("worker", "https://api.example").sign();
    let answer = get(&server(&modes[0]), "/_auth", &machine).await;
    assert_refused(&answer, 403, AuthErrorKind::UserRequired);
}

#[tokio::test]
async fn what_cannot_be_told_is_left_out_or_is_503() {
    let fake = FakeAuthgear::start().await;
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let server = server(&authgear);
    let alice = fake.add_user(User::new("alice").roles(["a,admin", "b", " admin", "c\nadmin", ""]));
    let answer = get(
        &server,
        "/",
        &fake.token(&alice).amr(["pwd otp", "x"]).sign(),
    )
    .await;
    assert_eq!(answer.headers["x-authgear-user-roles"], "b");
    assert_eq!(answer.headers["x-authgear-session-amr"], "x");
    let bob = fake.add_user(User::new("bob"));
    let token = fake
        .token(&bob)
        .remove_claim("auth_time")
        .amr(["a b"])
        .sign();
    let answer = get(&server, "/", &token).await;
    assert_eq!(answer.headers["x-authgear-session-amr"], "");
    for name in ["user-roles", "session-authenticated-at"] {
        assert!(
            !answer.headers.contains_key(format!("x-authgear-{name}")),
            "{name}"
        );
    }
    for id in ["a\nb", " a", "a\t", "a\u{0}", "\u{85}a"] {
        let token = fake.token(&bob).claim("sub", id).sign();
        let answer = get(&server, "/", &token).await;
        assert_refused(&answer, 503, AuthErrorKind::UserIdNotHeaderSafe);
    }
    let token = fake.token(&bob).claim("sub", "J\u{fc}rgen").sign();
    let answer = get(&server, "/", &token).await;
    assert_eq!(
        answer.headers["x-authgear-user-id"].as_bytes(),
        "J\u{fc}rgen".as_bytes()
    );
}

/// Fields in which a gateway, or the author of its configuration, names the client's method.
const METHOD_FIELDS: [&str; 9] = [
    // nginx as documented, Traefik, Caddy, APISIX, Oathkeeper.
    "x-forwarded-method",
    // ingress-nginx, Authelia's configurations.
    "x-original-method",
    // Envoy, and configurations of it.
    "x-envoy-original-method",
    "x-auth-request-method",
    "x-request-method",
    "x-shop-original-method",
    // What the server behind may go by.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

const UPGRADE_FIELDS: [&str; 3] = [
    "x-forwarded-upgrade",
    "x-original-upgrade",
    "x-auth-request-upgrade",
];

struct CrossSite {
    server: Router,
    token: String,
}

type Fields<'f> = &'f [(&'f str, &'f [u8])];

impl CrossSite {
    async fn new() -> Self {
        let fake = FakeAuthgear::start().await;
        let alice = fake.add_user(User::new("alice"));
        let builder = Authgear::builder(fake.endpoint()).token_cookie("token");
        Self {
            server: server(&ready(builder).await),
            token: fake.token(&alice).sign(),
        }
    }

    async fn ask(&self, method: &Method, site: &str, by_cookie: bool, more: Fields<'_>) -> Answer {
        let credential = if by_cookie {
            ("cookie", format!("token={}", self.token))
        } else {
            ("authorization", format!("Bearer {}", self.token))
        };
        let mut request = with_headers(&[("sec-fetch-site", site), (credential.0, &*credential.1)]);
        *request.method_mut() = method.clone();
        for (name, value) in more {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            let value = HeaderValue::from_bytes(value).unwrap();
            request.headers_mut().append(name, value);
        }
        send(&self.server, request).await
    }

    /// A sub-request with these fields, about a cross-site request with a cookie.
    async fn assert(&self, method: &Method, more: Fields<'_>, is_refused: bool) {
        let what = format!("{method} {more:?}");
        let answer = self.ask(method, "cross-site", true, more).await;
        if is_refused {
            assert_eq!(answer.status, 403, "{what}");
            assert_eq!(answer.header("content-type"), "application/json");
            assert_eq!(
                answer.body,
                r#"{"error":"cross_origin_request","error_description":"a cookie was sent from another origin"}"#
            );
            assert_refused(&answer, 403, AuthErrorKind::CrossOriginRequest);
        } else {
            assert_eq!(answer.status, 200, "{what}");
        }
        // What shows intent passes, and what comes from the origin itself.
        for (site, by_cookie) in [("cross-site", false), ("same-origin", true)] {
            let answer = self.ask(method, site, by_cookie, more).await;
            assert_eq!(answer.status, 200, "{what}");
        }
    }
}

#[tokio::test]
async fn the_method_that_a_gateway_names_counts_in_every_dialect() {
    let world = CrossSite::new().await;
    let values: [(&[u8], bool); 18] = [
        (b"GET", false),
        (b"HEAD", false),
        (b"OPTIONS", false),
        (b"POST", true),
        (b"PUT", true),
        (b"PATCH", true),
        (b"DELETE", true),
        (b"CONNECT", true),
        (b"TRACE", true),
        (b"PURGE", true),
        (b"", true),
        (b"get", true),
        (b"post", true),
        (b"GET, POST", true),
        (b"GET,GET", true),
        (b"G T", true),
        (b"\xff", true),
        (b"{http.request.method}", true),
    ];
    world.assert(&Method::GET, &[], false).await;
    for name in METHOD_FIELDS {
        for (value, is_refused) in values {
            world
                .assert(&Method::GET, &[(name, value)], is_refused)
                .await;
            world
                .assert(&Method::HEAD, &[(name, value)], is_refused)
                .await;
        }
        // An unsafe one wins: of several fields of a name, of several names, and of the sub-request.
        world
            .assert(&Method::GET, &[(name, b"GET"), (name, b"GET")], false)
            .await;
        world
            .assert(&Method::GET, &[(name, b"GET"), (name, b"POST")], true)
            .await;
        world
            .assert(&Method::GET, &[(name, b"POST"), (name, b"GET")], true)
            .await;
        for other in METHOD_FIELDS {
            if other != name {
                let fields: Fields<'_> = &[(name, b"DELETE"), (other, b"GET")];
                world.assert(&Method::GET, fields, true).await;
            }
        }
        for method in [Method::POST, Method::PUT, Method::TRACE, Method::DELETE] {
            world.assert(&method, &[(name, b"GET")], true).await;
        }
    }
    // What a browser asks a gateway before a request is not the request's method.
    for name in [
        "access-control-request-method",
        "x-methods",
        "method",
        "x-methodology",
    ] {
        world.assert(&Method::GET, &[(name, b"POST")], false).await;
    }
}

#[tokio::test]
async fn the_upgrade_that_a_gateway_names_counts_unless_it_is_empty() {
    let world = CrossSite::new().await;
    for name in UPGRADE_FIELDS {
        for (value, is_refused) in [
            (&b""[..], false),
            (b",", false),
            (b"websocket", true),
            (b"WebSocket", true),
            (b"h2c", true),
            (b"\xff", true),
        ] {
            world
                .assert(&Method::GET, &[(name, value)], is_refused)
                .await;
            let fields: Fields<'_> = &[("x-original-method", b"GET"), (name, value)];
            world.assert(&Method::GET, fields, is_refused).await;
        }
        world
            .assert(&Method::GET, &[(name, b""), (name, b"websocket")], true)
            .await;
        // The sub-request's own is none, either, where it is empty.
        world
            .assert(
                &Method::GET,
                &[("upgrade", b""), (name, b"websocket")],
                true,
            )
            .await;
    }
    for (name, value, is_refused) in [
        ("upgrade", &b"websocket"[..], true),
        ("upgrade", b"", false),
        ("sec-websocket-key", b"AAAA", true),
        ("sec-websocket-version", b"13", true),
        ("upgrade-insecure-requests", b"1", false),
        ("x-upgrades", b"websocket", false),
    ] {
        world
            .assert(&Method::GET, &[(name, value)], is_refused)
            .await;
    }
}
