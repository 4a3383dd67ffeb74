//! Envoy, whose `ext_authz` filter asks `forward_auth`.

use std::fs;
use std::path::Path;

use tokio::process::Command;

use super::stack::Asks;
use super::{Addresses, Kind, RetryAfter, Unavailable, documented, questions, table};

const ENVOY: Kind = Kind {
    program: "envoy",
    prepare,
    malformed: 400,
    unavailable: Unavailable(503, RetryAfter::Fixed("5")),
    down: 503,
    passes_body: true,
    speaks_grpc: true,
    refuses_connection: false,
    answers_every_options: false,
    passes_host: true,
};

fn prepare(addresses: &Addresses, folder: &Path) -> Command {
    let address = |text: &str| {
        let (host, port) = text.rsplit_once(':').unwrap();
        format!("{{ address: {host}, port_value: {port} }}")
    };
    let configuration = documented("envoy/envoy.yaml")
        .replace(
            "{ address: 0.0.0.0, port_value: 8080 }",
            &address(&addresses.gateway),
        )
        .replace(
            "{ address: forward-auth, port_value: 3001 }",
            &address(&addresses.asked),
        )
        .replace(
            "{ address: api, port_value: 3000 }",
            &address(&addresses.api),
        );
    fs::write(folder.join("envoy.yaml"), configuration).unwrap();
    let mut command = Command::new("envoy");
    command.args(["--config-path", "envoy.yaml", "--concurrency", "1"]);
    // Several may run at a time.
    command.args(["--disable-hot-restart", "--log-level", "warning"]);
    command
}

#[tokio::test]
#[ignore = "needs envoy"]
async fn forward_auth_is_asked_by_envoy() {
    for mode in ["jwt", "resolver", "jwt+resolver"] {
        table::holds(&ENVOY, Asks::ForwardAuth(mode)).await;
    }
}

#[tokio::test]
#[ignore = "needs envoy"]
async fn what_envoy_asks_and_what_it_passes_on() {
    questions::hold(&ENVOY).await;
}
