//! `resource_server`: every route, asked by every kind of caller.

use std::time::{SystemTime, UNIX_EPOCH};

use axum_authgear::testkit::{FakeAuthgear, User};
use serde_json::json;

use crate::resource_server::Server;

const RESOURCE: &str = "https://api.example.com";

/// What a caller gets: the status, and for a refusal its code.
#[derive(Clone, Copy, Debug)]
enum Gets {
    Ok(u16),
    Template(u16, &'static str, Option<&'static str>),
}

use Gets::{Ok, Template};

const NOBODY: Gets = Template(401, "missing_credential", Some("Bearer"));
const MAY_READ: Gets = Template(
    401,
    "missing_credential",
    Some(r#"Bearer scope="read:orders""#),
);
const MAY_WRITE: Gets = Template(
    401,
    "missing_credential",
    Some(r#"Bearer scope="write:orders""#),
);
const FORBIDDEN: Gets = Template(403, "forbidden", None);
const EXPIRED: Gets = Template(
    401,
    "invalid_token",
    Some(r#"Bearer error="invalid_token", error_description="the access token has expired""#),
);
const READ: Gets = Template(
    403,
    "insufficient_scope",
    Some(r#"Bearer error="insufficient_scope", scope="read:orders""#),
);
const WRITE: Gets = Template(
    403,
    "insufficient_scope",
    Some(r#"Bearer error="insufficient_scope", scope="write:orders""#),
);
const OLD: Gets = Template(
    401,
    "insufficient_user_authentication",
    Some(r#"Bearer error="insufficient_user_authentication", max_age="300""#),
);

#[tokio::test]
async fn every_route_by_every_caller() {
    let fake = FakeAuthgear::start().await;
    let audiences = format!("{},{RESOURCE}", fake.endpoint());
    let server = Server::start(fake.endpoint(), &[("AUTHGEAR_AUDIENCE", &audiences)]).await;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();

    let admin = User::new("admin").roles(["admin"]).verified(true);
    let admin = fake.add_user(admin);
    let plain = fake.add_user(User::new("plain").roles(["administrator"]));
    let ghost = fake.add_user(User::new("ghost").anonymous(true).verified(true));
    let callers = [
        None,
        Some(fake.token(&admin).expires_at(now - 120).sign()),
        Some(fake.token(&admin).scope("read:orders write:orders").sign()),
        Some(
            fake.token(&plain)
                .scope("read:orders")
                .auth_time(now - 400)
                .sign(),
        ),
        Some(
            fake.token(&ghost)
                .scope("read:order")
                .remove_claim("auth_time")
                .sign(),
        ),
        Some(
            fake.client_token("writer", RESOURCE)
                .scope("write:orders")
                .sign(),
        ),
        Some(
            fake.client_token("reader", RESOURCE)
                .scope("read:orders")
                .sign(),
        ),
    ];

    #[rustfmt::skip]
    let table = [
        //                            nobody  expired  admin    plain      ghost      writer     reader
        ("GET", "/me",               [NOBODY, EXPIRED, Ok(200), Ok(200),   Ok(200),   FORBIDDEN, FORBIDDEN]),
        ("GET", "/whoami",           [Ok(200), EXPIRED, Ok(200), Ok(200),  Ok(200),   FORBIDDEN, FORBIDDEN]),
        ("GET", "/principal",        [NOBODY, EXPIRED, Ok(200), Ok(200),   Ok(200),   Ok(200),   Ok(200)]),
        ("GET", "/admin",            [NOBODY, EXPIRED, Ok(200), FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN]),
        ("GET", "/orders",           [MAY_READ, EXPIRED, Ok(200), Ok(200),   READ,      READ,      Ok(200)]),
        ("POST", "/orders",          [MAY_WRITE, EXPIRED, Ok(201), WRITE,     WRITE,     Ok(201),   WRITE]),
        ("GET", "/verified",         [NOBODY, EXPIRED, Ok(200), FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN]),
        ("GET", "/sensitive",        [NOBODY, EXPIRED, Ok(200), OLD,       OLD,       FORBIDDEN, FORBIDDEN]),
        ("GET", "/echo-headers",     [Ok(200), EXPIRED, Ok(200), Ok(200),  Ok(200),   Ok(200),   Ok(200)]),
        ("GET", "/healthz",          [Ok(200), Ok(200), Ok(200), Ok(200),  Ok(200),   Ok(200),   Ok(200)]),
        ("GET", "/readyz",           [Ok(200), Ok(200), Ok(200), Ok(200),  Ok(200),   Ok(200),   Ok(200)]),
    ];
    for (method, path, outcomes) in table {
        for (index, (token, gets)) in callers.iter().zip(outcomes).enumerate() {
            let row = format!("{method} {path}, caller {index}");
            let bearer = token.as_ref().map(|token| format!("Bearer {token}"));
            let headers: Vec<_> = bearer
                .iter()
                .map(|value| ("authorization", &**value))
                .collect();
            let answer = server.ask(method, path, &headers).await;
            match gets {
                Ok(status) => {
                    assert_eq!(answer.status, status, "{row}: {}", answer.text);
                    assert_eq!(answer.header("www-authenticate"), None, "{row}");
                }
                Template(status, code, challenge) => {
                    assert_eq!(answer.status, status, "{row}: {}", answer.text);
                    assert_eq!(answer.json()["error"], code, "{row}");
                    assert_eq!(answer.header("www-authenticate"), challenge, "{row}");
                }
            }
        }
    }

    // What the guarded routes answer.
    let bearer = format!("Bearer {}", callers[2].as_ref().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let me = server.ask("GET", "/me", &headers).await.json();
    for path in ["/admin", "/verified", "/sensitive"] {
        assert_eq!(server.ask("GET", path, &headers).await.json(), me, "{path}");
    }
    let orders = server.ask("GET", "/orders", &headers).await;
    assert_eq!(orders.json(), json!({ "orders": [] }));
    let created = server.ask("POST", "/orders", &headers).await;
    assert_eq!(created.json(), json!({ "created": true }));
}
