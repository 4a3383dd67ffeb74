//! `quickstart`: what it prints is what happens.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use serde_json::json;

use crate::process::{Example, get, run};

#[tokio::test]
async fn three_requests_with_their_answers_and_it_goes_on_serving() {
    let mut example = Example::start("quickstart", &[]);
    let lines = example.lines_up_to("3. ").await;
    let output = lines.join("\n");

    let position = |text: &str| {
        output
            .find(text)
            .unwrap_or_else(|| panic!("{text}\nis missing in\n{output}"))
    };
    assert!(position("A good token") < position("200 OK"));
    assert!(position("200 OK") < position("An expired token"));
    let expired = "401 Unauthorized\n    www-authenticate: Bearer error=\"invalid_token\", \
                   error_description=\"the access token has expired\"";
    assert!(position("An expired token") < position(expired));
    assert!(position(expired) < position("No token"));
    assert!(position("No token") < position("www-authenticate: Bearer\n"));
    assert!(position("No token") < position("missing_credential"));
    position("AUTHGEAR_ENDPOINT=https://PROJECT.authgear.cloud cargo run --example quickstart");
    assert!(position("No token") < position("What to do next:"));
    assert!(position("1. Take a project") < position("2. Protect your own routes"));
    position("Issue JWT as access token");

    // Its own lines, asked again.
    let curls: Vec<_> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("curl -i "))
        .collect();
    let mut statuses = Vec::new();
    for curl in &curls {
        let (url, rest) = curl.split_once(' ').unwrap_or((curl, ""));
        let token = rest
            .strip_prefix("-H 'authorization: Bearer ")
            .map(|token| token.trim_end_matches('\''));
        statuses.push(get(url, token).await.status);
    }
    assert_eq!(statuses, [200, 401, 401]);
}

#[tokio::test]
async fn a_project_of_ones_own() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice").roles(["admin"]));
    let mut example = Example::start("quickstart", &[("AUTHGEAR_ENDPOINT", fake.endpoint())]);
    let lines = example.lines_up_to("curl -i ").await;
    let url = lines
        .concat()
        .split_whitespace()
        .find(|word| word.starts_with("http://") && word.ends_with("/me"))
        .unwrap()
        .to_owned();

    let answer = get(&url, Some(&fake.token(&alice).sign())).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({ "user_id": alice.id(), "roles": ["admin"] })
    );
    let other = FakeAuthgear::start().await;
    let mallory = other.add_user(User::new("mallory"));
    let answer = get(&url, Some(&other.token(&mallory).sign())).await;
    assert_eq!(answer.status, 401);
}

/// Within seconds, with the reason and where to read on; never the ten seconds that it would wait.
#[tokio::test]
async fn a_wrong_endpoint_is_told_with_its_causes() {
    let closed = {
        let fake = FakeAuthgear::start().await;
        let url = fake.url().to_owned();
        fake.stop();
        url
    };
    let elsewhere = FakeAuthgear::start().await;
    elsewhere.fail(Endpoint::Discovery, Fault::Status(404));
    let other = FakeAuthgear::start().await;
    let document = r#"{"issuer":"https://other.example","jwks_uri":"https://other.example/jwks"}"#;
    other.fail(Endpoint::Discovery, Fault::Body(document.to_owned()));
    for (endpoint, words) in [
        (&*closed, &["check the address", "Connection refused"][..]),
        (
            elsewhere.url(),
            &["is the endpoint that of an Authgear project?", "404"],
        ),
        (
            other.url(),
            &[
                "\"https://other.example\"",
                "write the endpoint exactly as the issuer",
            ],
        ),
        (
            "http://authgear:3000",
            &["`internal_url`", "`.dangerous().allow_http()`"],
        ),
        ("my-project", &["is not an http or https URL"]),
    ] {
        let began = Instant::now();
        let environment = [("AUTHGEAR_ENDPOINT", OsString::from(endpoint))];
        let output = run("quickstart", &environment).await;
        assert_eq!(output.status.code(), Some(1), "{endpoint}");
        let said = String::from_utf8(output.stderr).unwrap();
        for word in words {
            assert!(
                said.contains(word),
                "{endpoint}: {word} is missing in\n{said}"
            );
        }
        assert!(said.contains("docs/troubleshooting/"), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(began.elapsed() < Duration::from_secs(30), "{endpoint}");
    }
}
