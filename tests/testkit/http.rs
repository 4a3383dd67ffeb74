use super::*;

/// The main server turns crawlers away, answers CORS requests and knows a path with a slash behind it.
/// The fake does not, because no resource server asks for it.
const NOT_THERE: [&str; 5] = [
    "userinfo",
    "Googlebot",
    "GPTBot",
    "jwks_options",
    "trailing_slash",
];

/// Does not compare the headers that speak to browsers and crawlers.
#[tokio::test]
async fn what_a_resource_server_reads_is_answered_as_recorded() {
    let recorded = recorded(HTTP);
    let mut seen = 0;
    for exchange in list(&recorded, "exchanges") {
        let (name, answer) = (text(exchange, "name"), &exchange["answer"]);
        if NOT_THERE.iter().any(|part| name.contains(part)) {
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
        let (status, fields, body) = replay(&fake, &exchange["request"], |value| {
            let token = value.starts_with("Bearer ");
            if token {
                bearer.clone()
            } else {
                value.to_owned()
            }
        })
        .await;
        assert_eq!(u64::from(status), number(answer, "status"), "{name}");
        assert_eq!(fields, essential_headers(answer), "{name}");
        if status == 200 && !body.is_empty() {
            let ours: Value = body.parse().expect("JSON");
            let mut theirs: Value = text(answer, "body").parse().expect("JSON");
            if theirs["keys"].is_array() {
                for member in ["kid", "n", "created_at"] {
                    theirs["keys"][0][member] = ours["keys"][0][member].clone();
                }
            }
            for (member, value) in ours.as_object().expect("a document") {
                assert_eq!(*value, theirs[member], "{member} of {name}");
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 16);
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
