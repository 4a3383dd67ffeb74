//! A server for the sub-requests of a gateway (nginx's `auth_request`, Traefik's `ForwardAuth`,
//! Envoy's `ext_authz`, Caddy's `forward_auth`): 200 and who the user is, in `x-authgear-*` headers,
//! or a refusal by its status.
//! `AUTHGEAR_ENDPOINT=https://my-project.authgear.cloud cargo run --example forward_auth`.
//!
//! Its environment is that of `resource_server`, without the mode `gateway`. The crate's
//! documentation has the configurations of the gateways; they ask below a path of their own
//! (`/_auth`), so that no path of a client reaches `/healthz` or `/readyz`.

use std::process::ExitCode;

use axum_authgear::ProtectedResource;
use support::config::{AUTHGEAR_VERIFY, Mode};
use support::{health, project, serve};

#[tokio::main]
async fn main() -> ExitCode {
    serve::serve(|settings| {
        if settings.mode == Mode::Gateway {
            let problem = "gateway is for who stands behind one: this one is asked by it";
            return Err(AUTHGEAR_VERIFY.bad(problem).into());
        }
        let mut authgear = project::build_for(settings, project::builder(settings))?;
        if let Some(url) = &settings.public_url {
            // It is named in challenges, and published by the API itself.
            authgear = project::protect(&authgear, ProtectedResource::new(url))?;
        }
        // Webhooks are for the API, which shares what they say through Redis: their route is not served
        // here.
        Ok(health::router(&authgear)
            .fallback_service(authgear.forward_auth())
            .layer(authgear.seal()))
    })
    .await
}
