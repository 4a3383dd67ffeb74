//! A gateway that is told to set `Sec-WebSocket-Key` and sends it empty (as Caddy sends an empty
//! `X-Forwarded-Upgrade`) names no handshake.

use axum::Router;
use axum_authgear::Authgear;
use axum_authgear::testkit::{FakeAuthgear, User};

use crate::support::{api, ready, send, with_headers};

#[tokio::test]
async fn an_empty_field_of_a_handshake_is_none() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint()).token_cookie("token")).await;
    let cookie = format!("token={}", fake.token(&alice).sign());
    let forward_auth = Router::new().fallback_service(authgear.forward_auth());
    for server in [forward_auth, api(&authgear)] {
        for name in [
            "sec-websocket-key",
            "sec-websocket-version",
            "sec-websocket-protocol",
            "sec-websocket-extensions",
        ] {
            for (value, status) in [("", 200), (" \t", 200), (",", 200), ("13", 403), ("-", 403)] {
                let fields = [
                    ("sec-fetch-site", "cross-site"),
                    ("cookie", &*cookie),
                    (name, value),
                ];
                let answer = send(&server, with_headers(&fields)).await;
                assert_eq!(answer.status, status, "{name}: {value:?}");
            }
        }
    }
}
