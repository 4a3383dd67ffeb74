//! One of the others as a server, which `benches/http.sh` measures: `serve NAME ISSUER`. Its `GET /me`
//! answers what that of `resource_server` does.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark"
)]

#[path = "../claims.rs"]
mod claims;
#[path = "../peers.rs"]
mod peers;

use std::io::Write;

use claims::User;
use serde_json::{Value, json};

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, issuer] = &words[..] else {
        panic!("usage: serve NAME ISSUER")
    };
    let router = match name.as_str() {
        "axum-jwt-auth" => peers::axum_jwt_auth(issuer, |user| axum::Json(json(user))).await,
        "huskarl-axum" => peers::huskarl_axum(issuer, |user| axum::Json(json(user))).await,
        "jwt-authorizer" => {
            let router = peers::jwt_authorizer(issuer, |user| axum_07::Json(json(user))).await;
            axum_07::serve(listen().await, router).await.unwrap();
            return;
        }
        "tower-oauth2-resource-server" => {
            peers::tower_oauth2_resource_server(issuer, |user| axum::Json(json(user))).await
        }
        other => panic!("{other}: none of the others"),
    };
    axum::serve(listen().await, router).await.unwrap();
}

/// On a free port, once it can verify.
async fn listen() -> tokio::net::TcpListener {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening on http://{}", listener.local_addr().unwrap());
    std::io::stdout().flush().unwrap();
    listener
}

fn json(user: &User<'_>) -> Value {
    json!({
        "user_id": user.id,
        "is_anonymous": user.is_anonymous,
        "is_verified": user.is_verified,
        "can_reauthenticate": user.can_reauthenticate,
        "roles": user.roles,
        "scopes": user.scope.split(' ').filter(|scope| !scope.is_empty()).collect::<Vec<_>>(),
        "amr": user.amr,
        "auth_time": user.auth_time,
        "client_id": user.client_id,
        "expires_at": user.expires_at,
        "issuer": user.issuer,
        "verified_by": "jwt",
    })
}
