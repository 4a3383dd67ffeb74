use std::time::Instant;

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
    once(Fault::Redirect("http://127.0.0.1:1/".to_owned()));
    let moved = jwks(&fake).await.expect("an answer");
    assert_eq!(moved.status(), 307);
    assert_eq!(moved.headers()["location"], "http://127.0.0.1:1/");
    once(Fault::Garbage);
    assert!(body(&fake).await.parse::<Value>().is_err());
    once(Fault::Empty);
    assert_eq!(body(&fake).await, "");
    once(Fault::EmptySet);
    assert_eq!(body(&fake).await, "{\"keys\":[]}\n");
    once(Fault::Body("mine".to_owned()));
    assert_eq!(body(&fake).await, "mine");
    once(Fault::Oversized);
    let large = body(&fake).await;
    assert!(large.len() > 4 * 1024 * 1024);
    assert_eq!(large.parse::<Value>().expect("JSON still"), fake.jwks());
    once(Fault::Truncated);
    let broken = jwks(&fake).await.expect("a head");
    assert!(broken.text().await.is_err());
    once(Fault::Endless);
    let mut endless = jwks(&fake).await.expect("a head");
    assert_eq!(endless.content_length(), None);
    let mut read = 0;
    while read < 1024 * 1024 {
        read += endless.chunk().await.expect("more").expect("more").len();
    }
    drop(endless);
    once(Fault::Answer {
        status: 429,
        headers: vec![("Retry-After".to_owned(), "7".to_owned())],
        body: "slower".to_owned(),
    });
    let busy = jwks(&fake).await.expect("an answer");
    assert_eq!(busy.status(), 429);
    assert_eq!(busy.headers()["retry-after"], "7");
    once(Fault::Trickle(Duration::from_micros(10)));
    assert_eq!(document(&fake).await, fake.jwks());
}

#[tokio::test]
async fn faults_of_discovery_and_of_the_resolver() {
    let fake = FakeAuthgear::start().await;
    let discovery = async || {
        let url = format!("{}/.well-known/openid-configuration", fake.url());
        let answer = client().get(url).send().await.expect("an answer");
        let text = answer.text().await.expect("a body");
        text.parse::<Value>().expect("JSON")
    };
    fake.fail(Endpoint::Discovery, Fault::WrongIssuer);
    assert_ne!(discovery().await["issuer"], json!(fake.endpoint()));
    fake.fail(
        Endpoint::Discovery,
        Fault::JwksUri("https://x.example/".to_owned()),
    );
    let document = discovery().await;
    assert_eq!(document["jwks_uri"], "https://x.example/");
    assert_eq!(document["issuer"], json!(fake.endpoint()));
    fake.heal(Endpoint::Discovery);
    assert_eq!(
        discovery().await["jwks_uri"],
        json!(format!("{}/oauth2/jwks", fake.url()))
    );

    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    let resolve = async || {
        let url = format!("{}/_resolver/resolve", fake.url());
        let answer = client().get(url).bearer_auth(&token).send().await;
        answer.expect("an answer").headers().clone()
    };
    fake.fail_once(Endpoint::Resolver, Fault::NoSession);
    assert!(!resolve().await.contains_key("x-authgear-session-valid"));
    let twice =
        ["true", "false"].map(|valid| ("X-Authgear-Session-Valid".to_owned(), valid.to_owned()));
    fake.fail_once(Endpoint::Resolver, Fault::Headers(twice.to_vec()));
    let headers = resolve().await;
    let values: Vec<_> = headers.get_all("x-authgear-session-valid").iter().collect();
    assert_eq!(values, ["true", "false"]);
    assert!(!headers.contains_key("x-authgear-user-id"));
    fake.fail_once(Endpoint::Resolver, Fault::Garbage);
    assert_eq!(resolve().await["x-authgear-session-valid"], "perhaps");
    assert_eq!(resolve().await["x-authgear-user-id"], alice.id());
}

#[tokio::test]
#[should_panic(expected = "is no fault of Jwks")]
async fn a_fault_of_another_endpoint_is_a_mistake() {
    let fake = FakeAuthgear::start().await;
    fake.fail(Endpoint::Jwks, Fault::WrongIssuer);
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
    fake.fail_once(Endpoint::Jwks, Fault::Status(500).after(slow));
    assert_eq!(jwks(&fake).await.expect("an answer").status(), 500);
    assert!(begun.elapsed() >= slow * 2);
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
