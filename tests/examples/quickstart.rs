//! `quickstart`: what it prints is what happens.

use axum_authgear::testkit::{FakeAuthgear, User};
use serde_json::json;

use crate::process::{Example, get};

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
