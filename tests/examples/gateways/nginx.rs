//! nginx, which asks `forward_auth` or Authgear's resolver.

use std::fs;
use std::path::Path;

use tokio::process::Command;

use super::stack::Asks;
use super::{Addresses, Kind, RetryAfter, Unavailable, documented, questions, table};

const NGINX: Kind = Kind {
    program: "nginx",
    prepare: |addresses, folder| start(&server("forward_auth", addresses), "", folder),
    malformed: 400,
    unavailable: Unavailable(503, RetryAfter::Passed),
    down: 503,
    passes_body: false,
    speaks_grpc: false,
    refuses_connection: false,
    answers_every_options: false,
    passes_host: true,
};

/// The documented configuration with these addresses.
fn server(name: &str, addresses: &Addresses) -> String {
    documented(&format!("nginx/{name}.conf"))
        .replace("127.0.0.1:3000", &addresses.api)
        .replace("127.0.0.1:3001", &addresses.asked)
        .replace("127.0.0.1:8080", &addresses.gateway)
}

/// A single process with this in its `http` block.
pub(super) fn start(server: &str, modules: &str, folder: &Path) -> Command {
    fs::write(folder.join("server.conf"), server).unwrap();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {kind};\n"))
        .concat();
    let main = format!(
        "{modules}daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\n\
         events {{}}\nhttp {{\naccess_log off;\n{temporary}include server.conf;\n}}\n"
    );
    fs::write(folder.join("nginx.conf"), main).unwrap();
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(folder)
        .args(["-c", "nginx.conf", "-e", "error.log"]);
    command
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn forward_auth_is_asked_by_nginx() {
    for mode in ["jwt", "resolver", "jwt+resolver"] {
        table::holds(&NGINX, Asks::ForwardAuth(mode)).await;
    }
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn the_resolver_is_asked_by_nginx() {
    let nginx = Kind {
        prepare: |addresses, folder| start(&server("resolver", addresses), "", folder),
        // The API refuses, and says so in its own words.
        malformed: 401,
        unavailable: Unavailable(503, RetryAfter::Fixed("5")),
        passes_body: true,
        ..NGINX
    };
    table::holds(&nginx, Asks::Resolver).await;
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn what_nginx_asks_and_what_it_passes_on() {
    questions::hold(&NGINX).await;
}
