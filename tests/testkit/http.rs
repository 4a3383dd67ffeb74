use super::*;

/// The nonce is another one in each answer.
fn without_nonce(fields: Vec<(String, String)>) -> Vec<(String, String)> {
    let nonce = |value: &str| {
        let (_, rest) = value.split_once("csp_nonce=")?;
        rest.split(';').next().map(str::to_owned)
    };
    let found = fields.iter().find_map(|(_, value)| nonce(value));
    let plain = |value: String| match &found {
        Some(nonce) => value.replace(nonce, "NONCE"),
        None => value,
    };
    fields
        .into_iter()
        .map(|(name, value)| (name, plain(value)))
        .collect()
}

#[tokio::test]
async fn every_recorded_exchange_is_answered_alike() {
    let recorded = recorded(HTTP);
    let mut seen = 0;
    for exchange in list(&recorded, "exchanges") {
        let (name, answer) = (text(exchange, "name"), &exchange["answer"]);
        if name.starts_with("userinfo") {
            continue;
        }
        let clock = Clock::frozen_at(seconds_of(answer));
        let fake = FakeAuthgear::builder()
            .endpoint(ENDPOINT)
            .clock(clock)
            .start()
            .await;
        let alice = fake.add_user(alice());
        let session = fake.sign_in_at(&alice, 1_795_511_054);
        let bearer = format!("Bearer {}", session.token().sign());
        let (status, fields, mut body) = replay(&fake, &exchange["request"], |value| {
            let token = value.starts_with("Bearer ");
            if token {
                bearer.clone()
            } else {
                value.to_owned()
            }
        })
        .await;
        assert_eq!(u64::from(status), number(answer, "status"), "{name}");
        assert_eq!(
            without_nonce(fields),
            without_nonce(sorted_headers(answer)),
            "{name}"
        );
        let mut expected = text(answer, "body").to_owned();
        if expected.starts_with("{\"keys\"") {
            for body in [&mut body, &mut expected] {
                let mut jwks: Value = serde_json::from_str(body).expect("JSON");
                for member in ["kid", "n", "created_at"] {
                    jwks["keys"][0][member] = Value::Null;
                }
                *body = jwks.to_string();
            }
        }
        assert_eq!(body, expected, "{name}");
        seen += 1;
    }
    assert_eq!(seen, 20);
}

#[tokio::test]
async fn its_own_origin_is_the_default_endpoint() {
    let fake = FakeAuthgear::start().await;
    assert_eq!(fake.endpoint(), fake.url());
    let url = format!("{}/.well-known/openid-configuration", fake.url());
    let answer = client().get(&url).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let document: Value = answer.text().await.expect("a body").parse().expect("JSON");
    assert_eq!(document["issuer"], json!(fake.endpoint()));
    let jwks = client().get(text(&document, "jwks_uri")).send().await;
    let jwks: Value = jwks
        .expect("an answer")
        .text()
        .await
        .expect("a body")
        .parse()
        .expect("JSON");
    assert_eq!(jwks, fake.jwks());
    assert_eq!(fake.requests(Endpoint::Discovery), 1);
    assert_eq!(fake.requests(Endpoint::Jwks), 1);
}

#[tokio::test]
async fn forwarded_headers_count_only_from_a_trusted_proxy() {
    let fake = FakeAuthgear::builder().trust_proxy(false).start().await;
    let get = |host: Option<&'static str>| {
        let mut request = client()
            .get(format!("{}/oauth2/jwks", fake.url()))
            .header("x-forwarded-host", "other.example")
            .header("x-forwarded-proto", "https");
        if let Some(host) = host {
            request = request.header("host", host);
        }
        request.send()
    };
    assert_eq!(get(None).await.expect("an answer").status(), 200);
    let moved = get(Some("other.example")).await.expect("an answer");
    assert_eq!(moved.status(), 307);
    assert_eq!(
        moved.headers()["location"],
        format!("{}/oauth2/jwks", fake.url())
    );
}

#[tokio::test]
async fn the_jwks_may_be_cached_where_a_test_says_so() {
    let fake = FakeAuthgear::start().await;
    fake.set_jwks_cache_control("max-age=60");
    let url = format!("{}/oauth2/jwks", fake.url());
    let answer = client().get(&url).send().await.expect("an answer");
    assert_eq!(answer.headers()["cache-control"], "max-age=60");
    fake.set_jwks_cache_control(None);
    let answer = client().get(&url).send().await.expect("an answer");
    assert!(!answer.headers().contains_key("cache-control"));
}
