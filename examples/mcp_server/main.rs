//! An MCP server (Model Context Protocol, streamable HTTP) that clients sign in to:
//! `AUTHGEAR_ENDPOINT=https://my-project.authgear.cloud PUBLIC_URL=https://tools.example.com/mcp
//! cargo run --example mcp_server`.
//!
//! The URL that clients know is `PUBLIC_URL`; here it is the path `/mcp`. `AUTHGEAR_AUDIENCE` is what the
//! tokens are for: the endpoint, unless it is set. `tools.rs` has the tools.

mod tools;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum_authgear::{AuthRejection, Authgear, ProtectedResource};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use support::{health, project, serve, webhook};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use crate::tools::{PUBLISH, READ, Tools};

#[tokio::main]
async fn main() -> ExitCode {
    serve::serve(|settings| {
        let resource = ProtectedResource::new(project::required_public_url(settings)?)
            .scopes([READ, PUBLISH])
            .initial_scopes([READ]);
        let builder = project::builder(settings).scope_includes(PUBLISH, [READ]);
        let authgear = project::protect(&project::build_for(settings, builder)?, resource)?;
        Ok(router(&authgear).merge(webhook::router(&authgear, settings)?))
    })
    .await
}

fn router(mcp: &Authgear) -> Router {
    Router::new()
        .route_service("/mcp", mcp_service())
        .layer(from_fn(refuse_for_tools))
        .route_layer(mcp.layer())
        .layer(cors())
        .merge(mcp.resource_metadata_router())
        .merge(health::router(mcp))
}

/// Without sessions, which the protocol has given up, and with one JSON document as the answer: the
/// status of a response is then known only after the tool has returned.
fn mcp_service() -> StreamableHttpService<Tools, NeverSessionManager> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MAX_BODY)
        // A page that rebinds its name to this address has no token.
        .disable_allowed_hosts();
    StreamableHttpService::new(|| Ok(Tools), Arc::default(), config)
}

const MAX_BODY: usize = 64 * 1024;

/// Where a tool leaves the refusal of its request.
#[derive(Clone, Default)]
struct ToolRefusal(Arc<OnceLock<AuthRejection>>);

/// Which tool is called stands in the body, and only the tool knows what it needs. It says so here,
/// and the refusal becomes the response: with the status and the challenge that JSON-RPC cannot tell.
async fn refuse_for_tools(mut request: Request, next: Next) -> Response {
    let refusal = ToolRefusal::default();
    request.extensions_mut().insert(refusal.clone());
    let response = next.run(request).await;
    match refusal.0.get() {
        Some(rejection) => rejection.clone().into_response(),
        None => response,
    }
}

/// Clients in a browser come from any origin, and bring no cookie. They must see the challenge.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([header::WWW_AUTHENTICATE, header::RETRY_AFTER])
}
