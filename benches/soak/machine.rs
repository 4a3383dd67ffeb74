//! Whether the machine gives this benchmark the time that it needs: on a busy one, nothing is in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::lane::client;
use crate::ledger::Ledger;

/// Asks a server in this process, which does nothing, ten times a second.
pub async fn watch(ledger: Arc<Ledger>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().route("/", get(|| async { "here" }));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let client = client();
    loop {
        let due = Instant::now() + Duration::from_millis(100);
        sleep(Duration::from_millis(100)).await;
        let answer = client.get(&url).send().await;
        answer
            .expect("a server that does nothing")
            .text()
            .await
            .unwrap();
        ledger.machine_answered(due);
    }
}
