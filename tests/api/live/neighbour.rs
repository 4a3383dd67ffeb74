//! What one caller's question is answered concerns that caller alone: no grace opens by it.

use std::time::Duration;

use axum::body::Body;
use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, Fault, User};
use axum_authgear::{AuthErrorKind, Authgear, Health, LiveSessions, SessionResolver};
use futures_util::future::join_all;
use http::{Request, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::faults;
use crate::hop;
use crate::support::{
    assert_refused, assert_says, describing_api, get, ready, send, turns, with_bearer,
};

const BOUND: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(600);

async fn start() -> (Clock, FakeAuthgear) {
    let clock = Clock::frozen_at(1_800_000_000);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    (clock, fake)
}

async fn live(fake: &FakeAuthgear, resolver: SessionResolver) -> Authgear {
    let live = LiveSessions::within(BOUND)
        .grace_period(GRACE)
        .session_resolver(resolver);
    let builder = Authgear::builder(fake.endpoint()).live_sessions(live);
    ready(builder.dangerous().clock(fake.clock().clone())).await
}

fn with_agent(token: &str, agent: &str) -> Request<Body> {
    let mut request = with_bearer("/user", token);
    let agent = agent.parse().unwrap();
    request.headers_mut().insert(header::USER_AGENT, agent);
    request
}

#[tokio::test]
async fn a_failed_question_of_one_caller_opens_no_grace_for_anybody() {
    let (clock, fake) = start().await;
    let url = hop::start(&fake, hop::by_agent).await;
    let users = ["alice", "mallory", "bob"].map(|name| fake.add_user(User::new(name)));
    let [alice, mallory, bob] = users.each_ref().map(|user| fake.token(user).sign());
    let authgear = live(&fake, SessionResolver::new().url(url)).await;
    let api = describing_api(&authgear);
    for token in [&alice, &mallory, &bob] {
        assert_says(&get(&api, "/user", token).await, &["by=jwt+resolver"]);
    }
    fake.disable(&users[1]);
    fake.disable(&users[2]);
    for status in [400, 403, 404, 414, 429, 431, 500, 502, 503, 307, 204] {
        clock.shift_millis(10_000);
        let agent = format!("answer-{status}");
        let hostile = (0..3).map(|_| send(&api, with_agent(&mallory, &agent)));
        for answer in join_all(hostile).await {
            assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
        }
        let answer = get(&api, "/user", &bob).await;
        assert_refused(&answer, 401, AuthErrorKind::SessionInvalid);
        assert_says(&get(&api, "/user", &alice).await, &["by=jwt+resolver"]);
        assert_eq!(authgear.status().health(), Health::Healthy, "{status}");
        assert!(authgear.status().last_error().is_none());
    }
}

#[tokio::test]
async fn a_resolver_that_is_away_opens_it_from_the_first_request_on_and_for_any_question() {
    for fault in [Fault::Status(500), Fault::Status(503), Fault::Hang] {
        let (clock, fake) = start().await;
        let url = hop::start(&fake, hop::by_agent).await;
        let alice = fake.add_user(User::new("alice"));
        let [token, other] = [(); 2].map(|()| fake.sign_in(&alice).token().sign());
        let resolver = SessionResolver::new()
            .url(url)
            .timeout(Duration::from_secs(1));
        let authgear = live(&fake, resolver).await;
        let api = describing_api(&authgear);
        assert_says(&get(&api, "/user", &token).await, &["by=jwt+resolver"]);
        fake.fail(Endpoint::Resolver, fault);
        clock.shift_millis(10_000);
        // What was said of the session last counts, and is not taken for a confirmation.
        assert_says(&get(&api, "/user", &token).await, &["by=jwt"]);
        assert_eq!(authgear.status().health(), Health::Degraded);
        let answer = send(&api, with_agent(&other, "answer-431")).await;
        assert_says(&answer, &["by=jwt"]);
    }
}

#[tokio::test]
async fn a_server_that_is_gone_opens_it_from_the_first_request_on() {
    let (clock, fake) = start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let authgear = live(&fake, SessionResolver::new()).await;
    let api = describing_api(&authgear);
    assert_says(&get(&api, "/user", &token).await, &["by=jwt+resolver"]);
    fake.stop();
    clock.shift_millis(10_000);
    assert_says(&get(&api, "/user", &token).await, &["by=jwt"]);
    // Counted from the probe that found it away.
    clock.shift_millis(599_000);
    assert_says(&get(&api, "/user", &token).await, &["by=jwt"]);
    clock.shift_millis(1_000);
    let answer = get(&api, "/user", &token).await;
    assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
}

/// Something answers, and says that it will not: nothing is away.
#[tokio::test]
async fn what_answers_wrongly_is_degraded_and_no_reason_for_a_grace() {
    for fault in [
        Fault::Status(400),
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::Status(429),
        Fault::Status(431),
        Fault::Status(204),
        faults::redirect("https://elsewhere.example/"),
        faults::garbage_headers(),
    ] {
        let (clock, fake) = start().await;
        let alice = fake.add_user(User::new("alice"));
        let token = fake.token(&alice).sign();
        let authgear = live(&fake, SessionResolver::new()).await;
        let api = describing_api(&authgear);
        assert_says(&get(&api, "/user", &token).await, &["by=jwt+resolver"]);
        fake.disable(&alice);
        fake.fail(Endpoint::Resolver, fault);
        clock.shift_millis(10_000);
        for _ in 0..2 {
            let answer = get(&api, "/user", &token).await;
            assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
        }
        turns(&authgear, Health::Degraded).await;
    }
}

/// A connection that is closed brings no answer; one that brings something else than HTTP does.
#[tokio::test]
async fn a_closed_connection_is_away_and_garbage_is_not() {
    for garbage in [
        &b""[..],
        b"it is a trap\r\n\r\n",
        b"HTTP/1.1 999999 no\r\n\r\n",
    ] {
        let (clock, fake) = start().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/resolve", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4_096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(garbage).await;
            }
        });
        let live = LiveSessions::within(BOUND)
            .grace_period(GRACE)
            .session_resolver(SessionResolver::new().url(url));
        let authgear = Authgear::builder(fake.endpoint())
            .live_sessions(live)
            .dangerous()
            .clock(clock)
            .build()
            .unwrap();
        let alice = fake.add_user(User::new("alice"));
        let api = describing_api(&authgear);
        let answer = get(&api, "/user", &fake.token(&alice).sign()).await;
        if garbage.is_empty() {
            assert_says(&answer, &["by=jwt"]);
        } else {
            assert_refused(&answer, 503, AuthErrorKind::SessionUnavailable);
        }
        turns(&authgear, Health::Degraded).await;
    }
}

#[tokio::test]
async fn a_long_user_agent_is_not_forwarded() {
    let (_, fake) = start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = live(&fake, SessionResolver::new()).await;
    let api = describing_api(&authgear);
    for (length, is_forwarded) in [(512, true), (513, false), (9_000, false)] {
        let agent = "a".repeat(length);
        let token = fake.sign_in(&alice).token().sign();
        let answer = send(&api, with_agent(&token, &agent)).await;
        assert_says(&answer, &["by=jwt+resolver"]);
        let asked = fake.last_request(Endpoint::Resolver).unwrap();
        let forwarded = asked.header("user-agent").unwrap();
        assert_eq!(forwarded == agent, is_forwarded);
        assert_eq!(forwarded.starts_with("axum-authgear/"), !is_forwarded);
    }
}
