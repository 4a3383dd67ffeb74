//! Who acts for the user: the claim `act`.

use axum_authgear::testkit::{FakeAuthgear, TokenBuilder, User};
use axum_authgear::{Actor, AuthErrorKind, Authgear};
use serde_json::{Value, json};

use crate::support::{api, get, ready};

async fn set_up() -> (FakeAuthgear, User, Authgear) {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let builder = Authgear::builder(fake.endpoint())
        .audience(fake.endpoint())
        .audience("https://api.example.com");
    let authgear = ready(builder).await;
    (fake, alice, authgear)
}

fn described(actor: Option<Actor<'_>>) -> Vec<[Option<String>; 3]> {
    std::iter::successors(actor, Actor::previous)
        .map(|actor| {
            [actor.subject(), actor.issuer(), actor.client_id()].map(|part| part.map(str::to_owned))
        })
        .collect()
}

fn part(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// So many actors, one in the other; the outermost is `0`.
fn chain(count: usize) -> Value {
    (0..count).rev().fold(json!({}), |inner, number| {
        let mut actor = json!({ "sub": number.to_string() });
        if inner != json!({}) {
            actor["act"] = inner;
        }
        actor
    })
}

#[tokio::test]
async fn the_outermost_actor_acts_and_the_others_did_before() {
    let (fake, alice, authgear) = set_up().await;
    let with = |act: Value| fake.token(&alice).claim("act", act).sign();
    let none = fake.token(&alice).sign();
    let user = authgear.verify(&none).await.unwrap();
    assert!(user.actor().is_none());

    // The members in any order, also with the previous actor first; escapes make no difference.
    let act = json!({
        "act": { "act": { "sub": "bot" }, "client_id": "gateway", "iss": "https://other.example" },
        "client_id": "",
        "exp": "not read",
        "sub": "support \u{1f600} \" agent",
    });
    for _ in 0..2 {
        let user = authgear.verify(&with(act.clone())).await.unwrap();
        assert_eq!(
            described(user.actor()),
            [
                [part("support \u{1f600} \" agent"), None, None],
                [None, part("https://other.example"), part("gateway")],
                [part("bot"), None, None],
            ]
        );
        assert_eq!(user.id(), alice.id());
        // What else is a list is as it was.
        assert_eq!(user.audiences().collect::<Vec<_>>(), [fake.endpoint()]);
        assert_eq!(user.amr().count(), 2);
        let shown = format!("{:?} {user:?}", user.actor().unwrap());
        assert!(!shown.contains("support"), "{shown}");
    }
    let worker = fake
        .client_token("worker", "https://api.example.com")
        .claim("act", json!({ "client_id": "broker" }));
    let principal = authgear.verify_principal(&worker.sign()).await.unwrap();
    let client = principal.client().unwrap();
    assert_eq!(described(client.actor()), [[None, None, part("broker")]]);
}

#[tokio::test]
async fn what_is_no_actor_is_a_bad_token() {
    let (fake, alice, authgear) = set_up().await;
    let api = api(&authgear);
    let with = |act: Value| fake.token(&alice).claim("act", act);
    for good in [
        json!({ "sub": "a" }),
        json!({ "client_id": "a" }),
        json!({ "sub": "a", "email": 5, "may_act": [] }),
        chain(8),
    ] {
        let answer = get(&api, "/user", &with(good.clone()).sign()).await;
        assert_eq!(answer.status, 200, "{good}: {answer:?}");
    }
    let mut bad: Vec<(String, TokenBuilder)> = [
        json!(null),
        json!("support"),
        json!(["support"]),
        json!([{ "sub": "a" }]),
        json!(true),
        json!(5),
        json!({}),
        json!({ "sub": "" }),
        json!({ "iss": "https://other.example" }),
        json!({ "act": { "sub": "a" } }),
        json!({ "sub": null }),
        json!({ "sub": 5 }),
        json!({ "sub": ["a"] }),
        json!({ "sub": "a", "iss": 5 }),
        json!({ "sub": "a", "client_id": {} }),
        json!({ "sub": "a", "act": null }),
        json!({ "sub": "a", "act": {} }),
        json!({ "sub": "a", "act": "b" }),
        json!({ "sub": "a", "act": { "sub": "b", "act": { "sub": 5 } } }),
        chain(9),
        chain(60),
    ]
    .into_iter()
    .map(|act| (act.to_string(), with(act)))
    .collect();
    let claims = |act: &str| {
        let token = fake.token(&alice).sign();
        let claims = token.split('.').nth(1).unwrap();
        let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(claims).unwrap();
        let claims = String::from_utf8(claims).unwrap();
        let claims = format!("{},{act}}}", claims.strip_suffix('}').unwrap());
        fake.token(&alice).raw_claims(&claims)
    };
    for act in [
        r#""act":{"sub":"a"},"act":{"sub":"a"}"#,
        r#""act":{"sub":"a"},"\u0061ct":{"sub":"b"}"#,
        r#""act":{"sub":"a","sub":"b"}"#,
        r#""act":{"sub":"a","s\u0075b":"b"}"#,
        r#""act":{"sub":"a","act":{"sub":"b"},"act":{"sub":"c"}}"#,
        r#""act":{"sub":"a","client_id":"b","client_id":"b"}"#,
    ] {
        bad.push((act.to_owned(), claims(act)));
    }
    assert_eq!(
        get(&api, "/user", &claims(r#""act":{"sub":"a"}"#).sign())
            .await
            .status,
        200
    );
    for (act, token) in bad {
        for path in ["/user", "/optional"] {
            let answer = get(&api, path, &token.clone().sign()).await;
            assert_eq!(
                (answer.status.as_u16(), answer.kind),
                (401, Some(AuthErrorKind::MalformedClaims)),
                "{act}"
            );
        }
    }
}
