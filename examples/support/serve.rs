//! The life of the process: from the first signal handler to the last connection.

use std::error::Error;
use std::io::{Write, stderr, stdout};
use std::net::SocketAddr;
use std::process::ExitCode;

use axum::Router;
use tokio::net::TcpListener;

use crate::config::{self, Settings};
use crate::log::Log;
use crate::shutdown::Shutdown;
use crate::variable::BadVariable;

/// Serves what `app` makes of the settings, until the process is to end.
pub async fn serve(app: impl FnOnce(&Settings) -> Result<Router, Box<dyn Error>>) -> ExitCode {
    exit(run(app).await)
}

/// The end of a process: 2 for a bad variable, which one line on stderr names, and 1 for other errors.
#[must_use]
pub fn exit(outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "{}", with_causes(&*error));
            ExitCode::from(if error.is::<BadVariable>() { 2 } else { 1 })
        }
    }
}

async fn run(
    app: impl FnOnce(&Settings) -> Result<Router, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    // Before anything is promised to whoever reads our output.
    let shutdown = Shutdown::install()?;
    let settings = Settings::from_env()?;
    let log = Log::start();
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|error| config::LISTEN.bad(format!("{}: {error}", settings.listen)))?;
    let app = app(&settings)?;
    log.release();

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

/// The error and its causes, in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    line
}
