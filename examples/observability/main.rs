//! Metrics, traces and readiness of a protected API:
//! `AUTHGEAR_ENDPOINT=https://my-project.authgear.cloud cargo run --example observability`.
//!
//! It serves `/metrics` for Prometheus and `/readyz` for whoever sends it requests, and logs spans
//! and events (`LOG=axum_authgear=debug`). With `AUTHGEAR_RECHECK_SECS=10` it asks whether sessions are
//! alive, too. Beside this file are a dashboard for
//! Grafana and alert rules for Prometheus.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use axum_authgear::authorize::has_role;
use axum_authgear::{AuthUser, Authgear, LiveSessions};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use support::health;
use tokio::net::TcpListener;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter: Targets = std::env::var("LOG")
        .unwrap_or_else(|_| "info".to_owned())
        .parse()?;
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::CLOSE);
    tracing_subscriber::registry().with(log).with(filter).init();

    // Before `build()`, which describes the metrics and starts to fetch keys.
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    let mut builder = Authgear::builder(std::env::var("AUTHGEAR_ENDPOINT")?);
    if let Ok(seconds) = std::env::var("AUTHGEAR_RECHECK_SECS") {
        let bound = Duration::from_secs(seconds.parse()?);
        builder = builder.live_sessions(LiveSessions::within(bound));
    }
    let authgear = builder.build()?;

    let admin = get(|user: AuthUser| async move { format!("hello, {}", user.id()) })
        .route_layer(authgear.require(has_role("admin")));
    let app = Router::new()
        .route(
            "/me",
            get(|user: AuthUser| async move { user.id().to_owned() }),
        )
        .route("/admin", admin)
        .route_layer(authgear.layer())
        // For those who run the API, and not for its clients: keep them off the public network.
        .merge(health::router(&authgear))
        .route("/metrics", get(scrape).with_state(metrics))
        .layer(authgear.seal().open_routes(["/metrics"]));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

async fn scrape(State(metrics): State<PrometheusHandle>) -> String {
    metrics.run_upkeep();
    metrics.render()
}

/// From a token that is verified at once to one that waits for keys.
const SECONDS: [f64; 9] = [0.000_05, 0.000_1, 0.000_25, 0.001, 0.01, 0.1, 0.5, 1.0, 5.0];
