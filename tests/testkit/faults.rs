use std::time::Instant;

use axum::http::StatusCode;
use axum::response::Response;

use super::*;

async fn jwks(fake: &FakeAuthgear) -> reqwest::Result<reqwest::Response> {
    let url = format!("{}/oauth2/jwks", fake.url());
    client().get(url).send().await
}

async fn body(fake: &FakeAuthgear) -> String {
    let answer = jwks(fake).await.expect("an answer");
    answer.text().await.expect("a body")
}

async fn document(fake: &FakeAuthgear) -> Value {
    body(fake).await.parse().expect("JSON")
}

#[tokio::test]
async fn each_fault_does_what_it_says() {
    let fake = FakeAuthgear::start().await;
    let once = |fault| fake.fail_once(Endpoint::Jwks, fault);

    once(Fault::Status(503));
    assert_eq!(jwks(&fake).await.expect("an answer").status(), 503);
    assert_eq!(jwks(&fake).await.expect("an answer").status(), 200);
    once(Fault::CloseConnection);
    assert!(jwks(&fake).await.is_err());
    once(Fault::Body("mine".to_owned()));
    let mine = jwks(&fake).await.expect("an answer");
    assert_eq!(mine.headers()["content-type"], "application/json");
    assert_eq!(mine.text().await.expect("a body"), "mine");
    once(Fault::MapResponse(|answer| {
        let (mut head, body) = answer.into_parts();
        head.status = StatusCode::CREATED;
        Response::from_parts(head, body)
    }));
    let created = jwks(&fake).await.expect("an answer");
    assert_eq!(created.status(), 201);
    let text = created.text().await.expect("a body");
    assert_eq!(text.parse::<Value>().expect("JSON"), fake.jwks());
    once(Fault::Answer {
        status: 429,
        headers: vec![("Retry-After".to_owned(), "7".to_owned())],
        body: "slower".to_owned(),
    });
    let busy = jwks(&fake).await.expect("an answer");
    assert_eq!(busy.status(), 429);
    assert_eq!(busy.headers()["retry-after"], "7");
    assert_eq!(busy.text().await.expect("a body"), "slower");
    assert_eq!(document(&fake).await, fake.jwks());
}

#[tokio::test]
async fn a_fault_is_of_one_endpoint() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let resolve = async || {
        let url = format!("{}/_resolver/resolve", fake.url());
        let answer = client().get(url).bearer_auth(&token).send().await;
        answer.expect("an answer").headers().clone()
    };
    fake.fail(Endpoint::Jwks, Fault::Status(500));
    fake.fail_once(Endpoint::Resolver, Fault::Status(200));
    assert!(!resolve().await.contains_key("x-authgear-session-valid"));
    let twice =
        ["true", "false"].map(|valid| ("X-Authgear-Session-Valid".to_owned(), valid.to_owned()));
    let twice = Fault::Answer {
        status: 200,
        headers: twice.to_vec(),
        body: String::new(),
    };
    fake.fail_once(Endpoint::Resolver, twice);
    let headers = resolve().await;
    let values: Vec<_> = headers.get_all("x-authgear-session-valid").iter().collect();
    assert_eq!(values, ["true", "false"]);
    assert!(!headers.contains_key("x-authgear-user-id"));
    assert_eq!(resolve().await["x-authgear-user-id"], alice.id());
    assert_eq!(jwks(&fake).await.expect("an answer").status(), 500);
}

#[tokio::test]
async fn answers_can_be_held_back() {
    let fake = FakeAuthgear::start().await;
    fake.fail(Endpoint::Jwks, Fault::Hold);
    let asking: Vec<_> = (0..3)
        .map(|_| {
            let fake = fake.clone();
            tokio::spawn(async move { document(&fake).await })
        })
        .collect();
    fake.requests_reached(Endpoint::Jwks, 3).await;
    assert_eq!(fake.in_flight(Endpoint::Jwks), 3);
    let before = fake.jwks();
    fake.rotate();
    fake.heal(Endpoint::Jwks);
    for answer in asking {
        assert_eq!(answer.await.expect("an answer"), before);
    }
    assert_eq!(fake.in_flight(Endpoint::Jwks), 0);
    assert_eq!(fake.max_in_flight(Endpoint::Jwks), 3);
    assert_eq!(document(&fake).await, fake.jwks());

    let slow = Duration::from_millis(50);
    let begun = Instant::now();
    fake.fail_once(Endpoint::Jwks, Fault::Delay(slow));
    assert_eq!(jwks(&fake).await.expect("an answer").status(), 200);
    assert!(begun.elapsed() >= slow);
}

#[tokio::test]
async fn a_hanging_request_ends_with_its_client() {
    let fake = FakeAuthgear::start().await;
    fake.fail(Endpoint::Jwks, Fault::Hang);
    let asking = {
        let fake = fake.clone();
        tokio::spawn(async move { jwks(&fake).await.is_ok() })
    };
    fake.requests_reached(Endpoint::Jwks, 1).await;
    assert_eq!(fake.in_flight(Endpoint::Jwks), 1);
    asking.abort();
    while fake.in_flight(Endpoint::Jwks) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn it_stops_and_comes_back() {
    let fake = FakeAuthgear::start().await;
    let before = body(&fake).await;
    fake.fail(Endpoint::Jwks, Fault::Hang);
    let asking = {
        let fake = fake.clone();
        tokio::spawn(async move { jwks(&fake).await.is_err() })
    };
    fake.requests_reached(Endpoint::Jwks, 2).await;
    fake.stop();
    assert!(asking.await.expect("no panic"), "open requests end");
    assert!(jwks(&fake).await.expect_err("no answer").is_connect());
    fake.heal(Endpoint::Jwks);
    fake.restart().await;
    assert_eq!(body(&fake).await, before);

    let url = fake.url().to_owned();
    drop(fake);
    let gone = client().get(url).send().await;
    assert!(gone.expect_err("no answer").is_connect());
}

#[tokio::test]
async fn idle_connections_can_be_closed() {
    let fake = FakeAuthgear::start().await;
    let client = client();
    let url = format!("{}/oauth2/jwks", fake.url());
    let get = async || client.get(&url).send().await.map(|answer| answer.status());
    assert_eq!(get().await.expect("an answer"), 200);
    fake.close_connections();
    // The pooled connection may be found closed only when it is used.
    let _ = get().await;
    assert_eq!(get().await.expect("an answer"), 200);
}

#[tokio::test]
async fn requests_are_recorded() {
    let fake = FakeAuthgear::start().await;
    assert!(fake.last_request(Endpoint::Jwks).is_none());
    let url = format!("{}/oauth2/jwks?x=1", fake.url());
    let secret = "Bearer very-secret";
    let request = client().get(&url).header("authorization", secret);
    request.send().await.expect("an answer");
    let last = fake.last_request(Endpoint::Jwks).expect("a request");
    assert_eq!(last.method(), "GET");
    assert_eq!((last.path(), last.query()), ("/oauth2/jwks", Some("x=1")));
    assert_eq!(last.header("Authorization"), Some(secret));
    assert!(!format!("{last:?}").contains("very-secret"));
    let client = client();
    for _ in 0..1_000 {
        let answer = client.head(&url).send().await.expect("an answer");
        assert_eq!(answer.status(), 405);
    }
    let recorded = fake.recorded(Endpoint::Jwks);
    assert_eq!(fake.requests(Endpoint::Jwks), 1_001);
    assert_eq!(recorded.len(), 1_000);
    assert_eq!(recorded[0].method(), "HEAD");
    assert_eq!(fake.requests(Endpoint::Resolver), 0);
    fake.forget_requests(Endpoint::Jwks);
    assert_eq!(fake.requests(Endpoint::Jwks), 0);
    assert!(fake.recorded(Endpoint::Jwks).is_empty());
}
