//! An axum server without authentication.

use std::io::Write;

use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

/// The same answer for everyone, made as `resource_server` makes it.
#[tokio::main]
pub async fn serve(answer: &str) {
    let answer: Value = serde_json::from_str(answer).unwrap();
    let app = Router::new().route(
        "/me",
        get(move || {
            let answer = answer.clone();
            async move { Json(answer) }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening on http://{}", listener.local_addr().unwrap());
    std::io::stdout().flush().unwrap();
    axum::serve(listener, app).await.unwrap();
}
