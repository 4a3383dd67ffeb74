//! Server-sent events for signed-in users, in a stream that ends with the session:
//! `cargo run --example live_events`, for a fake Authgear, or for the project that `AUTHGEAR_ENDPOINT`
//! names.
//!
//! The request is authenticated once, and the stream may stay open for hours. So it waits for the
//! next event, and for the end of the user's session, whichever comes first. `BOUND_SECS` (default
//! 10) is how soon a disabled user is out, here as for requests.

use std::convert::Infallible;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use axum_authgear::{AuthUser, Authgear, LiveSessions};
use futures_util::stream::{self, Stream};
use support::provider::Provider;
use support::variable::Variable;
use support::{project, serve};
use tokio::net::TcpListener;
use tokio::time::{Interval, interval};

const BOUND_SECS: Variable = Variable("BOUND_SECS");

#[tokio::main]
async fn main() -> ExitCode {
    serve::exit(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let provider = Provider::from_env().await?;
    let bound = BOUND_SECS.seconds()?.unwrap_or(Duration::from_secs(10));
    if bound.is_zero() {
        return Err(BOUND_SECS.bad("must be 1 at least").into());
    }
    let builder = Authgear::builder(provider.endpoint());
    let authgear = project::build(builder.live_sessions(LiveSessions::within(bound)))?;
    let app = Router::new()
        .route("/events", get(events))
        .layer(authgear.layer())
        .layer(authgear.seal())
        .with_state(authgear);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/events", listener.local_addr()?);
    println!("listening on {url}");
    provider.print_trial(|token| format!("curl -N {url} -H 'authorization: Bearer {token}'"));
    Ok(axum::serve(listener, app).await?)
}

async fn events(
    State(authgear): State<Authgear>,
    user: AuthUser,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let ended = Box::pin(async move { authgear.ended(&user).await });
    let ticks = interval(Duration::from_millis(200));
    let events = stream::unfold(Some((ended, ticks)), async |state| {
        let (mut ended, mut ticks) = state?;
        tokio::select! {
            reason = &mut ended => {
                // The last event, and then the stream is over.
                let event = Event::default().event("end").data(reason.to_string());
                Some((Ok(event), None))
            }
            event = next(&mut ticks) => Some((Ok(event), Some((ended, ticks)))),
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// Whatever the application has to tell.
async fn next(ticks: &mut Interval) -> Event {
    ticks.tick().await;
    Event::default().data("tick")
}
