//! The fake against what a real Authgear answered.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod faults;
mod http;
mod principal;
mod resolver;
mod tokens;
mod walk;
mod webhooks;

use std::time::Duration;

use axum_authgear::testkit::*;
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const HTTP: &str = include_str!("../recorded/http.json");
const RESOLVER: &str = include_str!("../recorded/resolver.json");
const ROTATION: &str = include_str!("../recorded/rotation.json");
const TOKENS: &str = include_str!("../recorded/tokens.json");
const WEBHOOKS: &str = include_str!("../recorded/webhooks.json");

const ENDPOINT: &str = "https://auth.shop.example";
const ALICE: &str = "1b05d516-6e88-4040-843e-69bfc8f3c1a8";
const PLAIN: &str = "3c0cc35e-abf1-4a2e-86c7-858a33931991";
const ANONYMOUS: &str = "2557a5d4-8999-4318-aafb-a4224ce42d96";
const MFA: &str = "78d7608b-db96-4aae-b42c-bcae2b0a854d";

fn recorded(text: &str) -> Value {
    serde_json::from_str(text).expect("recorded JSON")
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().expect("a list")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().expect("text")
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().expect("a number")
}

fn alice() -> User {
    User::new("alice11053")
        .with_id(ALICE)
        .email("alice11053@shop.example")
        .roles(["editor", "customer", "billing:admin"])
        .verified(true)
}

fn plain() -> User {
    User::new("plain").with_id(PLAIN)
}

fn anonymous() -> User {
    User::new("").with_id(ANONYMOUS).anonymous(true)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(20))
        .build()
        .expect("a client")
}

/// Header and claims.
fn decoded(token: &str) -> (Value, Value) {
    let part = |at: usize| {
        let part = token.split('.').nth(at).expect("a JWT");
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(part).expect("base64url");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    (part(0), part(1))
}

/// A recorded request, sent to the fake, and the answer: status, essential headers, body.
async fn replay(
    fake: &FakeAuthgear,
    request: &Value,
    change: impl Fn(&str) -> String,
) -> (u16, Vec<(String, String)>, String) {
    let method = text(request, "method").parse().expect("a method");
    let url = format!("{}{}", fake.url(), text(request, "path"));
    let mut builder = client().request(method, url);
    for (name, value) in headers(request) {
        builder = builder.header(name, change(&value));
    }
    let answer = builder.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let fields = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()));
    let fields = essential(status.into(), fields);
    (status, fields, answer.text().await.expect("a body"))
}

fn headers(message: &Value) -> Vec<(String, String)> {
    let pair = |pair: &Value| {
        let part = |at: usize| pair[at].as_str().expect("text").to_owned();
        (part(0), part(1))
    };
    list(message, "headers").iter().map(pair).collect()
}

/// The headers of a recorded answer that a resource server reads.
fn essential_headers(answer: &Value) -> Vec<(String, String)> {
    let fields = headers(answer).into_iter();
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value));
    essential(number(answer, "status"), fields)
}

/// In the order of their names. What the main server gives browsers is a cookie with a nonce.
fn essential(status: u64, fields: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let is_essential = |(name, value): &(String, String)| match name.as_str() {
        "location" | "cache-control" => true,
        "content-type" => status == 200,
        "set-cookie" => !value.starts_with("csp_nonce="),
        _ => name.starts_with("x-authgear-"),
    };
    let mut fields: Vec<_> = fields.filter(is_essential).collect();
    fields.sort();
    fields
}

/// `Tue, 24 Nov 2026 09:07:38 GMT`, of that one day.
fn seconds_of(answer: &Value) -> u64 {
    let fields = headers(answer);
    let (_, date) = fields
        .iter()
        .find(|(name, _)| name == "Date")
        .expect("a date");
    let clock: Vec<u64> = date[17..25]
        .split(':')
        .map(|part| part.parse().expect("a number"))
        .collect();
    1_795_478_400 + clock[0] * 3_600 + clock[1] * 60 + clock[2]
}
