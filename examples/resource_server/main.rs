//! A small server as a team would deploy it, configured by its environment alone:
//! `AUTHGEAR_ENDPOINT=https://my-project.authgear.cloud cargo run --example resource_server`.
//!
//! `routes.rs` has the routes. The variables are listed in `examples/support/config.rs`, for
//! `forward_auth` has the same. A variable with a bad value ends the process with exit code 2 and one
//! line that names it; SIGTERM and SIGINT end it gracefully. It starts whether Authgear can be reached
//! or not: ask `/readyz`.

mod routes;

use std::process::ExitCode;

use axum_authgear::ProtectedResource;
use support::{project, serve};

#[tokio::main]
async fn main() -> ExitCode {
    serve::serve(|settings| {
        let mut authgear = project::build_for(settings, project::builder(settings))?;
        if let Some(url) = &settings.public_url {
            let resource = ProtectedResource::new(url).scopes(routes::SCOPES);
            authgear = project::protect(&authgear, resource)?;
        }
        routes::router(&authgear, settings)
    })
    .await
}
