//! The API behind a gateway.

use std::sync::{Arc, Mutex};

use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get};
use axum::{Json, Router};
use axum_authgear::{AuthUser, Authgear, GatewayProof};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::SECRET;

/// An API in gateway mode, which records what reaches it.
pub(super) struct Api {
    pub(super) address: String,
    requests: Requests,
    server: JoinHandle<()>,
}

/// The headers of each request, as the gateway sent them.
type Requests = Arc<Mutex<Vec<HeaderMap>>>;

impl Api {
    pub(super) async fn start(endpoint: &str) -> Self {
        let authgear = Authgear::builder(endpoint)
            .dangerous()
            .gateway(GatewayProof::secret(SECRET))
            .build()
            .unwrap();
        let requests = Requests::default();
        let app = Router::new()
            .route("/me", any(me))
            .route("/open", any(open))
            .route("/fields", any(fields))
            .route("/ws", get(ws))
            .layer(authgear.layer().optional())
            .layer(middleware::from_fn_with_state(requests.clone(), record));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            requests,
            server,
        }
    }

    /// What has reached it since it was asked last.
    pub(super) fn take(&self) -> Vec<HeaderMap> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn record(State(requests): State<Requests>, request: Request, next: Next) -> Response {
    requests.lock().unwrap().push(request.headers().clone());
    next.run(request).await
}

async fn me(user: AuthUser) -> Json<Value> {
    Json(describe(&user))
}

async fn open(user: Option<AuthUser>) -> Json<Value> {
    Json(user.as_ref().map_or(Value::Null, describe))
}

fn describe(user: &AuthUser) -> Value {
    json!({
        "user_id": user.id(),
        "is_verified": user.is_verified(),
        "roles": user.roles().collect::<Vec<_>>(),
        "auth_time": user.auth_time(),
        "verified_by": user.verified_by().as_str(),
    })
}

/// Names of the fields that a handler sees.
async fn fields(headers: HeaderMap) -> Json<Vec<String>> {
    Json(headers.keys().map(ToString::to_string).collect())
}

async fn ws(user: AuthUser, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let hello = Message::text(format!("hello, {}", user.id()));
        let _ = socket.send(hello).await;
    })
}
