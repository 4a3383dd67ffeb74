//! `mcp_server` and clients that know nothing but its address: the official one (npm) and rmcp's own,
//! with a certified `oidc-provider` as the authorization server.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientInitializeError, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationManager, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::mcp_server::Server;
use crate::process::{Example, PATIENCE, client};

const REDIRECT_URI: &str = "http://127.0.0.1/callback";

struct World {
    issuer: String,
    /// The address that clients know.
    url: String,
    /// What the server has answered, as `METHOD STATUS`.
    answers: Arc<Mutex<Vec<String>>>,
    _provider: Child,
    _server: Example,
}

impl World {
    async fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/oidc_provider/server.mjs");
        let mut provider = Command::new("node")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let stdout = provider.stdout.take().unwrap();
        let line = BufReader::new(stdout).lines().next_line().await.unwrap();
        let line = line.expect("`npm ci --prefix tests/oidc_provider` was run");
        let issuer = line.strip_prefix("listening on ").unwrap().to_owned();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let mut server = Example::start(
            "mcp_server",
            &[
                ("AUTHGEAR_ENDPOINT", issuer.as_str()),
                ("AUTHGEAR_AUDIENCE", &url),
                ("AUTHGEAR_JWKS_COOLDOWN_SECS", "1"),
                ("LISTEN", "127.0.0.1:0"),
                ("PUBLIC_URL", &url),
            ],
        );
        let line = server.line().await;
        let behind = line.strip_prefix("listening on http://").unwrap();
        let answers = Arc::default();
        front(listener, behind.parse().unwrap(), Arc::clone(&answers));
        Self {
            issuer,
            url,
            answers,
            _provider: provider,
            _server: server,
        }
    }

    fn count(&self, answer: &str) -> usize {
        let answers = self.answers.lock().unwrap();
        answers.iter().filter(|own| *own == answer).count()
    }

    /// A browser whose user agrees to everything: where it ends.
    async fn sign_in(&self, authorize: &str) -> String {
        let browser = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let mut cookies = Vec::<(String, String)>::new();
        let mut next = authorize.to_owned();
        for _ in 0..20 {
            if next.starts_with(REDIRECT_URI) {
                return next;
            }
            let jar: Vec<_> = cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let response = browser
                .get(&next)
                .header("cookie", jar.join("; "))
                .send()
                .await
                .unwrap();
            for field in response.headers().get_all("set-cookie") {
                let pair = field.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                cookies.retain(|(own, _)| own != name);
                cookies.push((name.to_owned(), value.to_owned()));
            }
            let location = response
                .headers()
                .get("location")
                .map(|to| to.to_str().unwrap().to_owned());
            let location = location.unwrap_or_else(|| panic!("{next}: {}", response.status()));
            next = if location.starts_with('/') {
                format!("{}{location}", self.issuer)
            } else {
                location
            };
        }
        panic!("too many redirects");
    }

    async fn rotate(&self) {
        let rotate = format!("{}/__test/rotate", self.issuer);
        let response = client().post(rotate).send().await.unwrap();
        assert!(response.status().is_success());
    }
}

/// A proxy that writes down what the server answers to requests for `/mcp`.
fn front(listener: TcpListener, behind: SocketAddr, answers: Arc<Mutex<Vec<String>>>) {
    let http = client();
    let forward = async move |request: Request| {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let answer = http
            .request(
                parts.method.clone(),
                format!("http://{behind}{}", parts.uri),
            )
            .headers(parts.headers)
            .body(body)
            .send()
            .await
            .unwrap();
        if parts.uri.path() == "/mcp" {
            let line = format!("{} {}", parts.method, answer.status().as_u16());
            answers.lock().unwrap().push(line);
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        *response.body_mut() = answer.bytes().await.unwrap().into();
        response
    };
    let app = Router::new().fallback(move |request| {
        let forward = forward.clone();
        async move { forward(request).await }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
}

#[tokio::test]
#[ignore = "needs node, oidc-provider and @modelcontextprotocol/client from npm"]
async fn the_official_client_from_the_bare_address_to_the_tool_that_needs_a_scope() {
    let world = World::start().await;
    let elsewhere = Server::start(&world.issuer, &[]).await;
    for revision in ["2025-11-25", "2026-07-28"] {
        world.answers.lock().unwrap().clear();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/mcp_client/client.mjs");
        let output = Command::new("node")
            .args([script, &world.url, revision])
            .output();
        let output = timeout(PATIENCE, output).await.unwrap().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        let told: Value = serde_json::from_str(said.trim())
            .unwrap_or_else(|_| panic!("{revision}: {said}{complaint}"));
        assert_eq!(told["revision"], revision);
        assert_eq!(told["whoami"], "alice, scopes: tools:read", "{told}");
        let published = told["publish"].as_str().unwrap();
        assert!(published.starts_with("published by alice"), "{published}");
        assert_eq!(told["asked"][0], "tools:read", "{told}");
        let more = told["asked"][1].as_str().unwrap();
        assert!(
            more.split(' ').any(|scope| scope == "tools:publish"),
            "{more}"
        );
        assert_eq!(told["asked"].as_array().unwrap().len(), 2, "{told}");
        assert_eq!(world.count("POST 401"), 1, "{told}");
        assert_eq!(world.count("POST 403"), 1, "{told}");
        // Its token is for this server, and for no other.
        let token = told["token"].as_str().unwrap();
        let answer = client().get(&world.url).bearer_auth(token).send();
        assert_eq!(answer.await.unwrap().status().as_u16(), 405);
        let answer = client().get(elsewhere.url()).bearer_auth(token).send();
        assert_eq!(answer.await.unwrap().status().as_u16(), 401);
    }
}

type McpClient = RunningService<RoleClient, ()>;

async fn connect(
    world: &World,
    manager: AuthorizationManager,
    lifecycle: ClientLifecycleMode,
) -> Result<McpClient, Box<ClientInitializeError>> {
    let config = StreamableHttpClientTransportConfig::with_uri(world.url.as_str());
    let transport =
        StreamableHttpClientTransport::with_client(AuthClient::new(client(), manager), config);
    ().serve_with_lifecycle(transport, lifecycle)
        .await
        .map_err(Box::new)
}

async fn call(client: &McpClient, tool: &'static str) -> Result<String, String> {
    match client.call_tool(CallToolRequestParams::new(tool)).await {
        Ok(result) => Ok(serde_json::to_value(result).unwrap()["content"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned()),
        Err(error) => Err(error.auth_challenge().unwrap_or("no challenge").to_owned()),
    }
}

#[tokio::test]
#[ignore = "needs node and oidc-provider from npm"]
async fn rmcp_s_own_client_from_the_bare_address_to_the_tool_that_needs_a_scope() {
    let world = World::start().await;
    for (revision, lifecycle) in [
        (LEGACY, (|| ClientLifecycleMode::Initialize) as fn() -> _),
        (MODERN, || ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        }),
    ] {
        world.answers.lock().unwrap().clear();
        let bare = StreamableHttpClientTransport::with_client(
            client(),
            StreamableHttpClientTransportConfig::with_uri(world.url.as_str()),
        );
        let Err(error) = ().serve_with_lifecycle(bare, lifecycle()).await else {
            panic!("{revision}: it was let in");
        };
        let challenge = error.auth_challenge().expect("a challenge").to_owned();
        assert!(
            challenge.starts_with("Bearer scope=\"tools:read\""),
            "{challenge}"
        );

        let manager = authorize(&world, challenge).await;
        let client = connect(&world, manager, lifecycle()).await.unwrap();
        let whoami = call(&client, "whoami").await.unwrap();
        assert!(
            whoami.starts_with("alice, scopes: ") && whoami.contains("tools:read"),
            "{whoami}"
        );
        assert!(!whoami.contains("publish"), "{whoami}");
        assert_eq!(world.count("POST 401"), 1, "{revision}");

        world.rotate().await;
        let challenge = call(&client, "publish").await.unwrap_err();
        assert!(
            challenge.contains("error=\"insufficient_scope\", scope=\"tools:publish\""),
            "{challenge}"
        );
        let manager = authorize(&world, challenge).await;
        let client = connect(&world, manager, lifecycle()).await.unwrap();
        let published = call(&client, "publish").await.unwrap();
        assert!(published.starts_with("published by alice"), "{published}");
        assert_eq!(world.count("POST 401"), 1, "{revision}");
        assert_eq!(world.count("POST 403"), 1, "{revision}");
    }
}

/// The whole sign-in, from a challenge to a token.
async fn authorize(world: &World, challenge: String) -> AuthorizationManager {
    let mut state = OAuthState::new(world.url.as_str(), None).await.unwrap();
    let request = AuthorizationRequest::new(REDIRECT_URI)
        .with_preregistered_client("mcp-client")
        .with_initial_scope_selection()
        .with_challenge(challenge);
    state.start_authorization(request).await.unwrap();
    let authorization = state.get_authorization_url().await.unwrap();
    let back = world.sign_in(&authorization).await;
    state.handle_callback_url(&back).await.unwrap();
    state.into_authorization_manager().unwrap()
}

const LEGACY: &str = "legacy";
const MODERN: &str = "modern";
