//! What one caller's question is answered says nothing of the resolver: a probe does.

use std::time::Duration;

use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, RecordedRequest, User};
use axum_authgear::{AuthErrorKind, Authgear, Health, SessionResolver};
use http::{HeaderMap, header};
use tokio::time::sleep;

use crate::hop;
use crate::support::{Log, api, assert_refused, get, send, turns, with_bearer};

fn over_url(fake: &FakeAuthgear, url: &str) -> Authgear {
    Authgear::builder(fake.endpoint())
        .session_resolver(SessionResolver::new().url(url))
        .build()
        .unwrap()
}

/// A proxy whose lines have 8 KiB at most.
fn long_lines(headers: &HeaderMap) -> Option<u16> {
    let is_long = |value: &http::HeaderValue| value.len() > 8 * 1024 - 32;
    headers
        .values()
        .any(is_long)
        .then_some(400)
        .or_else(|| hop::by_agent(headers))
}

#[tokio::test]
async fn a_failed_question_of_one_caller_does_not_turn_health_and_fills_no_log() {
    let (log, _guard) = Log::of_this_thread(tracing::Level::INFO);
    let fake = FakeAuthgear::start().await;
    let url = hop::start(&fake, long_lines).await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.sign_in(&alice).opaque_token();
    let authgear = over_url(&fake, &url);
    let api = api(&authgear);
    let too_long = "a".repeat(8_190);
    for _ in 0..20 {
        let answer = get(&api, "/user", &too_long).await;
        assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
        for status in [403, 414, 431, 500, 503] {
            let mut request = with_bearer("/user", &token);
            let agent = format!("answer-{status}").parse().unwrap();
            request.headers_mut().insert(header::USER_AGENT, agent);
            let answer = send(&api, request).await;
            assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
        }
        assert_eq!(authgear.status().health(), Health::Healthy);
        assert!(authgear.status().last_error().is_none());
        assert_eq!(get(&api, "/user", &token).await.body, alice.id());
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(log.text().matches("WARN").count(), 0, "{}", log.text());
    authgear.ready(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn an_outage_is_one_line_when_it_begins_and_one_when_it_ends() {
    let (log, _guard) = Log::of_this_thread(tracing::Level::INFO);
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.sign_in(&alice).opaque_token();
    let authgear = over_url(&fake, &format!("{}/resolve", fake.url()));
    let api = api(&authgear);
    fake.fail(Endpoint::Resolver, Fault::Status(500));
    for _ in 0..50 {
        let answer = get(&api, "/user", &token).await;
        assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
    }
    turns(&authgear, Health::Down).await;
    // One caller who is answered does not hide it.
    fake.fail_once(Endpoint::Resolver, Fault::Status(200));
    let answer = get(&api, "/user", &token).await;
    assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
    assert_eq!(authgear.status().health(), Health::Down);
    sleep(Duration::from_millis(2_500)).await;
    assert_eq!(authgear.status().health(), Health::Down);
    fake.heal(Endpoint::Resolver);
    turns(&authgear, Health::Healthy).await;
    let text = log.text();
    assert_eq!(text.matches("WARN").count(), 1, "{text}");
    assert_eq!(text.matches("the resolver failed").count(), 1, "{text}");
    assert_eq!(text.matches("answers again").count(), 1, "{text}");
}

#[tokio::test]
async fn a_probe_takes_the_way_of_a_real_credential_and_names_nobody() {
    let fake = FakeAuthgear::start().await;
    let authgear = over_url(&fake, &format!("{}/resolve", fake.url()));
    let api = api(&authgear);
    fake.fail(Endpoint::Resolver, Fault::Status(500));
    let mut request = with_bearer("/user", "mallory");
    let agent = "Browser/1".parse().unwrap();
    request.headers_mut().insert(header::USER_AGENT, agent);
    send(&api, request).await;
    // By itself, from then on.
    fake.requests_reached(Endpoint::Resolver, 4).await;
    let probes = &fake.recorded(Endpoint::Resolver)[1..4];
    let bearer = |probe: &RecordedRequest| {
        let field = probe.header("authorization").unwrap();
        field.strip_prefix("Bearer ").unwrap().to_owned()
    };
    for (index, probe) in probes.iter().enumerate() {
        let token = bearer(probe);
        assert_eq!(token.len(), 32);
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(probes[..index].iter().all(|other| bearer(other) != token));
        assert_eq!(probe.header("cookie"), None);
        assert_eq!(probe.header("x-forwarded-for"), None);
        let agent = probe.header("user-agent").unwrap();
        assert!(agent.starts_with("axum-authgear/"));
    }
}
