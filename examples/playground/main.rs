//! A live demonstration of the crate in a browser: run `cargo run --example playground`, and open the
//! printed URL.
//!
//! It starts two fake Authgear projects, an API for each mode, and people who send requests to all of them.
//! On the page, each request is a mark in a timeline. Buttons disable users, rotate keys, make Authgear
//! hang, and attack. Each press ends in a sentence with the measured effect on the requests that followed.
//!
//! With `AUTHGEAR_ENDPOINT` and `AUTHGEAR_CLIENT_ID` (a public client) you can sign in to a real project,
//! and watch your own token. The client's redirect URI is printed, and `LISTEN` fixes its port. The page
//! controls everything, so it listens on loopback only.

mod accounts;
mod apis;
mod attackers;
mod controls;
mod gateway;
mod marks;
mod old_key;
mod page;
mod people;
mod seen;
mod sign_in;
mod story;
mod traffic;
mod world;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;

use support::serve;
use support::variable::Variable;
use tokio::net::TcpListener;

use crate::sign_in::SignIn;
use crate::world::World;

const LISTEN: Variable = Variable("LISTEN");

#[tokio::main]
async fn main() -> ExitCode {
    serve::exit(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let listen: SocketAddr = match LISTEN.text()? {
        None => SocketAddr::from(([127, 0, 0, 1], 0)),
        Some(text) => text
            .parse()
            .ok()
            .filter(|address: &SocketAddr| {
                address.ip() == SocketAddr::from(([127, 0, 0, 1], 0)).ip()
            })
            .ok_or_else(|| LISTEN.bad(format!("{text:?} is not 127.0.0.1 with a port")))?,
    };
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| LISTEN.bad(format!("{listen}: {error}")))?;
    let address = listener.local_addr()?;
    let sign_in = SignIn::from_env(address)?;
    let redirect_uri = sign_in.as_ref().map(SignIn::redirect_uri);

    let world = World::start(sign_in).await?;
    traffic::start(&world);
    println!("listening on http://{address}");
    if let Some(uri) = redirect_uri {
        println!("To sign in, give your client this redirect URI: {uri}");
    }
    Ok(axum::serve(listener, page::router(world, address)).await?)
}
