//! A real nginx, or a Caddy, in front of `resource_server` in gateway mode, with the configurations that
//! the documentation shows.

use std::path::PathBuf;

use axum_authgear::testkit::{FakeAuthgear, Session, User};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::forward_auth;
use crate::process::{Example, PATIENCE};
use crate::resource_server::Server;

const FORWARD_AUTH: &str = include_str!("../../src/docs/nginx/forward_auth.conf");
const RESOLVER: &str = include_str!("../../src/docs/nginx/resolver.conf");
const CADDYFILE: &str = include_str!("../../src/docs/caddy/Caddyfile");
const SECRET: &str = "change-me-change-me-change-me-32";

/// A running nginx or Caddy: one process, killed when this is dropped.
struct Gateway {
    _process: Child,
    prefix: PathBuf,
    address: String,
}

impl Gateway {
    /// Starts an nginx with a configuration of ours, whose addresses are replaced.
    async fn nginx(name: &str, configuration: &str, api: &str, asked: &str) -> Self {
        let address = free_address().await;
        let server = configuration
            .replace("127.0.0.1:3000", api)
            .replace("127.0.0.1:3001", asked)
            .replace("127.0.0.1:8080", &address);
        let prefix = folder(&format!("nginx-{name}"));
        std::fs::write(prefix.join("server.conf"), server).unwrap();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind};\n"))
            .concat();
        let main = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}include server.conf;\n}}\n"
        );
        std::fs::write(prefix.join("nginx.conf"), main).unwrap();
        let process = Command::new("nginx")
            .arg("-p")
            .arg(&prefix)
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self::listening(process, prefix, address).await
    }

    /// Starts a Caddy with the documented configuration, whose addresses are replaced. It gets no
    /// certificates.
    async fn caddy(api: &str, asked: &str) -> Self {
        let address = free_address().await;
        let options = "{\nadmin off\nauto_https off\n}\n";
        let sites = CADDYFILE
            .replace("api.example.com {", &format!("http://{address} {{"))
            .replace("forward-auth:3001", asked)
            .replace("api:3000", api);
        let prefix = folder("caddy");
        std::fs::write(prefix.join("Caddyfile"), format!("{options}{sites}")).unwrap();
        let process = Command::new("caddy")
            .args(["run", "--config", "Caddyfile", "--adapter", "caddyfile"])
            .current_dir(&prefix)
            .env("HOME", &prefix)
            .env("XDG_DATA_HOME", &prefix)
            .env("XDG_CONFIG_HOME", &prefix)
            .stderr(std::fs::File::create(prefix.join("error.log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self::listening(process, prefix, address).await
    }

    async fn listening(process: Child, prefix: PathBuf, address: String) -> Self {
        let listens = async {
            while TcpStream::connect(&address).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, listens).await.unwrap();
        Self {
            _process: process,
            prefix,
            address,
        }
    }

    /// Sends these lines as they are, and gives status and body.
    async fn send(&self, method: &str, path: &str, headers: &[&str]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        if !headers
            .iter()
            .any(|header| header.starts_with("Connection"))
        {
            request.push_str("Connection: close\r\n");
        }
        stream
            .write_all(format!("{request}\r\n").as_bytes())
            .await
            .unwrap();
        // Some answers leave the connection open.
        let mut answer = Vec::new();
        let read = timeout(
            std::time::Duration::from_secs(2),
            stream.read_to_end(&mut answer),
        );
        let _ = read.await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.get(9..12).and_then(|code| code.parse().ok());
        (status.unwrap_or_else(|| panic!("{answer}")), answer)
    }
}

async fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

fn folder(name: &str) -> PathBuf {
    let name = format!("axum-authgear-{name}-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.prefix);
    }
}

struct Stack {
    fake: FakeAuthgear,
    alice: User,
    session: Session,
    gateway: Gateway,
    _api: Server,
    _forward_auth: Option<Example>,
}

/// What stands in front, and whom it asks.
#[derive(Clone, Copy, PartialEq)]
enum Asks {
    /// nginx, Authgear's resolver.
    Resolver,
    /// nginx, a server in this mode.
    ByNginx(&'static str),
    /// Caddy, a server in this mode.
    ByCaddy(&'static str),
}

async fn stack(asks: Asks) -> Stack {
    let fake = FakeAuthgear::builder()
        .endpoint("https://auth.shop.example")
        .start()
        .await;
    let alice = fake.add_user(User::new("alice").roles(["editor"]).verified(true));
    let session = fake.sign_in(&alice);
    let gateway = [
        ("AUTHGEAR_VERIFY", "gateway"),
        ("AUTHGEAR_GATEWAY_SECRET", SECRET),
    ];
    let api = Server::start(fake.endpoint(), &gateway).await;
    let bare = |url: &str| url.strip_prefix("http://").unwrap().to_owned();
    let resolver_url = format!("{}/_resolver/resolve", fake.url());
    let (gateway, server) = match asks {
        Asks::Resolver => {
            let asked = bare(fake.url());
            let gateway = Gateway::nginx("resolver", RESOLVER, api.address(), &asked);
            (gateway.await, None)
        }
        Asks::ByNginx(mode) | Asks::ByCaddy(mode) => {
            let environment = [
                ("AUTHGEAR_VERIFY", mode),
                ("AUTHGEAR_TOKEN_COOKIE", "token"),
                ("AUTHGEAR_INTERNAL_URL", fake.url()),
                ("AUTHGEAR_RESOLVER_URL", &resolver_url),
                ("AUTHGEAR_RECHECK_SECS", "1"),
            ];
            let (server, url) = forward_auth::start(fake.endpoint(), &environment).await;
            let asked = bare(&url);
            let gateway = if asks == Asks::ByCaddy(mode) {
                Gateway::caddy(api.address(), &asked).await
            } else {
                let name = mode.replace('+', "-");
                Gateway::nginx(&name, FORWARD_AUTH, api.address(), &asked).await
            };
            (gateway, Some(server))
        }
    };
    Stack {
        fake,
        alice,
        session,
        gateway,
        _api: api,
        _forward_auth: server,
    }
}

/// What a client may try to be taken for another user.
const SPOOFED: [&[&str]; 7] = [
    &[
        "X-Authgear-Session-Valid: true",
        "X-Authgear-User-Id: spoofed",
    ],
    &[
        "x-authgear-session-valid: true",
        "x-AUTHGEAR-user-ID: spoofed",
    ],
    &[
        "X_Authgear_Session_Valid: true",
        "X_Authgear_User_Id: spoofed",
    ],
    &[
        "x-authgear-session_valid: true",
        "x-authgear_user-id: spoofed",
    ],
    &[
        "X-Authgear-Session-Valid: true",
        "X-Authgear-Session-Valid: true",
        "X-Authgear-User-Id: spoofed",
        "X-Authgear-User-Id: spoofed",
        "X-Authgear-User-Roles: spoofed",
    ],
    &[
        "Connection: close, x-authgear-user-id, x-authgear-session-valid, x-gateway-secret",
        "X-Authgear-Session-Valid: true",
        "X-Authgear-User-Id: spoofed",
    ],
    &[
        "X-Gateway-Secret: change-me-change-me-change-me-32",
        "X-Authgear-Session-Valid: true",
        "X-Authgear-User-Id: spoofed",
    ],
];

async fn assert_holds(asks: Asks) {
    let stack = stack(asks).await;
    let gateway = &stack.gateway;
    let bearer = format!("Authorization: Bearer {}", stack.session.token().sign());
    let (by_resolver, by_jwt) = match asks {
        Asks::Resolver => (true, false),
        Asks::ByNginx(mode) | Asks::ByCaddy(mode) => (mode == "resolver", mode == "jwt"),
    };
    let cookie = if by_resolver {
        format!("Cookie: {}", stack.session.cookies().session().pair())
    } else {
        format!("Cookie: token={}", stack.session.token().sign())
    };
    let (bearer, cookie) = (&*bearer, &*cookie);
    for credential in [bearer, cookie] {
        let (status, text) = gateway.send("GET", "/me", &[credential]).await;
        assert_eq!(status, 200, "{text}");
        assert!(
            text.contains(stack.alice.id()) && text.contains("\"editor\""),
            "{text}"
        );
        assert!(text.contains("\"verified_by\":\"gateway\""), "{text}");
        for spoofed in SPOOFED {
            for path in ["/me", "/whoami", "/echo-headers"] {
                let headers = [&[credential], spoofed].concat();
                let (status, text) = gateway.send("GET", path, &headers).await;
                // Caddy lets a client take fields away from its own request by naming them in
                // `Connection`: nobody is signed in then.
                if matches!(asks, Asks::ByCaddy(_)) && spoofed[0].starts_with("Connection") {
                    assert_eq!(status == 401, path == "/me", "{text}");
                } else {
                    assert_eq!(status, 200, "{spoofed:?}: {text}");
                }
                assert!(!text.contains("spoofed"), "{spoofed:?}: {text}");
            }
        }
    }
    // A field that the answer does not have is not there on the other side.
    let bob = stack.fake.add_user(User::new("bob"));
    let bearer_of_bob = stack.fake.sign_in(&bob).token().sign();
    let bearer_of_bob = format!("Authorization: Bearer {bearer_of_bob}");
    let (status, text) = gateway.send("GET", "/me", &[&bearer_of_bob]).await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("\"roles\":[]"), "{text}");
    // Nobody is signed in.
    for credential in [&[][..], &["Authorization: Bearer garbage"]] {
        let spoofed = SPOOFED
            .iter()
            .copied()
            .chain([&[][..], &["Content-Type: application/grpc", "TE: trailers"]]);
        for more in spoofed {
            let headers = [credential, more].concat();
            let (status, text) = gateway.send("GET", "/me", &headers).await;
            assert_eq!(status, 401, "{headers:?}: {text}");
            for path in ["/whoami", "/echo-headers"] {
                let (_, text) = gateway.send("GET", path, &headers).await;
                assert!(!text.contains("spoofed"), "{headers:?}: {text}");
                assert!(!text.contains("user_id"), "{headers:?}: {text}");
            }
        }
    }
    // A cookie proves no intent; a bearer does.
    let upgrade = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ];
    let own = format!("Origin: http://{}", gateway.address);
    let (cross, evil, own) = (
        "Sec-Fetch-Site: cross-site",
        "Origin: https://evil.example",
        &*own,
    );
    for (site, is_refused) in [(cross, true), (evil, true), (own, false)] {
        // The scope is not there: whoever gets through is told so.
        let (status, text) = gateway.send("POST", "/orders", &[cookie, site]).await;
        assert_eq!(status, 403, "{text}");
        assert_eq!(
            text.contains("insufficient_scope"),
            !is_refused,
            "{site}: {text}"
        );
        let (status, text) = gateway
            .send("GET", "/me", &[&[cookie, site], &upgrade[..]].concat())
            .await;
        assert_eq!(status, if is_refused { 403 } else { 200 }, "{site}: {text}");
        let (_, text) = gateway.send("POST", "/orders", &[bearer, site]).await;
        assert!(text.contains("insufficient_scope"), "{site}: {text}");
    }
    if !by_jwt {
        stack.fake.disable(&stack.alice);
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        for credential in [bearer, cookie] {
            let (status, text) = gateway.send("GET", "/me", &[credential]).await;
            assert_eq!(status, 401, "{text}");
        }
    }
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn the_resolver_is_asked_by_nginx() {
    assert_holds(Asks::Resolver).await;
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn forward_auth_is_asked_by_nginx() {
    for mode in ["jwt", "resolver", "jwt+resolver"] {
        assert_holds(Asks::ByNginx(mode)).await;
    }
}

#[tokio::test]
#[ignore = "needs caddy"]
async fn forward_auth_is_asked_by_caddy() {
    for mode in ["jwt", "resolver", "jwt+resolver"] {
        assert_holds(Asks::ByCaddy(mode)).await;
    }
}
