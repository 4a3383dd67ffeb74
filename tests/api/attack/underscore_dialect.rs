//! `_` is read as `-` in the fields of gateways, as it is in those of identity.

use axum::Router;
use axum_authgear::Authgear;
use axum_authgear::testkit::{FakeAuthgear, User};

use crate::support::{ready, send, with_headers};

#[tokio::test]
async fn a_method_in_a_field_with_underscores_counts() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint()).token_cookie("token")).await;
    let cookie = format!("token={}", fake.token(&alice).sign());
    let server = Router::new().fallback_service(authgear.forward_auth());
    for (name, value, status) in [
        ("x_forwarded_method", "POST", 403),
        ("x_original_method", "DELETE", 403),
        ("x_forwarded_upgrade", "websocket", 403),
        ("x_forwarded_method", "GET", 200),
        ("x_forwarded_upgrade", "", 200),
        ("x-forwarded-method", "get", 403),
        ("x-forwarded-method", "", 403),
    ] {
        let fields = [
            ("sec-fetch-site", "cross-site"),
            ("cookie", &*cookie),
            (name, value),
        ];
        let answer = send(&server, with_headers(&fields)).await;
        assert_eq!(answer.status, status, "{name}: {value}");
    }
}
