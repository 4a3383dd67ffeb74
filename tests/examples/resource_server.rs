//! `resource_server`: its environment, its routes, and how it starts and ends.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::{Duration, Instant};

use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User, WebhookEvent};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::{Answer, Example, PATIENCE, ask, command_of, get, path, run};

const RESOURCE: &str = "https://api.example.com";

pub(crate) struct Server {
    example: Example,
    url: String,
}

impl Server {
    /// Starts it on a free port, for this project.
    pub(crate) async fn start(endpoint: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_program(&path("resource_server"), endpoint, environment).await
    }

    /// The same for this program, which may be of another version.
    pub(crate) async fn start_program(
        program: &Path,
        endpoint: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let mut all = vec![("AUTHGEAR_ENDPOINT", endpoint), ("LISTEN", "127.0.0.1:0")];
        all.extend(environment);
        let mut example = Example::spawn(command_of(program, &all));
        let line = example.line().await;
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{line}");
        Self { example, url }
    }

    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        get(&format!("{}{path}", self.url), token).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        ask(method, &format!("{}{path}", self.url), headers).await
    }

    /// Ends it as an orchestrator does.
    pub(crate) async fn stop(self) {
        assert!(self.example.end_by("TERM").await.success());
    }

    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// Waits for `/readyz` to say so.
    pub(crate) async fn becomes(&self, status: &str) -> Answer {
        let started = Instant::now();
        loop {
            let answer = self.get("/readyz", None).await;
            if answer.json()["status"] == status {
                return answer;
            }
            assert!(
                // A whole backoff may lie between two attempts.
                started.elapsed() < 2 * PATIENCE,
                "not {status}: {}",
                answer.text
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn the_routes_for_a_user() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice").roles(["admin", "editor"]).verified(true));
    let token = fake
        .token(&alice)
        .scope("openid read:orders")
        .auth_time(1_700_000_000)
        .expires_at(4_000_000_000)
        .sign();
    let server = Server::start(fake.endpoint(), &[]).await;

    let user = json!({
        "user_id": alice.id(),
        "is_anonymous": false,
        "is_verified": true,
        "can_reauthenticate": true,
        "roles": ["admin", "editor"],
        "scopes": ["openid", "read:orders"],
        "amr": ["pwd", "x_primary_password"],
        "auth_time": 1_700_000_000,
        "client_id": "spa",
        "expires_at": 4_000_000_000_u64,
        "issuer": fake.endpoint(),
        "verified_by": "jwt",
    });
    for path in ["/me", "/whoami", "/principal"] {
        let answer = server.get(path, Some(&token)).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, user.clone()),
            "{path}"
        );
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn the_routes_for_a_machine() {
    let fake = FakeAuthgear::start().await;
    let token = fake
        .client_token("worker", RESOURCE)
        .scope("read:orders")
        .expires_at(4_000_000_000)
        .sign();
    let environment = [(
        "AUTHGEAR_AUDIENCE",
        "https://other.example, https://api.example.com",
    )];
    let server = Server::start(fake.endpoint(), &environment).await;

    let answer = server.get("/principal", Some(&token)).await;
    let machine = json!({
        "client_id": "worker",
        "scopes": ["read:orders"],
        "expires_at": 4_000_000_000_u64,
    });
    assert_eq!((answer.status, answer.json()), (200, machine));
    for path in ["/me", "/whoami"] {
        let answer = server.get(path, Some(&token)).await;
        assert_eq!((answer.status, error(&answer)), (403, "forbidden".into()));
    }
    assert_eq!(server.get("/echo-headers", Some(&token)).await.status, 200);
}

#[tokio::test]
async fn the_routes_for_nobody_and_for_a_bad_credential() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let expired = fake.token(&alice).expires_at(1_000_000_000).sign();
    let server = Server::start(fake.endpoint(), &[]).await;

    for path in ["/me", "/principal"] {
        let answer = server.get(path, None).await;
        assert_eq!(
            (answer.status, error(&answer)),
            (401, "missing_credential".into())
        );
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let answer = server.get("/whoami", None).await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "anonymous_request": true }))
    );
    for path in ["/me", "/whoami", "/principal", "/echo-headers"] {
        let answer = server.get(path, Some(&expired)).await;
        assert_eq!(
            (answer.status, error(&answer)),
            (401, "invalid_token".into())
        );
    }
    // No credential is looked at here.
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.get(path, Some(&expired)).await.status, 200, "{path}");
    }
    for path in [
        "/",
        "/unknown",
        "/me/",
        "/authgear/webhook",
        "/.well-known/oauth-protected-resource",
    ] {
        assert_eq!(server.get(path, None).await.status, 404, "{path}");
    }
    let answer = server.get("/healthz", None).await;
    assert_eq!(answer.json(), json!({ "status": "ok" }));
    assert_eq!(server.ask("POST", "/healthz", &[]).await.status, 405);
}

#[tokio::test]
async fn headers_as_the_handler_sees_them() {
    let fake = FakeAuthgear::start().await;
    let server = Server::start(fake.endpoint(), &[]).await;
    let answer = server
        .ask(
            "GET",
            "/echo-headers",
            &[
                ("X-Authgear-User-Id", "spoofed"),
                ("x_authgear_session-valid", "true"),
                ("x-other", "kept"),
                ("cookie", "a=1"),
                ("cookie", "b=2"),
            ],
        )
        .await;
    assert_eq!(answer.status, 200);
    let headers = answer.json()["headers"].clone();
    assert_eq!(headers["x-other"], "kept");
    assert_eq!(headers["cookie"], "a=1; b=2");
    assert!(!answer.text.contains("authgear"), "{}", answer.text);
}

#[tokio::test]
async fn whose_tokens_are_taken() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let spa = fake.token(&alice).sign();
    let other = fake.token(&alice).client_id("other").sign();

    let clients = [("AUTHGEAR_CLIENT_IDS", "spa , mobile")];
    let server = Server::start(fake.endpoint(), &clients).await;
    assert_eq!(server.get("/me", Some(&spa)).await.status, 200);
    assert_eq!(server.get("/me", Some(&other)).await.status, 401);

    // One trailing slash of the endpoint is dropped.
    let endpoint = format!("{}/", fake.endpoint());
    let leeway = [
        ("AUTHGEAR_AUDIENCE", fake.endpoint()),
        ("AUTHGEAR_LEEWAY_SECS", "0"),
    ];
    let now = fake.clock().now().unix().as_secs();
    let just_expired = fake.token(&alice).expires_at(now - 10).sign();
    let server = Server::start(&endpoint, &leeway).await;
    assert_eq!(server.get("/me", Some(&other)).await.status, 200);
    assert_eq!(server.get("/me", Some(&just_expired)).await.status, 401);
    let server = Server::start(&endpoint, &[]).await;
    assert_eq!(server.get("/me", Some(&just_expired)).await.status, 200);
}

#[tokio::test]
async fn a_token_in_a_cookie_is_checked_against_forgery() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let cookie = format!("access_token={}", fake.token(&alice).sign());
    let environment = [
        ("AUTHGEAR_TOKEN_COOKIE", "access_token"),
        (
            "TRUSTED_ORIGINS",
            "https://app.example,http://localhost:5173",
        ),
    ];
    let server = Server::start(fake.endpoint(), &environment).await;
    let with = |origin| [("cookie", cookie.as_str()), ("origin", origin)];

    let answer = server.ask("GET", "/me", &[("cookie", &cookie)]).await;
    assert_eq!(answer.status, 200);
    let answer = server
        .ask("POST", "/me", &with("https://evil.example"))
        .await;
    assert_eq!(
        (answer.status, error(&answer)),
        (403, "cross_origin_request".into())
    );
    // Past the check there is no such method.
    for origin in ["https://app.example", "http://localhost:5173"] {
        assert_eq!(server.ask("POST", "/me", &with(origin)).await.status, 405);
    }

    let server = Server::start(fake.endpoint(), &[]).await;
    let answer = server.ask("GET", "/me", &[("cookie", &cookie)]).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn the_metadata_of_the_protected_resource() {
    let fake = FakeAuthgear::start().await;
    let environment = [("PUBLIC_URL", "https://api.example.com:8443/v1")];
    let server = Server::start(fake.endpoint(), &environment).await;

    let path = "/.well-known/oauth-protected-resource";
    let answer = server.get(&format!("{path}/v1"), None).await;
    assert_eq!(
        (answer.status, answer.json()),
        (
            200,
            json!({
                "resource": "https://api.example.com:8443/v1",
                "authorization_servers": [fake.endpoint()],
                "scopes_supported": ["read:orders", "write:orders"],
                "bearer_methods_supported": ["header"],
            })
        )
    );
    for other in ["", "/", "/v2", "/v1/"] {
        let answer = server.get(&format!("{path}{other}"), None).await;
        assert_eq!(answer.status, 404, "{other}");
    }
    let answer = server.get("/me", None).await;
    assert_eq!(
        answer.header("www-authenticate"),
        Some(
            "Bearer resource_metadata=\
             \"https://api.example.com:8443/.well-known/oauth-protected-resource/v1\""
        )
    );

    let environment = [("PUBLIC_URL", "https://api.example.com")];
    let server = Server::start(fake.endpoint(), &environment).await;
    assert_eq!(server.get(path, None).await.status, 200);
    assert_eq!(server.get(&format!("{path}/v1"), None).await.status, 404);
}

#[tokio::test]
async fn an_internal_address_of_authgear() {
    let endpoint = "http://authgear.example";
    let fake = FakeAuthgear::builder().endpoint(endpoint).start().await;
    let alice = fake.add_user(User::new("alice"));
    let environment = [
        ("AUTHGEAR_INTERNAL_URL", fake.url()),
        ("AUTHGEAR_ALLOW_HTTP", "1"),
    ];
    let server = Server::start(endpoint, &environment).await;
    let answer = server.get("/me", Some(&fake.token(&alice).sign())).await;
    assert_eq!(answer.status, 200);
}

/// As in an image that holds nothing but the program.
#[tokio::test]
async fn without_root_certificates_an_internal_address_will_do() {
    let endpoint = "https://authgear.example";
    let none = [
        ("SSL_CERT_FILE", "/dev/null"),
        ("SSL_CERT_DIR", "/dev/null"),
    ];
    let fake = FakeAuthgear::builder().endpoint(endpoint).start().await;
    let alice = fake.add_user(User::new("alice"));
    let mut environment = vec![("AUTHGEAR_INTERNAL_URL", fake.url())];
    environment.extend(none);
    let server = Server::start(endpoint, &environment).await;
    let answer = server.get("/me", Some(&fake.token(&alice).sign())).await;
    assert_eq!(answer.status, 200);

    let environment = [("AUTHGEAR_ENDPOINT", endpoint), ("LISTEN", "127.0.0.1:0")];
    let environment: Vec<_> = environment
        .into_iter()
        .chain(none)
        .map(|(name, value)| (name, OsString::from(value)))
        .collect();
    let output = run("resource_server", &environment).await;
    assert_eq!(output.status.code(), Some(1));
    let reason = String::from_utf8(output.stderr).unwrap();
    assert!(
        reason.starts_with("the HTTP client could not be set up"),
        "{reason}"
    );
    assert_eq!(reason.lines().count(), 1);
}

#[tokio::test]
async fn it_starts_without_authgear_and_heals() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    fake.stop();
    let environment = [("AUTHGEAR_JWKS_COOLDOWN_SECS", "1")];
    let server = Server::start(fake.endpoint(), &environment).await;

    let ready = server.becomes("down").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["key_age_secs"], Value::Null);
    let answer = server.get("/me", Some(&token)).await;
    assert_eq!(
        (answer.status, error(&answer)),
        (503, "temporarily_unavailable".into())
    );
    assert!(answer.header("retry-after").is_some());
    assert_eq!(answer.header("www-authenticate"), None);
    assert!(server.get("/readyz", None).await.json()["last_error"].is_string());
    assert_eq!(server.get("/healthz", None).await.status, 200);
    assert_eq!(server.get("/whoami", None).await.status, 200);
    // What needs no key is the credential's own fault.
    let expired = fake.token(&alice).expires_at(1_000_000_000).sign();
    assert_eq!(server.get("/me", Some(&expired)).await.status, 401);

    fake.restart().await;
    let ready = server.becomes("healthy").await;
    assert_eq!(ready.status, 200);
    assert!(ready.json()["key_age_secs"].is_u64());
    assert_eq!(ready.json()["last_error"], Value::Null);
    assert_eq!(server.get("/me", Some(&token)).await.status, 200);
}

#[tokio::test]
async fn known_keys_serve_while_authgear_fails_and_not_for_ever() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let environment = [
        ("AUTHGEAR_JWKS_REFRESH_SECS", "1"),
        ("AUTHGEAR_JWKS_MAX_STALE_SECS", "10"),
        ("AUTHGEAR_JWKS_COOLDOWN_SECS", "1"),
    ];
    let server = Server::start(fake.endpoint(), &environment).await;
    server.becomes("healthy").await;

    fake.fail(Endpoint::Jwks, Fault::Status(500));
    let ready = server.becomes("degraded").await;
    assert_eq!(ready.status, 200);
    assert!(ready.json()["key_age_secs"].is_u64());
    let reason = ready.json()["last_error"].as_str().unwrap().to_owned();
    assert!(reason.contains("500"), "{reason}");
    assert_eq!(server.get("/me", Some(&token)).await.status, 200);

    let ready = server.becomes("down").await;
    assert_eq!(ready.status, 503);
    assert_eq!(server.get("/me", Some(&token)).await.status, 503);

    fake.heal(Endpoint::Jwks);
    server.becomes("healthy").await;
    assert_eq!(server.get("/me", Some(&token)).await.status, 200);
}

#[tokio::test]
async fn signals_end_it_gracefully_whatever_clients_hold_open() {
    let fake = FakeAuthgear::start().await;
    for signal in ["TERM", "INT"] {
        let server = Server::start(fake.endpoint(), &[]).await;
        // One connection that is kept alive, one without a request, one with half of one.
        let mut connections = Vec::new();
        for sent in [
            "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
            "",
            "GET /healthz HTTP/1.1\r\nho",
        ] {
            let mut connection = TcpStream::connect(server.address()).await.unwrap();
            connection.write_all(sent.as_bytes()).await.unwrap();
            connections.push(connection);
        }
        let mut start = [0; 12];
        connections[0].read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");

        let status = server.example.end_by(signal).await;
        assert_eq!(status.code(), Some(0), "{signal}: {status}");
    }
}

#[tokio::test]
async fn a_bad_value_ends_it_with_2_and_one_line_that_names_the_variable() {
    for (variable, value) in BAD_VALUES {
        assert_is_refused(variable, &[(variable, OsString::from(value))]).await;
    }
    let not_text = OsString::from_vec(b"http://127.0.0.1:1/\xff".to_vec());
    assert_is_refused("AUTHGEAR_ENDPOINT", &[("AUTHGEAR_ENDPOINT", not_text)]).await;
}

#[tokio::test]
async fn the_endpoint_is_required() {
    let output = run(
        "resource_server",
        &[("LISTEN", OsString::from("127.0.0.1:0"))],
    )
    .await;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stderr, b"AUTHGEAR_ENDPOINT: is required\n");
}

#[tokio::test]
async fn what_contradicts_the_mode_is_bad() {
    let mode = |name: &str| ("AUTHGEAR_VERIFY", OsString::from(name));
    let list = || OsString::from("a");
    for mode in [mode("resolver"), mode("gateway")] {
        for variable in ["AUTHGEAR_AUDIENCE", "AUTHGEAR_CLIENT_IDS"] {
            assert_is_refused(variable, &[mode.clone(), (variable, list())]).await;
        }
    }
    assert_is_refused("AUTHGEAR_GATEWAY_SECRET", &[mode("gateway")]).await;
    let secret = ("AUTHGEAR_GATEWAY_SECRET", OsString::from("x".repeat(32)));
    for mode in ["resolver", "jwt+resolver", "gateway"].map(mode) {
        let variable = "AUTHGEAR_FORMER_ISSUERS";
        let former = (variable, OsString::from("https://old.example"));
        assert_is_refused(variable, &[mode, secret.clone(), former]).await;
    }
}

#[tokio::test]
async fn projects_that_cannot_stand_beside_one_another_are_bad() {
    let mode = |name: &str| ("AUTHGEAR_VERIFY", OsString::from(name));
    let projects = |list: &str| ("AUTHGEAR_PROJECTS", OsString::from(list));
    for bad in [
        "https://two.example,https://two.example",
        "https://two.example,https://two.example/",
        "http://127.0.0.1:1",
        "http://127.0.0.1:1/",
        "https://two.example,",
        "https://two.example/path",
        "two.example",
        "http://two.example",
    ] {
        assert_is_refused("AUTHGEAR_PROJECTS", &[projects(bad)]).await;
    }
    for other in ["resolver", "gateway"] {
        let environment = [
            mode(other),
            ("AUTHGEAR_GATEWAY_SECRET", OsString::from("x".repeat(32))),
            projects("https://two.example"),
        ];
        assert_is_refused("AUTHGEAR_PROJECTS", &environment).await;
    }
    // A cookie of Authgear's names no project.
    let environment = [
        mode("jwt+resolver"),
        ("AUTHGEAR_SESSION_COOKIES", OsString::from("1")),
        projects("https://two.example"),
    ];
    assert_is_refused("AUTHGEAR_SESSION_COOKIES", &environment).await;
    let bad_endpoint = (
        "AUTHGEAR_ENDPOINT",
        OsString::from("https://one.example/path"),
    );
    let environment = [bad_endpoint, projects("https://two.example")];
    assert_is_refused("AUTHGEAR_ENDPOINT", &environment).await;
}

#[tokio::test]
async fn tokens_of_several_projects() {
    let (one, other) = (FakeAuthgear::start().await, FakeAuthgear::start().await);
    let alice = one.add_user(User::new("alice"));
    let others = other.add_user(User::new("alice"));
    for mode in ["jwt", "jwt+resolver"] {
        let environment = [
            ("AUTHGEAR_VERIFY", mode),
            ("AUTHGEAR_PROJECTS", other.endpoint()),
            ("AUTHGEAR_CLIENT_IDS", "spa"),
        ];
        let server = Server::start(one.endpoint(), &environment).await;
        let status = server.becomes("healthy").await.json();
        let issuers: Vec<_> = status["projects"].as_array().unwrap().iter().collect();
        assert_eq!(issuers.len(), 2);
        for project in issuers {
            assert_eq!(project["status"], "healthy");
            assert!(project["key_age_secs"].is_number() && project["last_error"].is_null());
        }
        for (fake, user) in [(&one, &alice), (&other, &others)] {
            let answer = server.get("/me", Some(&fake.token(user).sign())).await;
            assert_eq!(answer.status, 200, "{mode}");
            assert_eq!(answer.json()["issuer"], fake.endpoint());
            assert_eq!(answer.json()["verified_by"], mode);
            let another = fake.token(user).client_id("another").sign();
            assert_eq!(server.get("/me", Some(&another)).await.status, 401);
        }
        let crossed = other.token(&others).claim("aud", one.endpoint()).sign();
        assert_eq!(server.get("/me", Some(&crossed)).await.status, 401);
    }
    // Some cannot verify; then none can.
    let away = FakeAuthgear::start().await;
    away.stop();
    let environment = [("AUTHGEAR_PROJECTS", away.endpoint())];
    let server = Server::start(one.endpoint(), &environment).await;
    let answer = server.becomes("degraded").await;
    assert_eq!(answer.status, 200);
    let environment = [("AUTHGEAR_PROJECTS", "http://127.0.0.1:1")];
    let server = Server::start(away.endpoint(), &environment).await;
    let error = loop {
        let answer = server.becomes("down").await;
        assert_eq!(answer.status, 503);
        if let Some(error) = answer.json()["projects"][0]["last_error"].as_str() {
            break error.to_owned();
        }
    };
    assert!(error.contains(": "), "{error}");
}

#[tokio::test]
async fn a_value_that_the_chosen_mode_cannot_use_is_bad() {
    let mode = |name: &str| ("AUTHGEAR_VERIFY", OsString::from(name));
    for (mode, variable, value) in [
        (mode("jwt+resolver"), "AUTHGEAR_RECHECK_SECS", "0"),
        (mode("jwt+resolver"), "AUTHGEAR_RECHECK_SECS", "86400"),
        (mode("jwt+resolver"), "AUTHGEAR_GRACE_SECS", "86401"),
        (mode("resolver"), "AUTHGEAR_RESOLVER_CACHE_SECS", "86400"),
    ] {
        assert_is_refused(variable, &[mode, (variable, OsString::from(value))]).await;
    }
}

#[tokio::test]
async fn a_url_of_redis_must_be_one() {
    for value in [
        "127.0.0.1:6379",
        "http://:canary@127.0.0.1/",
        "redis://:canary@127.0.0.1/zero",
    ] {
        let variable = ("REDIS_URL", OsString::from(value));
        assert_is_refused("REDIS_URL", &[variable]).await;
    }
}

#[tokio::test]
async fn webhooks_end_users_at_once() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let without = Server::start(fake.endpoint(), &[]).await;
    let secret = fake.webhook_secret();
    let server = Server::start(fake.endpoint(), &[("AUTHGEAR_WEBHOOK_SECRET", &secret)]).await;
    let webhook = || fake.webhook(WebhookEvent::UserDisabled, &alice);
    let to = |server: &Server| format!("{}/authgear/webhook", server.url);
    assert_eq!(webhook().deliver(&to(&without)).await, 404);
    let forged = webhook().signed_with("another");
    assert_eq!(forged.deliver(&to(&server)).await, 401);
    assert_eq!(server.get("/me", Some(&token)).await.status, 200);
    assert_eq!(webhook().deliver(&to(&server)).await, 204);
    let refused = server.get("/me", Some(&token)).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["error"], "invalid_token");
    assert_eq!(server.get("/whoami", Some(&token)).await.status, 401);
    assert_eq!(without.get("/me", Some(&token)).await.status, 200);
}

#[tokio::test]
async fn a_redis_that_is_out_of_reach_keeps_nobody_out() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let url = ("REDIS_URL", "redis://:canary@127.0.0.1:1");
    let server = Server::start(fake.endpoint(), &[url]).await;
    assert_eq!(server.get("/me", Some(&token)).await.status, 200);
    let answer = server.becomes("degraded").await;
    assert_eq!(answer.status, 200);
    let error = answer.json()["last_error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("the revocation log"), "{error}");
    assert!(!error.contains("canary"));
}

/// With an endpoint and a free port, unless this environment says otherwise.
async fn assert_is_refused(variable: &str, environment: &[(&str, OsString)]) {
    let mut all = vec![
        ("AUTHGEAR_ENDPOINT", OsString::from("http://127.0.0.1:1")),
        ("LISTEN", OsString::from("127.0.0.1:0")),
    ];
    all.extend_from_slice(environment);
    let output = run("resource_server", &all).await;
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{environment:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{environment:?}: {stderr}");
    assert!(stderr.starts_with(&format!("{variable}: ")), "{stderr}");
    assert!(!stderr.contains("canary"), "{stderr}");
    assert!(output.stdout.is_empty());
}

#[tokio::test]
async fn good_values_of_modes_that_are_not_chosen_change_nothing() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let environment = [
        ("AUTHGEAR_VERIFY", "jwt"),
        ("AUTHGEAR_COOKIE_PREFIX", ""),
        ("AUTHGEAR_RESOLVER_URL", "http://127.0.0.1:1/resolve"),
        ("AUTHGEAR_RESOLVER_CACHE_SECS", "0"),
        ("AUTHGEAR_RECHECK_SECS", "5"),
        (
            "AUTHGEAR_GATEWAY_SECRET",
            "01234567890123456789012345678901",
        ),
        ("AUTHGEAR_GRACE_SECS", "60"),
        ("AUTHGEAR_SESSION_COOKIES", "1"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, ::1, 192.0.2.1"),
    ];
    let server = Server::start(fake.endpoint(), &environment).await;
    let answer = server.get("/me", Some(&fake.token(&alice).sign())).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["verified_by"], "jwt");
}

#[tokio::test]
async fn the_mode_resolver() {
    let fake = FakeAuthgear::builder().cookie_prefix("shop_").start().await;
    let alice = fake.add_user(User::new("alice").roles(["admin"]).verified(true));
    let session = fake.sign_in(&alice);
    let environment = [
        ("AUTHGEAR_VERIFY", "resolver"),
        ("AUTHGEAR_COOKIE_PREFIX", "shop_"),
        ("AUTHGEAR_TOKEN_COOKIE", "token"),
        ("TRUSTED_PROXIES", "127.0.0.0/8"),
    ];
    let server = Server::start(fake.endpoint(), &environment).await;
    assert_eq!(
        server.becomes("healthy").await.json()["key_age_secs"],
        Value::Null
    );
    let token = session.token().sign();
    let answer = server.get("/me", Some(&token)).await.json();
    let auth_time = answer["auth_time"].clone();
    assert!(auth_time.is_u64());
    let wanted = json!({
        "user_id": alice.id(), "is_anonymous": false, "is_verified": true,
        "can_reauthenticate": true, "roles": ["admin"], "scopes": [], "amr": [],
        "auth_time": auth_time, "client_id": null, "expires_at": null, "issuer": fake.endpoint(),
        "verified_by": "resolver",
    });
    assert_eq!(answer, wanted);
    let cookies = session.cookies();
    for (name, value) in [
        ("cookie", cookies.session().pair()),
        ("cookie", cookies.app_session().pair()),
        ("cookie", format!("token={}", session.opaque_token())),
        (
            "cookie",
            format!(
                "shop_app_session=stale; token=; {}; shop_app_access_token=\"\"",
                cookies.session().pair()
            ),
        ),
    ] {
        let headers = [
            (name, &*value),
            ("x-forwarded-for", "192.0.2.1, 198.51.100.7"),
        ];
        assert_eq!(server.ask("GET", "/admin", &headers).await.status, 200);
        let asked = fake.last_request(Endpoint::Resolver).unwrap();
        assert_eq!(asked.header("x-forwarded-for"), Some("198.51.100.7"));
    }
    assert_eq!(fake.requests(Endpoint::Jwks), 0);
    let emptied = [("cookie", "token=; shop_session=\"\"; shop_app_session=")];
    let answer = server.ask("GET", "/whoami", &emptied).await;
    assert_eq!(answer.json(), json!({"anonymous_request": true}));
    fake.disable(&alice);
    let answer = server.get("/whoami", Some(&token)).await;
    assert_eq!(
        (answer.status, error(&answer)),
        (401, json!("invalid_token"))
    );
    fake.fail(Endpoint::Resolver, Fault::Status(500));
    let answer = server.get("/me", Some(&token)).await;
    assert_eq!(
        (answer.status, error(&answer)),
        (503, json!("temporarily_unavailable"))
    );
    assert_eq!(server.becomes("down").await.status, 503);
    fake.heal(Endpoint::Resolver);
    assert_eq!(server.becomes("healthy").await.status, 200);
}

#[tokio::test]
async fn the_mode_jwt_and_resolver() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let environment = [
        ("AUTHGEAR_VERIFY", "jwt+resolver"),
        ("AUTHGEAR_RECHECK_SECS", "1"),
        ("AUTHGEAR_CLIENT_IDS", "spa"),
    ];
    let server = Server::start(fake.endpoint(), &environment).await;
    server.becomes("healthy").await;
    let token = session.token().client_id("spa").sign();
    let answer = server.get("/me", Some(&token)).await.json();
    assert_eq!(answer["verified_by"], "jwt+resolver");
    assert_eq!(answer["client_id"], "spa");
    let cookie = session.cookies().session().pair();
    let answer = server.ask("GET", "/me", &[("cookie", &cookie)]).await;
    assert_eq!(error(&answer), "missing_credential");
    fake.fail(Endpoint::Resolver, Fault::Status(500));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.get("/me", Some(&token)).await.status, 503);
    assert_eq!(server.becomes("degraded").await.status, 200);
    fake.heal(Endpoint::Resolver);
    fake.disable(&alice);
    let answer = server.get("/me", Some(&token)).await;
    assert_eq!(
        (answer.status, error(&answer)),
        (401, json!("invalid_token"))
    );
}

#[tokio::test]
async fn the_grace_and_the_cookies_of_live_sessions() {
    let fake = FakeAuthgear::builder().cookie_prefix("shop_").start().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let token = session.token().sign();
    let cookie = session.cookies().session().pair();
    let environment = |grace, cookies| {
        [
            ("AUTHGEAR_VERIFY", "jwt+resolver"),
            ("AUTHGEAR_RECHECK_SECS", "1"),
            ("AUTHGEAR_COOKIE_PREFIX", "shop_"),
            ("AUTHGEAR_GRACE_SECS", grace),
            ("AUTHGEAR_SESSION_COOKIES", cookies),
        ]
    };
    let with = Server::start(fake.endpoint(), &environment("3600", "1")).await;
    let without = Server::start(fake.endpoint(), &environment("0", "0")).await;
    for server in [&with, &without] {
        server.becomes("healthy").await;
        assert_eq!(server.get("/me", Some(&token)).await.status, 200);
    }
    let answer = with.ask("GET", "/me", &[("cookie", &cookie)]).await;
    assert_eq!(answer.json()["user_id"], alice.id());
    assert_eq!(answer.json()["verified_by"], "resolver");
    let unprefixed = cookie.replace("shop_", "");
    for (server, cookie) in [(&with, &unprefixed), (&without, &cookie)] {
        let answer = server.ask("GET", "/me", &[("cookie", cookie)]).await;
        assert_eq!(error(&answer), "missing_credential");
    }

    fake.fail(Endpoint::Resolver, Fault::Status(500));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answer = with.get("/me", Some(&token)).await;
    assert_eq!(
        (answer.status, &answer.json()["verified_by"]),
        (200, &json!("jwt"))
    );
    assert_eq!(without.get("/me", Some(&token)).await.status, 503);
    // No grace for a cookie.
    let answer = with.ask("GET", "/me", &[("cookie", &cookie)]).await;
    assert_eq!(answer.status, 503);
}

#[tokio::test]
async fn former_issuers_of_a_project_that_moved() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let before = fake.token(&alice).sign();
    fake.move_to(fake.url().replace("127.0.0.1", "localhost"));
    let after = fake.token(&alice).sign();
    let former = fake.former_endpoint().unwrap();
    let list = format!("https://older.example, {former}/");
    let with = Server::start(fake.endpoint(), &[("AUTHGEAR_FORMER_ISSUERS", &list)]).await;
    let without = Server::start(fake.endpoint(), &[]).await;
    for (server, token, status) in [
        (&with, &before, 200),
        (&with, &after, 200),
        (&without, &before, 401),
        (&without, &after, 200),
    ] {
        let answer = server.get("/me", Some(token)).await;
        assert_eq!(answer.status, status);
    }
    let for_the_other = fake.token(&alice).claim("iss", former).sign();
    assert_eq!(with.get("/me", Some(&for_the_other)).await.status, 401);
}

#[tokio::test]
async fn the_mode_gateway() {
    let secret = "0123456789 0123456789 0123456789";
    let environment = [
        ("AUTHGEAR_VERIFY", "gateway"),
        ("AUTHGEAR_GATEWAY_SECRET", secret),
        ("AUTHGEAR_TOKEN_COOKIE", "token"),
    ];
    let server = Server::start("http://127.0.0.1:1", &environment).await;
    assert_eq!(server.becomes("healthy").await.status, 200);
    let user = [
        ("x-authgear-session-valid", "true"),
        ("x-authgear-user-id", "alice"),
    ];
    let good = [&[("x-gateway-secret", secret)], &user[..]].concat();
    let answer = server.ask("GET", "/me", &good).await.json();
    assert_eq!(
        (&answer["user_id"], &answer["verified_by"]),
        (&json!("alice"), &json!("gateway"))
    );
    let answer = server.ask("GET", "/me", &user).await;
    assert_eq!(
        (answer.status, error(&answer)),
        (401, json!("missing_credential"))
    );
    let echo = server.ask("GET", "/echo-headers", &good).await;
    assert!(
        !echo.text.contains("authgear") && !echo.text.contains("secret"),
        "{}",
        echo.text
    );
}

fn error(answer: &Answer) -> Value {
    answer.json()["error"].clone()
}

const BAD_VALUES: &[(&str, &str)] = &[
    ("AUTHGEAR_ENDPOINT", ""),
    ("AUTHGEAR_ENDPOINT", " http://127.0.0.1:1"),
    ("AUTHGEAR_ENDPOINT", "http://127.0.0.1:1\n"),
    ("AUTHGEAR_ENDPOINT", "127.0.0.1:1"),
    ("AUTHGEAR_ENDPOINT", "http://127.0.0.1:1//"),
    ("AUTHGEAR_ENDPOINT", "http://127.0.0.1:1/path"),
    ("AUTHGEAR_ENDPOINT", "http://auth.example"),
    ("AUTHGEAR_ENDPOINT", "ftp://127.0.0.1"),
    ("LISTEN", ""),
    ("LISTEN", "3000"),
    ("LISTEN", ":3000"),
    ("LISTEN", "127.0.0.1:65536"),
    ("LISTEN", "203.0.113.1:1"),
    ("AUTHGEAR_VERIFY", ""),
    ("AUTHGEAR_VERIFY", "JWT"),
    ("AUTHGEAR_VERIFY", "none"),
    ("AUTHGEAR_AUDIENCE", ""),
    ("AUTHGEAR_AUDIENCE", "a,,b"),
    ("AUTHGEAR_CLIENT_IDS", ""),
    ("AUTHGEAR_CLIENT_IDS", "spa,"),
    ("AUTHGEAR_CLIENT_IDS", ", ,"),
    ("AUTHGEAR_TOKEN_COOKIE", ""),
    ("AUTHGEAR_TOKEN_COOKIE", "a b"),
    ("AUTHGEAR_COOKIE_PREFIX", "a="),
    ("AUTHGEAR_INTERNAL_URL", "http://10.0.0.1"),
    ("AUTHGEAR_INTERNAL_URL", "http://127.0.0.1/x"),
    ("AUTHGEAR_RESOLVER_URL", "http://10.0.0.1/resolve"),
    ("AUTHGEAR_RESOLVER_URL", "resolver"),
    ("AUTHGEAR_RESOLVER_URL", "https://u:canary@a/"),
    ("AUTHGEAR_RESOLVER_CACHE_SECS", "-1"),
    ("AUTHGEAR_RECHECK_SECS", "ten"),
    ("AUTHGEAR_GRACE_SECS", ""),
    ("AUTHGEAR_GRACE_SECS", "-1"),
    ("AUTHGEAR_GRACE_SECS", "2592001"),
    ("AUTHGEAR_SESSION_COOKIES", ""),
    ("AUTHGEAR_SESSION_COOKIES", "yes"),
    ("AUTHGEAR_SESSION_COOKIES", "01"),
    ("AUTHGEAR_FORMER_ISSUERS", ""),
    ("AUTHGEAR_FORMER_ISSUERS", "https://a.example,"),
    ("AUTHGEAR_FORMER_ISSUERS", "https://a.example/path"),
    ("AUTHGEAR_FORMER_ISSUERS", "old.example"),
    ("AUTHGEAR_FORMER_ISSUERS", "http://a.example"),
    ("AUTHGEAR_FORMER_ISSUERS", "http://127.0.0.1:1"),
    (
        "AUTHGEAR_FORMER_ISSUERS",
        "https://a.example,http://127.0.0.1:1/",
    ),
    (
        "AUTHGEAR_FORMER_ISSUERS",
        "https://a.example, https://a.example/",
    ),
    ("AUTHGEAR_FORMER_ISSUERS", "https://u:canary@a.example"),
    ("AUTHGEAR_KEY_DIR", ""),
    ("AUTHGEAR_GATEWAY_SECRET", "canary"),
    ("AUTHGEAR_JWKS_COOLDOWN_SECS", "0"),
    ("AUTHGEAR_JWKS_COOLDOWN_SECS", "+5"),
    ("AUTHGEAR_JWKS_COOLDOWN_SECS", "1.5"),
    ("AUTHGEAR_JWKS_REFRESH_SECS", "99999999999999999999"),
    ("AUTHGEAR_JWKS_REFRESH_SECS", "3600"),
    ("AUTHGEAR_JWKS_MAX_STALE_SECS", "300"),
    ("AUTHGEAR_JWKS_MAX_STALE_SECS", "2592001"),
    ("AUTHGEAR_LEEWAY_SECS", "601"),
    ("AUTHGEAR_ALLOW_HTTP", "true"),
    ("TRUSTED_PROXIES", "10.0.0.0/33"),
    ("TRUSTED_PROXIES", "010.0.0.0/8"),
    ("TRUSTED_PROXIES", "10.0.0.0/8,proxy"),
    ("TRUSTED_ORIGINS", "https://*.example"),
    ("TRUSTED_ORIGINS", "https://app.example/"),
    ("PUBLIC_URL", "https://api.example/"),
    ("PUBLIC_URL", "api.example"),
    ("PUBLIC_URL", "https://api.example?x"),
    ("AUTHGEAR_WEBHOOK_SECRET", ""),
    ("REDIS_URL", ""),
];
