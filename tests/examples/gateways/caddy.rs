//! Caddy, which asks `forward_auth`.

use std::fs;
use std::path::Path;

use tokio::process::Command;

use super::stack::Asks;
use super::{Addresses, Kind, RetryAfter, Unavailable, documented, questions, table};

const CADDY: Kind = Kind {
    program: "caddy",
    prepare,
    malformed: 400,
    unavailable: Unavailable(503, RetryAfter::Passed),
    down: 502,
    passes_body: true,
    speaks_grpc: false,
    refuses_connection: true,
    answers_every_options: false,
    passes_host: true,
};

/// It gets no certificates.
fn prepare(addresses: &Addresses, folder: &Path) -> Command {
    let options = "{\nadmin off\nauto_https off\n}\n";
    let sites = documented("caddy/Caddyfile")
        .replace(
            "api.example.com {",
            &format!("http://{} {{", addresses.gateway),
        )
        .replace("forward-auth:3001", &addresses.asked)
        .replace("api:3000", &addresses.api);
    fs::write(folder.join("Caddyfile"), format!("{options}{sites}")).unwrap();
    let mut command = Command::new("caddy");
    command
        .args(["run", "--config", "Caddyfile", "--adapter", "caddyfile"])
        .env("HOME", folder)
        .env("XDG_DATA_HOME", folder)
        .env("XDG_CONFIG_HOME", folder);
    command
}

#[tokio::test]
#[ignore = "needs caddy"]
async fn forward_auth_is_asked_by_caddy() {
    for mode in ["jwt", "resolver", "jwt+resolver"] {
        table::holds(&CADDY, Asks::ForwardAuth(mode)).await;
    }
}

#[tokio::test]
#[ignore = "needs caddy"]
async fn what_caddy_asks_and_what_it_passes_on() {
    questions::hold(&CADDY).await;
}
