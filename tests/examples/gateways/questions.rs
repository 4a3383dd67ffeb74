//! What a gateway asks, and what it makes of each answer: with a [`Stub`] in the place of
//! `forward_auth`.

use http::request::Parts;

use super::stack::assert_clean;
use super::stub::Stub;
use super::upstream::Api;
use super::{Addresses, Gateway, Kind, PAGE, RetryAfter, Unavailable, free_address};
use crate::process::Answer;

/// A user, with all that can be said.
const USER: &[(&str, &str)] = &[
    ("x-authgear-session-valid", "true"),
    ("x-authgear-user-id", "alice"),
    ("x-authgear-user-anonymous", "false"),
    ("x-authgear-user-verified", "true"),
    ("x-authgear-user-can-reauthenticate", "true"),
    ("x-authgear-user-roles", "admin,editor"),
    ("x-authgear-session-amr", "pwd otp"),
    ("x-authgear-session-authenticated-at", "1700000000"),
    ("x-authgear-issuer", ISSUER),
];

const ISSUER: &str = "https://auth.shop.example";

struct Stack<'k> {
    kind: &'k Kind,
    gateway: Gateway,
    api: Api,
    stub: Stub,
}

/// Everything that holds of the questions of this gateway.
pub(super) async fn hold(kind: &Kind) {
    let api = Api::start(ISSUER).await;
    let stub = Stub::start().await;
    let addresses = Addresses {
        gateway: free_address().await,
        api: api.address.clone(),
        asked: stub.address.clone(),
    };
    let gateway = Gateway::start(kind, addresses).await;
    let stack = Stack {
        kind,
        gateway,
        api,
        stub,
    };
    stack.what_it_asks().await;
    stack.what_it_passes_on().await;
    stack.refusals().await;
    stack.preflights().await;
    stack.nobody_answers().await;
}

impl Stack<'_> {
    async fn send(&self, method: &str, headers: &[&str]) -> Answer {
        self.api.take();
        self.stub.take();
        self.gateway.send(method, "/me?a=b", headers).await
    }

    async fn question(&self, method: &str, headers: &[&str]) -> Parts {
        self.send(method, headers).await;
        let mut questions = self.stub.take();
        assert_eq!(questions.len(), 1, "{headers:?}: {questions:?}");
        questions.remove(0)
    }

    async fn what_it_asks(&self) {
        self.stub.answers(200, USER);
        let upgrade = [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
        ];
        let passed = [
            ("authorization", "Bearer a.b.c"),
            ("cookie", "a=b; token=c"),
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "cross-site"),
            ("user-agent", "test/1.0"),
        ];
        let lines = passed.map(|(name, value)| format!("{name}: {value}"));
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        for method in ["GET", "POST", "PATCH"] {
            let question = self.question(method, &lines).await;
            for (name, value) in passed {
                let fields: Vec<_> = question.headers.get_all(name).iter().collect();
                assert_eq!(fields, [value], "{name}: {question:?}");
            }
            assert!(question.uri.path().starts_with("/_auth"), "{question:?}");
            let host = question.headers["host"] == self.gateway.address.as_str();
            assert_eq!(host, self.kind.passes_host, "{question:?}");
            assert_eq!(is_unsafe(&question), method != "GET", "{question:?}");
            assert!(!names_upgrade(&question), "{question:?}");
        }
        self.stub.answers(401, &[]);
        let question = self.question("GET", &upgrade).await;
        assert!(names_upgrade(&question), "{question:?}");
        // The last address is the one that the gateway saw.
        for spoofed in [&[][..], &["X-Forwarded-For: 192.0.2.1"]] {
            let question = self.question("GET", spoofed).await;
            let mut fields = question.headers.get_all("x-forwarded-for").iter();
            let address = fields.next_back().map(|field| field.to_str().unwrap());
            let address = address.and_then(|list| list.rsplit(',').next());
            // Envoy names itself, or nobody.
            let is_clients = address.map(str::trim) == Some("127.0.0.1");
            assert_eq!(is_clients, self.kind.program != "envoy", "{question:?}");
        }
        // What the client says of itself does not make an unsafe request a safe one.
        for spoofed in ["X-Forwarded-Method: GET", "X-Original-Method: GET"] {
            let question = self.question("DELETE", &[spoofed]).await;
            assert!(is_unsafe(&question), "{question:?}");
        }
    }

    async fn what_it_passes_on(&self) {
        let spoofed: Vec<_> = USER
            .iter()
            .map(|(name, _)| format!("{name}: spoofed"))
            .collect();
        let spoofed: Vec<_> = spoofed.iter().map(String::as_str).collect();
        for headers in [&[][..], &spoofed] {
            for known in [USER, &USER[..2], &USER[..5]] {
                self.stub.answers(200, known);
                let answer = self.send("GET", headers).await;
                assert_eq!(answer.status, 200, "{answer:?}");
                let requests = self.api.take();
                assert_clean(&requests[0]);
                let mut told: Vec<_> = requests[0]
                    .iter()
                    .filter(|(name, _)| name.as_str().starts_with("x-authgear-"))
                    .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                    .collect();
                told.sort_unstable();
                let mut known = known.to_vec();
                known.sort_unstable();
                assert_eq!(told, known);
            }
        }
    }

    async fn refusals(&self) {
        let challenge = ("www-authenticate", r#"Bearer error="invalid_token""#);
        let Unavailable(unavailable, retry_after) = self.kind.unavailable;
        for (status, gets) in [
            (401, 401),
            (403, 403),
            (400, self.kind.malformed),
            (503, unavailable),
        ] {
            let is_503 = status == 503;
            let headers = [challenge, ("retry-after", "7")];
            self.stub.answers(status, &headers[..=usize::from(is_503)]);
            for page in [PAGE, "https://evil.example"] {
                let origin = format!("Origin: {page}");
                let answer = self.send("GET", &[&origin]).await;
                assert_eq!(answer.status, gets, "{answer:?}");
                assert_eq!(self.api.take().len(), 0);
                // The page may read it.
                assert_eq!(
                    allowed(&answer),
                    (page == PAGE).then_some(PAGE),
                    "{answer:?}"
                );
                if status == 401 {
                    assert_eq!(answer.header(challenge.0), Some(challenge.1), "{answer:?}");
                }
                let seconds = match retry_after {
                    RetryAfter::Passed if is_503 => Some("7"),
                    RetryAfter::Fixed(seconds) if is_503 => Some(seconds),
                    _ => None,
                };
                assert_eq!(answer.header("retry-after"), seconds, "{answer:?}");
            }
        }
        // Nothing else lets anyone in, though it names a user.
        for status in [300, 302, 304, 404, 429, 500, 502, 504] {
            self.stub.answers(status, USER);
            let answer = self.send("GET", &[]).await;
            assert!(answer.status >= 300, "{status}: {answer:?}");
            assert_eq!(self.api.take().len(), 0, "{status}: {answer:?}");
        }
    }

    async fn preflights(&self) {
        self.stub.answers(401, &[]);
        let own = &*format!("Origin: {PAGE}");
        let (evil, near) = (
            "Origin: https://evil.example",
            "Origin: https://app.example.com.evil.example",
        );
        let asks = "Access-Control-Request-Method: DELETE";
        let answer = self.send("OPTIONS", &[own, asks]).await;
        assert!([200, 204].contains(&answer.status), "{answer:?}");
        assert_eq!(allowed(&answer), Some(PAGE));
        for (name, part) in [
            ("access-control-allow-methods", "DELETE"),
            ("access-control-allow-headers", "authorization"),
            ("access-control-max-age", "600"),
        ] {
            let field = answer
                .header(name)
                .unwrap_or_else(|| panic!("{name}: {answer:?}"));
            let (field, part) = (field.to_lowercase(), part.to_lowercase());
            assert!(field.contains(&part), "{name}: {answer:?}");
        }
        assert!(self.stub.take().is_empty());
        assert!(self.api.take().is_empty());
        for stranger in [evil, near, "Origin: http://app.example.com", "Origin: null"] {
            let answer = self.send("OPTIONS", &[stranger, asks]).await;
            assert_eq!(allowed(&answer), None, "{answer:?}");
            assert!(self.api.take().is_empty());
        }
        // What is no preflight needs a credential.
        for no_preflight in [&[own][..], &[asks], &[]] {
            let answer = self.send("OPTIONS", no_preflight).await;
            let is_answered = self.kind.answers_every_options && no_preflight == [own];
            assert_eq!(answer.status == 401, !is_answered, "{answer:?}");
            assert!(self.api.take().is_empty());
        }
        let answer = self.send("GET", &[own, asks]).await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }

    async fn nobody_answers(self) {
        let Self {
            kind,
            gateway,
            api,
            stub,
        } = self;
        drop(stub);
        // It may keep a connection, and notices that it is closed.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let origin = format!("Origin: {PAGE}");
        for _ in 0..3 {
            let answer = gateway.send("GET", "/me", &[&origin]).await;
            assert_eq!(answer.status, kind.down, "{answer:?}");
            assert_eq!(allowed(&answer), Some(PAGE), "{answer:?}");
            assert_eq!(api.take().len(), 0);
        }
    }
}

/// The origin whose pages may read this answer.
fn allowed(answer: &Answer) -> Option<&str> {
    let fields: Vec<_> = answer
        .headers
        .get_all("access-control-allow-origin")
        .iter()
        .collect();
    assert!(fields.len() <= 1, "{answer:?}");
    answer.header("access-control-allow-origin")
}

/// Whether the question tells `forward_auth` that the client's request is not safe.
fn is_unsafe(question: &Parts) -> bool {
    let fields = ["x-forwarded-method", "x-original-method"];
    question.method != "GET"
        || fields.iter().any(|name| {
            let mut fields = question.headers.get_all(*name).iter();
            fields.any(|method| method != "GET")
        })
}

fn names_upgrade(question: &Parts) -> bool {
    ["upgrade", "x-forwarded-upgrade", "sec-websocket-key"]
        .iter()
        .any(|name| {
            question
                .headers
                .get(*name)
                .is_some_and(|value| !value.is_empty())
        })
}
