//! `mcp_server`: who may call which tool, in each revision of the protocol, and what refused clients are told.

use axum_authgear::testkit::{FakeAuthgear, User, WebhookEvent};
use serde_json::{Value, json};

use crate::process::{Answer, Example, PATIENCE, ask, client, run};

const PUBLIC_URL: &str = "https://tools.example.com/mcp";
const METADATA: &str =
    "resource_metadata=\"https://tools.example.com/.well-known/oauth-protected-resource/mcp\"";

pub(crate) struct Server {
    url: String,
    _process: Example,
}

impl Server {
    pub(crate) async fn start(endpoint: &str, environment: &[(&str, &str)]) -> Self {
        let own = [
            ("AUTHGEAR_ENDPOINT", endpoint),
            ("LISTEN", "127.0.0.1:0"),
            ("PUBLIC_URL", PUBLIC_URL),
        ];
        let mut process = Example::start("mcp_server", &[&own[..], environment].concat());
        let line = process.line().await;
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        Self {
            url,
            _process: process,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/mcp", self.url)
    }

    async fn post(&self, token: Option<&str>, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = client()
            .post(format!("{}/mcp", self.url))
            .header("content-type", "application/json")
            .body(body.to_owned());
        if !headers.iter().any(|(name, _)| *name == "accept") {
            request = request.header("accept", "application/json, text/event-stream");
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = tokio::time::timeout(PATIENCE, request.send());
        let response = response.await.unwrap().unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    /// A request of the given revision, as its clients write it.
    async fn call(&self, revision: &str, token: Option<&str>, tool: &str) -> Answer {
        let mut params = json!({ "name": tool, "arguments": {} });
        let mut headers = vec![("mcp-protocol-version", revision)];
        if revision == MODERN {
            params["_meta"] = meta();
            headers.extend([("mcp-method", "tools/call"), ("mcp-name", tool)]);
        }
        let body = request("tools/call", &params);
        self.post(token, &headers, &body).await
    }
}

const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";

fn request(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

fn text(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let answer = answer.json();
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// A refusal by the layer: its status, its code and its challenge; nothing of JSON-RPC.
fn assert_refused(answer: &Answer, status: u16, code: &str, challenge: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.json()["error"], code, "{answer:?}");
    let fields: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(fields, [challenge], "{answer:?}");
}

fn lacking(scope: &str) -> String {
    format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\", {METADATA}")
}

#[tokio::test]
async fn tools_by_callers_in_both_revisions() {
    let fake = FakeAuthgear::start().await;
    let both = format!("{},{PUBLIC_URL}", fake.endpoint());
    let server = Server::start(fake.endpoint(), &[("AUTHGEAR_AUDIENCE", &both)]).await;
    let alice = fake.add_user(User::new("alice"));
    let with = |scope: &str| fake.token(&alice).scope(scope).sign();
    let robot = fake
        .client_token("robot", PUBLIC_URL)
        .scope("tools:publish")
        .sign();
    let other = fake
        .client_token("robot", "https://other.example.com/mcp")
        .sign();
    let expired = fake.token(&alice).expires_at(1_000_000_000).sign();

    for revision in [LEGACY, MODERN] {
        for tool in ["whoami", "publish", "nothing"] {
            let answer = server.call(revision, None, tool).await;
            let challenge = format!("Bearer scope=\"tools:read\", {METADATA}");
            assert_refused(&answer, 401, "missing_credential", &challenge);
            for (token, why) in [
                (&expired, "the access token has expired"),
                (&other, "the access token is for another audience"),
            ] {
                let answer = server.call(revision, Some(token), tool).await;
                let challenge = format!(
                    "Bearer error=\"invalid_token\", error_description=\"{why}\", {METADATA}"
                );
                assert_refused(&answer, 401, "invalid_token", &challenge);
            }
        }
        for (token, id, scopes, publishes) in [
            (with(""), alice.id(), "", false),
            (with("tools:read"), alice.id(), "tools:read", false),
            (
                with("tools:publisher tools"),
                alice.id(),
                "tools:publisher tools",
                false,
            ),
            (with("tools:publish"), alice.id(), "tools:publish", true),
            (with("x tools:publish"), alice.id(), "x tools:publish", true),
            (robot.clone(), "robot", "tools:publish", true),
        ] {
            let told = text(&server.call(revision, Some(&token), "whoami").await);
            assert_eq!(told, format!("{id}, scopes: {scopes}"));
            let answer = server.call(revision, Some(&token), "publish").await;
            if publishes {
                assert!(text(&answer).contains(id), "{answer:?}");
            } else {
                assert_refused(
                    &answer,
                    403,
                    "insufficient_scope",
                    &lacking("tools:publish"),
                );
            }
        }
        // A tool that is not there is JSON-RPC's to tell.
        let answer = server.call(revision, Some(&with("")), "nothing").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.json()["error"]["code"].is_number(), "{answer:?}");
    }
}

/// The handshakes of both revisions, and what they list.
#[tokio::test]
async fn clients_of_both_revisions_are_greeted() {
    let fake = FakeAuthgear::start().await;
    let server = Server::start(fake.endpoint(), &[]).await;
    let token = fake
        .token(&fake.add_user(User::new("alice")))
        .scope("")
        .sign();
    let bearer = format!("Bearer {token}");
    let token = Some(token.as_str());

    let params = json!({
        "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" },
    });
    let answer = server
        .post(token, &[], &request("initialize", &params))
        .await;
    assert_eq!(
        answer.json()["result"]["protocolVersion"],
        LEGACY,
        "{answer:?}"
    );
    assert_eq!(answer.header("mcp-session-id"), None);
    let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let legacy = [("mcp-protocol-version", LEGACY)];
    assert_eq!(server.post(token, &legacy, body).await.status, 202);

    let modern = |method| [("mcp-protocol-version", MODERN), ("mcp-method", method)];
    let params = json!({ "_meta": meta() });
    let body = request("server/discover", &params);
    let answer = server.post(token, &modern("server/discover"), &body).await;
    let versions = &answer.json()["result"]["supportedVersions"];
    assert!(
        versions.as_array().unwrap().contains(&json!(MODERN)),
        "{answer:?}"
    );

    for answer in [
        server
            .post(token, &legacy, &request("tools/list", &json!({})))
            .await,
        server
            .post(
                token,
                &modern("tools/list"),
                &request("tools/list", &params),
            )
            .await,
    ] {
        let answer = answer.json();
        let tools = answer["result"]["tools"].as_array().unwrap();
        let mut names: Vec<_> = tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["publish", "whoami"], "{answer}");
    }
    // There is no stream, and no session to end: after the token was checked.
    for method in ["GET", "DELETE", "PUT"] {
        let url = format!("{}/mcp", server.url);
        assert_eq!(ask(method, &url, &[]).await.status, 401);
        let headers = [("authorization", &*bearer), ("accept", "text/event-stream")];
        assert_eq!(ask(method, &url, &headers).await.status, 405, "{method}");
    }
}

/// Whatever is sent: without the scope nothing is published, and a refusal is one by HTTP.
#[tokio::test]
async fn no_way_around_the_scope() {
    let fake = FakeAuthgear::start().await;
    let server = Server::start(fake.endpoint(), &[]).await;
    let token = fake
        .token(&fake.add_user(User::new("alice")))
        .scope("tools:read")
        .sign();
    let call = r#""method":"tools/call","params":{"name":"publish","arguments":{}}"#;
    for body in [
        format!(r#"{{"jsonrpc":"2.0","id":1,{call}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":"one",{call}}}"#),
        // Members twice, in either order.
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list",{call}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,{call},"method":"tools/list"}}"#),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","name":"publish"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"publish","name":"whoami"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pub\u006cish"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"name":"publish","arguments":{"x":1}}}"#.to_owned(),
        // Several at once.
        format!(r#"[{{"jsonrpc":"2.0","id":1,{call}}}]"#),
        format!(r#"[{{"jsonrpc":"2.0","id":1,"method":"tools/list"}},{{"jsonrpc":"2.0","id":2,{call}}}]"#),
        // One that wants no answer.
        format!(r#"{{"jsonrpc":"2.0",{call}}}"#),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,{call}}}{}", " ".repeat(70_000)),
        format!("\u{feff}{{\"jsonrpc\":\"2.0\",\"id\":1,{call}}}"),
        String::new(),
    ] {
        for headers in [&[][..], &[("mcp-protocol-version", LEGACY)]] {
            let answer = server.post(Some(&token), headers, &body).await;
            assert!(!answer.text.contains("published"), "{body}: {answer:?}");
            if answer.status == 403 {
                assert_refused(&answer, 403, "insufficient_scope", &lacking("tools:publish"));
            }
        }
    }
    let plain = server.call(LEGACY, Some(&token), "publish").await;
    assert_eq!(plain.status, 403);
    // The header names one tool and the body another.
    let params = json!({ "name": "publish", "arguments": {}, "_meta": meta() });
    let headers = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "whoami"),
    ];
    let answer = server
        .post(Some(&token), &headers, &request("tools/call", &params))
        .await;
    assert_eq!(answer.status, 400, "{answer:?}");
    // What a client does not take is refused after its token, and before the tool.
    let body = request("tools/call", &json!({ "name": "publish" }));
    let answer = server
        .post(Some(&token), &[("accept", "text/html")], &body)
        .await;
    assert_eq!(answer.status, 406);
    let answer = server.post(None, &[("accept", "text/html")], &body).await;
    assert_eq!(answer.status, 401);
    let answer = server.post(Some(&token), &[], &" ".repeat(100_000)).await;
    assert_eq!(answer.status, 413);
}

/// A page of any origin can sign in: it reads the challenge, and what it sends is allowed.
#[tokio::test]
async fn pages_of_any_origin() {
    let fake = FakeAuthgear::start().await;
    let server = Server::start(fake.endpoint(), &[]).await;
    let url = format!("{}/mcp", server.url);
    let names = "authorization,content-type,mcp-method,mcp-name,mcp-protocol-version";
    for method in ["POST", "GET", "DELETE"] {
        let answer = ask(
            "OPTIONS",
            &url,
            &[
                ("origin", "https://inspector.example"),
                ("access-control-request-method", method),
                ("access-control-request-headers", names),
            ],
        )
        .await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-headers"), Some(names));
        let methods = answer.header("access-control-allow-methods").unwrap();
        assert!(methods.contains(method), "{methods}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
    let token = fake.token(&fake.add_user(User::new("alice"))).sign();
    let body = request("tools/call", &json!({ "name": "publish" }));
    for (token, status) in [(None, 401), (Some(&*token), 403)] {
        let headers = [("origin", "https://inspector.example")];
        let answer = server.post(token, &headers, &body).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let exposed = answer.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("www-authenticate"), "{exposed}");
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test]
async fn the_metadata_names_the_scopes() {
    let fake = FakeAuthgear::start().await;
    let server = Server::start(fake.endpoint(), &[]).await;
    let path = "/.well-known/oauth-protected-resource/mcp";
    let answer = ask("GET", &format!("{}{path}", server.url), &[]).await;
    assert_eq!(
        answer.json(),
        json!({
            "resource": PUBLIC_URL,
            "authorization_servers": [fake.endpoint()],
            "scopes_supported": ["tools:read", "tools:publish"],
            "bearer_methods_supported": ["header"],
        })
    );
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn an_ended_user_is_refused() {
    let fake = FakeAuthgear::start().await;
    let secret = fake.webhook_secret();
    let environment = [("AUTHGEAR_WEBHOOK_SECRET", secret.as_str())];
    let server = Server::start(fake.endpoint(), &environment).await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    text(&server.call(MODERN, Some(&token), "whoami").await);
    let webhook = fake.webhook(WebhookEvent::UserDisabled, &alice);
    let url = format!("{}/authgear/webhook", server.url);
    assert_eq!(webhook.deliver(&url).await, 204);
    for revision in [LEGACY, MODERN] {
        let answer = server.call(revision, Some(&token), "whoami").await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (401, &json!("invalid_token"))
        );
    }
}

#[tokio::test]
async fn a_bad_variable_ends_it() {
    for (public_url, endpoint, named) in [
        (None, "https://auth.example", "PUBLIC_URL"),
        (Some(""), "https://auth.example", "PUBLIC_URL"),
        (Some("tools"), "https://auth.example", "PUBLIC_URL"),
        (
            Some("https://tools.example/mcp/"),
            "https://auth.example",
            "PUBLIC_URL",
        ),
        (Some(PUBLIC_URL), "nowhere", "AUTHGEAR_ENDPOINT"),
    ] {
        let mut environment = vec![
            ("AUTHGEAR_ENDPOINT", endpoint.into()),
            ("LISTEN", "127.0.0.1:0".into()),
        ];
        environment.extend(public_url.map(|url| ("PUBLIC_URL", url.into())));
        let output = run("mcp_server", &environment).await;
        assert_eq!(output.status.code(), Some(2), "{named}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.starts_with(named) && said.lines().count() == 1,
            "{said}"
        );
    }
}
