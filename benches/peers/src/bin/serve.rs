//! A crate that verifies each token in full, as a server: `serve NAME ISSUER`. Its `GET /me` has the
//! response of `resource_server`. `benches/http.sh` measures it.
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
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use axum_authgear::{AuthUser, Authgear};
use claims::User;
use serde_json::{Value, json};

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, issuer] = &words[..] else {
        panic!("usage: serve NAME ISSUER")
    };
    let router = match name.as_str() {
        "axum-authgear" => axum_authgear(issuer).await,
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
        other => panic!("{other}: unknown"),
    };
    axum::serve(listen().await, router).await.unwrap();
}

/// Without its cache.
async fn axum_authgear(issuer: &str) -> Router {
    let builder = Authgear::builder(issuer).token_cache_capacity(0);
    let authgear = builder.build().unwrap();
    authgear.ready(Duration::from_secs(10)).await.unwrap();
    let me = |user: AuthUser| async move {
        Json(json!({
            "user_id": user.id(),
            "is_anonymous": user.is_anonymous(),
            "is_verified": user.is_verified(),
            "can_reauthenticate": user.can_reauthenticate(),
            "roles": user.roles().collect::<Vec<_>>(),
            "scopes": user.scopes().collect::<Vec<_>>(),
            "amr": user.amr().collect::<Vec<_>>(),
            "auth_time": user.auth_time(),
            "client_id": user.client_id(),
            "expires_at": user.expires_at(),
            "issuer": user.issuer(),
            "verified_by": "jwt",
        }))
    };
    Router::new().route("/me", get(me)).layer(authgear.layer())
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
