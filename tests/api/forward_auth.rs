//! The server for a gateway's sub-requests.

use std::time::Duration;

use axum::Router;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{AuthErrorKind, Authgear, LiveSessions, Resolver};
use http::{HeaderName, HeaderValue, Method};

use crate::support::{assert_refused, get, ready, send, with_bearer, with_headers};

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
        ready(Authgear::builder(fake.endpoint()).resolver(Resolver::new())).await,
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
                AuthErrorKind::MalformedHeader,
            ),
        ] {
            let grpc = [headers, &[("content-type", "application/grpc")]].concat();
            assert_refused(&send(&server, with_headers(&grpc)).await, status, kind);
        }
        let bad = get(&server, "/_auth", "garbage").await;
        let kind = match index {
            1 => AuthErrorKind::SessionInvalid,
            _ => AuthErrorKind::MalformedToken,
        };
        assert_refused(&bad, 401, kind);
        if index > 0 {
            fake.fail(Endpoint::Resolver, Fault::Status(500));
            let answer = get(&server, "/", &session.token().sign()).await;
            assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
            fake.heal(Endpoint::Resolver);
        }
    }
    let machine = fake.machine_token("worker", "https://api.example").sign();
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
        assert_refused(&answer, 503, AuthErrorKind::UntellableUser);
    }
    let token = fake.token(&bob).claim("sub", "J\u{fc}rgen").sign();
    let answer = get(&server, "/", &token).await;
    assert_eq!(
        answer.headers["x-authgear-user-id"].as_bytes(),
        "J\u{fc}rgen".as_bytes()
    );
}

#[tokio::test]
async fn a_cross_site_request_is_seen_for_what_it_is() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let builder = Authgear::builder(fake.endpoint()).token_cookie("token");
    let server = server(&ready(builder).await);
    let cookie = format!("token={token}");
    let bearer = format!("Bearer {token}");
    let cross = ("sec-fetch-site", "cross-site");
    for (more, is_refused) in [
        (&[][..], false),
        (&[("x-forwarded-method", "GET")], false),
        (&[("x-forwarded-method", "POST")], true),
        (&[("x-forwarded-method", "DELETE")], true),
        (
            &[
                ("x-forwarded-method", "GET"),
                ("x-forwarded-method", "POST"),
            ],
            true,
        ),
        (&[("x-forwarded-method", "")], true),
        (&[("x-forwarded-method", "G T")], true),
        (
            &[
                ("x-forwarded-method", "GET"),
                ("x-forwarded-upgrade", "websocket"),
            ],
            true,
        ),
        (&[("sec-websocket-key", "AAAA")], true),
        (&[("upgrade", "websocket")], true),
    ] {
        let by_cookie = [more, &[cross, ("cookie", &*cookie)]].concat();
        let answer = send(&server, with_headers(&by_cookie)).await;
        if is_refused {
            assert_refused(&answer, 403, AuthErrorKind::CrossOrigin);
        } else {
            assert_eq!(answer.status, 200, "{more:?}");
        }
        let by_bearer = [more, &[cross, ("authorization", &*bearer)]].concat();
        assert_eq!(send(&server, with_headers(&by_bearer)).await.status, 200);
        let same = [
            more,
            &[("sec-fetch-site", "same-origin"), ("cookie", &*cookie)],
        ]
        .concat();
        assert_eq!(send(&server, with_headers(&same)).await.status, 200);
    }
    // A method of the sub-request itself counts as well.
    let headers = [cross, ("cookie", &*cookie), ("x-forwarded-method", "GET")];
    let mut request = with_headers(&headers);
    *request.method_mut() = Method::PUT;
    assert_refused(
        &send(&server, request).await,
        403,
        AuthErrorKind::CrossOrigin,
    );
    let name = HeaderName::from_static("x-forwarded-method");
    let mut request = with_headers(&headers[..2]);
    request
        .headers_mut()
        .insert(name, HeaderValue::from_bytes(b"\xff").unwrap());
    assert_refused(
        &send(&server, request).await,
        403,
        AuthErrorKind::CrossOrigin,
    );
}
