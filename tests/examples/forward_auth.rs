//! `forward_auth`: as a gateway asks it.

use std::ffi::OsString;

use axum_authgear::testkit::{FakeAuthgear, User};

use crate::process::{Example, ask, get, run};

/// Starts it on a free port, and gives its address.
pub(crate) async fn start(endpoint: &str, environment: &[(&str, &str)]) -> (Example, String) {
    let mut all = vec![("AUTHGEAR_ENDPOINT", endpoint), ("LISTEN", "127.0.0.1:0")];
    all.extend(environment);
    let mut example = Example::start("forward_auth", &all);
    let line = example.line().await;
    let url = line.strip_prefix("listening on ").unwrap().to_owned();
    loop {
        let answer = get(&format!("{url}/readyz"), None).await;
        if answer.status == 200 {
            return (example, url);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn it_names_the_issuer_where_there_are_several() {
    let (one, other) = (FakeAuthgear::start().await, FakeAuthgear::start().await);
    let environment = [("AUTHGEAR_PROJECTS", other.endpoint())];
    let (_example, url) = start(one.endpoint(), &environment).await;
    for fake in [&one, &other] {
        let user = fake.add_user(User::new("alice"));
        let answer = get(&format!("{url}/_auth"), Some(&fake.token(&user).sign())).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-authgear-issuer"), Some(fake.endpoint()));
    }
    let (_example, url) = start(one.endpoint(), &[]).await;
    let alice = one.add_user(User::new("alice"));
    let answer = get(&format!("{url}/_auth"), Some(&one.token(&alice).sign())).await;
    assert_eq!(answer.header("x-authgear-issuer"), None);
}

#[tokio::test]
async fn it_tells_a_user_and_refuses_everyone_else() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice").roles(["admin"]));
    for mode in ["jwt", "resolver", "jwt+resolver"] {
        let (_example, url) = start(fake.endpoint(), &[("AUTHGEAR_VERIFY", mode)]).await;
        let token = fake.token(&alice).sign();
        for path in ["/_auth", "/_auth/orders", "/me", "/"] {
            let answer = get(&format!("{url}{path}"), Some(&token)).await;
            assert_eq!((answer.status, answer.text.as_str()), (200, ""));
            assert_eq!(answer.header("x-authgear-user-id"), Some(alice.id()));
            assert_eq!(answer.header("x-authgear-user-roles"), Some("admin"));
            let answer = get(&format!("{url}{path}"), None).await;
            assert_eq!(answer.status, 401);
        }
        let grpc = [
            ("content-type", "application/grpc"),
            ("x-authgear-user-id", "admin"),
        ];
        let answer = ask("POST", &format!("{url}/_auth"), &grpc).await;
        assert_eq!(
            (answer.status, answer.header("x-authgear-user-id")),
            (401, None)
        );
        assert_eq!(get(&format!("{url}/healthz"), None).await.status, 200);
    }
    let environment = [
        ("AUTHGEAR_ENDPOINT", OsString::from(fake.endpoint())),
        ("LISTEN", OsString::from("127.0.0.1:0")),
        ("AUTHGEAR_VERIFY", OsString::from("gateway")),
        ("AUTHGEAR_GATEWAY_SECRET", OsString::from("x".repeat(32))),
    ];
    let output = run("forward_auth", &environment).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}
