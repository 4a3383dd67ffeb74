//! nginx as ingress-nginx configures it. The controller needs a cluster: the template stands here,
//! and is filled in with the documented annotations.

use std::path::Path;

use tokio::process::Command;

use super::stack::Asks;
use super::{Addresses, Kind, RetryAfter, Unavailable, documented, nginx, questions, table};

const TEMPLATE: &str = include_str!("ingress_nginx.conf");

const INGRESS_NGINX: Kind = Kind {
    program: "nginx",
    prepare,
    // Whatever is neither 2xx nor 401 nor 403.
    malformed: 500,
    unavailable: Unavailable(500, RetryAfter::Missing),
    down: 500,
    passes_body: false,
    speaks_grpc: false,
    refuses_connection: false,
    answers_every_options: true,
    passes_host: false,
};

fn prepare(addresses: &Addresses, folder: &Path) -> Command {
    let ingress = documented("nginx/ingress.yaml");
    let annotation = |name: &str| annotation(&ingress, name);
    let url = annotation("auth-url").replace(
        "forward-auth.default.svc.cluster.local:3001",
        &addresses.asked,
    );
    assert_eq!(annotation("enable-cors"), "true");
    let mut server = TEMPLATE
        .replace("{{api}}", &addresses.api)
        .replace("{{gateway}}", &addresses.gateway)
        .replace("{{auth-url}}", &format!("\"{url}\""))
        .replace("{{auth-host}}", addresses.asked.split(':').next().unwrap())
        .replace(
            "{{auth-response-headers}}",
            &response_headers(&annotation("auth-response-headers")),
        )
        .replace(
            "{{cors-allow-credentials}}",
            match &*annotation("cors-allow-credentials") {
                "true" => "more_set_headers 'Access-Control-Allow-Credentials: true';",
                _ => "",
            },
        )
        .replace(
            "{{cors-allow-origin}}",
            &format!("({})", annotation("cors-allow-origin").replace('.', r"\.")),
        );
    for name in [
        "cors-allow-methods",
        "cors-allow-headers",
        "cors-expose-headers",
        "cors-max-age",
        "configuration-snippet",
    ] {
        server = server.replace(&format!("{{{{{name}}}}}"), &annotation(name));
    }
    let module = "load_module /usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so;\n";
    nginx::start(&server, module, folder)
}

/// As `buildAuthResponseHeaders` of the controller does.
fn response_headers(names: &str) -> String {
    let lines = names.split(',').enumerate().map(|(index, name)| {
        let variable = name.to_lowercase().replace('-', "_");
        format!(
            "auth_request_set $authHeader{index} $upstream_http_{variable};\n\
             proxy_set_header '{name}' $authHeader{index};\n"
        )
    });
    lines.collect()
}

/// The value of an annotation: the rest of the line, or a block of lines.
fn annotation(ingress: &str, name: &str) -> String {
    let start = format!("    nginx.ingress.kubernetes.io/{name}: ");
    let (_, rest) = ingress.split_once(&start).expect(name);
    let mut lines = rest.lines();
    let first = lines.next().unwrap();
    if first == "|" {
        let block = lines.take_while(|line| line.starts_with("      "));
        return block.collect::<Vec<_>>().join("\n");
    }
    first.trim_matches('"').to_owned()
}

#[tokio::test]
#[ignore = "needs nginx with headers-more"]
async fn forward_auth_is_asked_by_ingress_nginx() {
    for mode in ["jwt", "resolver", "jwt+resolver"] {
        table::holds(&INGRESS_NGINX, Asks::ForwardAuth(mode)).await;
    }
}

#[tokio::test]
#[ignore = "needs nginx with headers-more"]
async fn what_ingress_nginx_asks_and_what_it_passes_on() {
    questions::hold(&INGRESS_NGINX).await;
}
