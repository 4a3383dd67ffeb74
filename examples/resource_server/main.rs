//! A small server as a team would deploy it, configured by its environment alone:
//! `AUTHGEAR_ENDPOINT=https://my-project.authgear.cloud cargo run --example resource_server`.
//!
//! `config.rs` lists the variables, `routes.rs` the routes, and `project.rs` makes the one of the
//! other. A variable with a bad value ends the process with exit code 2 and one line that names it;
//! SIGTERM and SIGINT end it gracefully. It starts whether Authgear can be reached or not: ask
//! `/readyz`.

mod config;
mod project;
mod routes;
mod shutdown;

use std::error::Error;
use std::io::{Write, stderr, stdout};
use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::net::TcpListener;

use crate::config::{BadVariable, Settings};
use crate::shutdown::Shutdown;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "{}", with_causes(&*error));
            ExitCode::from(if error.is::<BadVariable>() { 2 } else { 1 })
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    // Before anything is promised to whoever reads our output.
    let shutdown = Shutdown::install()?;
    let settings = Settings::from_env()?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|error| config::LISTEN.bad(format!("{}: {error}", settings.listen)))?;
    let authgear = project::authgear(&settings)?;
    let app = routes::router(&authgear);

    // That nobody reads the line is no reason to end.
    let _ = writeln!(stdout(), "listening on http://{}", listener.local_addr()?);
    let _ = stdout().flush();

    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(shutdown.requested());
    tokio::select! {
        ended = serving.into_future() => ended?,
        () = shutdown.overdue() => {}
    }
    Ok(())
}

fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    line
}
