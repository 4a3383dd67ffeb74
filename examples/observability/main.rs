//! Metrics, traces and readiness of a protected API:
//! `cargo run --example observability`, for a fake Authgear, or for the project that `AUTHGEAR_ENDPOINT`
//! names.
//!
//! It serves `/metrics` for Prometheus and `/readyz` for whoever sends it requests, and logs spans
//! and events (`LOG=axum_authgear=debug`). With `AUTHGEAR_RECHECK_SECS=10` it asks whether sessions are
//! alive, too. Beside this file are a dashboard for
//! Grafana and alert rules for Prometheus.

use std::error::Error;
use std::process::ExitCode;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use axum_authgear::authorize::has_role;
use axum_authgear::{AuthUser, Authgear, LiveSessions};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use support::config::AUTHGEAR_RECHECK_SECS;
use support::provider::Provider;
use support::variable::Variable;
use support::{health, project, serve};
use tokio::net::TcpListener;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const LOG: Variable = Variable("LOG");

#[tokio::main]
async fn main() -> ExitCode {
    serve::exit(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let filter = LOG.text()?.unwrap_or_else(|| "info".to_owned());
    let filter: Targets = filter
        .parse()
        .map_err(|error| LOG.bad(format!("{filter:?}: {error}")))?;
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::CLOSE);
    tracing_subscriber::registry().with(log).with(filter).init();

    // Before `build()`, which describes the metrics and starts to fetch keys.
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    let provider = Provider::from_env().await?;
    let mut builder = Authgear::builder(provider.endpoint());
    if let Some(bound) = AUTHGEAR_RECHECK_SECS.seconds()? {
        builder = builder.live_sessions(LiveSessions::within(bound));
    }
    let authgear = project::build(builder)?;

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
    let url = format!("http://{}", listener.local_addr()?);
    println!("listening on {url}");
    provider.print_trial(|token| {
        format!("curl -i {url}/me -H 'authorization: Bearer {token}'\ncurl {url}/metrics")
    });
    Ok(axum::serve(listener, app).await?)
}

async fn scrape(State(metrics): State<PrometheusHandle>) -> String {
    metrics.run_upkeep();
    metrics.render()
}

/// From a token that is verified at once to one that waits for keys.
const SECONDS: [f64; 9] = [0.000_05, 0.000_1, 0.000_25, 0.001, 0.01, 0.1, 0.5, 1.0, 5.0];
