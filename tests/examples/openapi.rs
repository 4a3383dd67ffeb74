//! `openapi`: what its document says of each operation is what a caller meets.

use std::fmt::Debug;

use axum_authgear::testkit::{FakeAuthgear, User};
use serde_json::{Value, json};

use crate::process::{Answer, Example, ask, get};

const RESOURCE: &str = "https://orders.example.com";

struct Api {
    fake: FakeAuthgear,
    alice: User,
    url: String,
    _process: Example,
}

impl Api {
    async fn start() -> (Self, Value) {
        let fake = FakeAuthgear::start().await;
        let alice = fake.add_user(User::new("alice"));
        let mut process = Example::start("openapi", &[("AUTHGEAR_ENDPOINT", fake.endpoint())]);
        let line = process.line().await;
        let url = line.strip_prefix("curl ").unwrap();
        let document = get(url, None).await.json();
        let url = url.strip_suffix("/openapi.json").unwrap().to_owned();
        let api = Self {
            fake,
            alice,
            url,
            _process: process,
        };
        (api, document)
    }

    async fn call(&self, operation: &Operation<'_>, authorization: Option<&str>) -> Answer {
        let url = format!("{}{}", self.url, operation.path);
        let authorization = authorization.map(|value| ("authorization", value));
        ask(operation.method, &url, authorization.as_slice()).await
    }

    /// What the document says and a caller does not meet.
    async fn contradictions(&self, document: &Value) -> Vec<String> {
        let mut found = Vec::new();
        for operation in operations(document) {
            let mut expect = |what: &str, holds: bool, seen: &dyn Debug| {
                if !holds {
                    found.push(format!("{what}: {operation:?}: {seen:?}"));
                }
            };
            let good = operation.scopes.as_deref().map(|scopes| {
                let token = self.fake.token(&self.alice).scope(scopes.join(" "));
                format!("Bearer {}", token.sign())
            });
            let answer = self.call(&operation, good.as_deref()).await;
            let is_good = (200..300).contains(&answer.status);
            expect("good", is_good && operation.documents(&answer), &answer);

            let Some(scopes) = operation.scopes.clone() else {
                continue;
            };
            // Without.
            for (status, authorization) in [
                (401, None),
                (401, Some("Bearer bad")),
                (400, Some("Bearer a b")),
            ] {
                let answer = self.call(&operation, authorization).await;
                let holds = answer.status == status && operation.documents(&answer);
                expect("without", holds, &answer);
            }
            // Too little: each scope left out in turn, or a machine where a user is needed.
            let mut insufficient = Vec::new();
            for left_out in &scopes {
                let others = scopes.iter().filter(|scope| *scope != left_out);
                let others: Vec<_> = others.map(String::as_str).collect();
                insufficient.push(self.fake.token(&self.alice).scope(others.join(" ")).sign());
            }
            if scopes.is_empty() {
                insufficient.push(self.fake.client_token("worker", RESOURCE).sign());
            }
            for token in insufficient {
                let answer = self
                    .call(&operation, Some(&format!("Bearer {token}")))
                    .await;
                let challenge = answer.header("www-authenticate").unwrap_or_default();
                let names_scopes = scopes.is_empty()
                    || challenge.contains(&format!("scope=\"{}\"", scopes.join(" ")));
                let holds = answer.status == 403 && names_scopes && operation.documents(&answer);
                expect("too little", holds, &answer);
            }
        }
        found
    }
}

/// One operation, as the document has it.
#[derive(Debug)]
struct Operation<'d> {
    path: &'d str,
    method: &'d str,
    /// `None`: it is open.
    scopes: Option<Vec<String>>,
    responses: &'d Value,
}

impl Operation<'_> {
    /// Whether the document has this status, and the fields of the answer that clients act on.
    fn documents(&self, answer: &Answer) -> bool {
        let Some(response) = self.responses.get(answer.status.to_string()) else {
            return false;
        };
        // RFC 6750 §3.1: a missing scope is named, a missing role is not.
        let must_have = (answer.status != 403).then_some("www-authenticate");
        must_have
            .into_iter()
            .chain(["retry-after"])
            .all(|name| answer.header(name).is_none() || response["headers"].get(name).is_some())
    }
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let scheme = &document["components"]["securitySchemes"]["authgear"];
    assert_eq!(scheme["type"], "openIdConnect", "{document}");
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let security = operation.get("security").map(|list| {
                let scopes = list[0]["authgear"].as_array().unwrap();
                let text = |scope: &Value| scope.as_str().unwrap().to_owned();
                scopes.iter().map(text).collect()
            });
            found.push(Operation {
                path,
                method,
                scopes: security,
                responses: &operation["responses"],
            });
        }
    }
    for operation in &mut found {
        operation.method = match operation.method {
            "get" => "GET",
            "post" => "POST",
            other => panic!("{other}"),
        };
    }
    found
}

#[tokio::test]
async fn each_operation_answers_as_its_document_says() {
    let (api, document) = Api::start().await;
    assert_eq!(operations(&document).len(), 4, "{document}");
    assert_eq!(api.contradictions(&document).await, [""; 0]);
    let discovery = &document["components"]["securitySchemes"]["authgear"]["openIdConnectUrl"];
    let answer = get(discovery.as_str().unwrap(), None).await;
    assert_eq!(answer.json()["issuer"], api.fake.endpoint());
}

/// A document that says something else is found out.
#[tokio::test]
async fn a_document_that_is_not_true_is_found_out() {
    let (api, document) = Api::start().await;
    let falsified = |path: &str, method: &str, key: &str, value: Option<Value>| {
        let mut document = document.clone();
        let operation = document["paths"][path][method].as_object_mut().unwrap();
        match value {
            Some(value) => operation.insert(key.to_owned(), value),
            None => operation.remove(key),
        };
        document
    };
    let scopes = |scopes: Value| Some(json!([{ "authgear": scopes }]));
    let mut no_refusals = document.clone();
    let responses = no_refusals["paths"]["/me"]["get"]["responses"].as_object_mut();
    responses.unwrap().remove("403").unwrap();
    for (what, document) in [
        ("open", falsified("/orders", "get", "security", None)),
        (
            "protected",
            falsified("/healthz", "get", "security", scopes(json!([]))),
        ),
        (
            "fewer",
            falsified("/orders", "post", "security", scopes(json!([]))),
        ),
        (
            "another",
            falsified("/orders", "get", "security", scopes(json!(["x"]))),
        ),
        (
            "more",
            falsified(
                "/orders",
                "get",
                "security",
                scopes(json!(["read:orders", "x"])),
            ),
        ),
        (
            "more",
            falsified("/me", "get", "security", scopes(json!(["x"]))),
        ),
        ("no refusals", no_refusals),
    ] {
        assert_ne!(api.contradictions(&document).await, [""; 0], "{what}");
    }
}

#[tokio::test]
async fn without_a_project_it_brings_one() {
    let mut example = Example::start("openapi", &[]);
    let lines = example.lines_up_to("curl -i ").await;
    let (url, token) = lines[1]
        .strip_prefix("curl -i ")
        .and_then(|line| line.split_once(" -H 'authorization: Bearer "))
        .unwrap();
    let answer = get(url, Some(token.trim_end_matches('\''))).await;
    assert_eq!(answer.json(), json!([{ "id": 1 }]));
}
