//! A server for the sub-requests of a gateway (nginx's `auth_request`, Traefik's `ForwardAuth`,
//! Envoy's `ext_authz`, Caddy's `forward_auth`): 200 and who the user is, in `x-authgear-*` headers,
//! or a refusal by its status.
//! `AUTHGEAR_ENDPOINT=https://my-project.authgear.cloud cargo run --example forward_auth`.
//!
//! Its environment is that of `resource_server`, without the mode `gateway`. The crate's
//! documentation has the configurations of the gateways; they ask below a path of their own
//! (`/_auth`), so that no path of a client reaches `/healthz` or `/readyz`.

// The same settings, and the same life, as the other server's.
#[path = "resource_server/config.rs"]
mod config;
#[path = "resource_server/health.rs"]
mod health;
#[path = "resource_server/project.rs"]
mod project;
#[path = "resource_server/serve.rs"]
mod serve;
#[path = "resource_server/shutdown.rs"]
mod shutdown;

use std::process::ExitCode;

use axum_authgear::ProtectedResource;

use crate::config::Mode;

#[tokio::main]
async fn main() -> ExitCode {
    serve::serve(|settings| {
        if settings.mode == Mode::Gateway {
            let problem = "gateway is for who stands behind one: this one is asked by it";
            return Err(config::AUTHGEAR_VERIFY.bad(problem).into());
        }
        // Webhooks are the resource server's: it shares what they say by Redis.
        let _ = &settings.webhook_secret;
        let mut builder = project::builder(settings);
        if let Some(url) = &settings.public_url {
            // It is named in challenges, and published by the API itself.
            builder = builder.protected_resource(ProtectedResource::new(url));
        }
        // Webhooks are for the API: their route is not served here.
        let _ = &settings.webhook_secret;
        let authgear = project::build(builder)?;
        Ok(health::router(&authgear).fallback_service(authgear.forward_auth()))
    })
    .await
}
