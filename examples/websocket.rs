//! A WebSocket for signed-in users, whose browser sends the token as a subprotocol:
//! `cargo run --example websocket`, for a fake Authgear, or for the project that `AUTHGEAR_ENDPOINT`
//! names.
//!
//! A page cannot set headers of a WebSocket's handshake, but for one, and the query string ends up
//! in logs. So it offers two subprotocols, and the server takes the one that is not the token:
//!
//! ```js
//! new WebSocket("wss://api.example.com/echo", ["echo", "bearer." + accessToken])
//! ```
//!
//! A page must know the token to send it, so that this needs no protection against cross-site
//! request forgery; a cookie does, and has it.

use std::error::Error;
use std::process::ExitCode;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::any;
use axum_authgear::{AuthUser, Authgear, TokenSource};
use support::provider::Provider;
use support::{project, serve};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    serve::exit(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let provider = Provider::from_env().await?;
    let builder = Authgear::builder(provider.endpoint())
        .token_source(TokenSource::new(token_of_subprotocols));
    let authgear = project::build(builder)?;
    let app = Router::new()
        .route("/echo", any(echo))
        .layer(authgear.layer())
        .layer(authgear.seal())
        .with_state(authgear);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/echo", listener.local_addr()?);
    println!("listening on {url}");
    provider.print_trial(|token| {
        format!("In the console of a browser: new WebSocket('{url}', ['echo', 'bearer.{token}'])")
    });
    Ok(axum::serve(listener, app).await?)
}

/// The token among the offered subprotocols (RFC 6455 §1.9): a JWT has no character that could not
/// stand there.
fn token_of_subprotocols(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .find_map(|protocol| protocol.trim().strip_prefix("bearer."))
        .map(str::to_owned)
}

async fn echo(
    State(authgear): State<Authgear>,
    user: AuthUser,
    upgrade: WebSocketUpgrade,
) -> Response {
    // The answer names this one, and never the one with the token.
    upgrade
        .protocols(["echo"])
        .on_upgrade(move |socket| talk(socket, user, authgear))
}

async fn talk(mut socket: WebSocket, user: AuthUser, authgear: Authgear) {
    let hello = format!("hello, {}", user.id());
    if socket.send(Message::text(hello)).await.is_err() {
        return;
    }
    let ended = authgear.ended(&user);
    tokio::pin!(ended);
    loop {
        tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            // The connection does not outlive the token, nor, with live sessions, the session.
            reason = &mut ended => {
                let reason = CloseFrame { code: 4401, reason: reason.to_string().into() };
                let _ = socket.send(Message::Close(Some(reason))).await;
                return;
            }
        }
    }
}
