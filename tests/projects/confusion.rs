//! Tokens that are nearly another project's.

use std::time::Duration;

use axum_authgear::AuthErrorKind;
use axum_authgear::Authgear;
use axum_authgear::testkit::{FakeAuthgear, SigningKey, User};
use serde_json::{Value, json};

use crate::stage::{Stage, api, ask, assert_is};
use crate::support::{Log, assert_refused};

#[tokio::test]
async fn each_project_lets_in_its_own_users() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let api = api(&authgear);
    let (one, other) = (
        stage.one.token(&stage.alice).sign(),
        stage.other.token(&stage.other_alice).sign(),
    );
    // The second time they are known.
    for _ in 0..2 {
        assert_is(&ask(&api, &one).await, &stage.one, &stage.alice);
        assert_is(&ask(&api, &other).await, &stage.other, &stage.other_alice);
    }
    let (mine, theirs) = (
        authgear.verify(&one).await.unwrap(),
        authgear.verify(&other).await.unwrap(),
    );
    assert_eq!(mine.id(), theirs.id());
    assert_ne!(mine.key(), theirs.key());
    assert_eq!(mine.key().issuer(), stage.one.endpoint());
    assert_eq!(mine.key().id(), stage.alice.id());
}

#[tokio::test]
async fn one_name_of_two_keys_is_each_projects_own_key() {
    let stage = Stage::new().await;
    let (key, others) = (
        SigningKey::rsa().with_kid("k"),
        SigningKey::rsa().with_kid("k"),
    );
    stage.one.list_key(&key);
    stage.other.list_key(&others);
    let api = api(&stage.authgear().await);

    let token = |fake: &FakeAuthgear, user: &User, key| fake.token(user).signed_by(key).sign();
    let (one, other) = (&stage.one, &stage.other);
    for _ in 0..2 {
        let own = ask(&api, &token(one, &stage.alice, &key)).await;
        assert_is(&own, one, &stage.alice);
        let own = ask(&api, &token(other, &stage.other_alice, &others)).await;
        assert_is(&own, other, &stage.other_alice);
        // The other's key under the very name that both have.
        let crossed = ask(&api, &token(one, &stage.alice, &others)).await;
        assert_refused(&crossed, 401, AuthErrorKind::BadSignature);
        let crossed = ask(&api, &token(other, &stage.other_alice, &key)).await;
        assert_refused(&crossed, 401, AuthErrorKind::BadSignature);
    }
}

#[tokio::test]
async fn one_key_of_two_projects_signs_for_each_what_it_says() {
    let stage = Stage::new().await;
    let key = SigningKey::rsa();
    stage.one.list_key(&key);
    stage.other.list_key(&key);
    let api = api(&stage.authgear().await);

    let (one, other) = (&stage.one, &stage.other);
    let own = one.token(&stage.alice).signed_by(&key).sign();
    let others = other.token(&stage.other_alice).signed_by(&key).sign();
    for _ in 0..2 {
        assert_is(&ask(&api, &own).await, one, &stage.alice);
        assert_is(&ask(&api, &others).await, other, &stage.other_alice);
        // For the other's audience: the signature is good, and the token is not.
        let crossed = one.token(&stage.alice).signed_by(&key);
        let crossed = crossed.claim("aud", json!([other.endpoint()])).sign();
        assert_refused(
            &ask(&api, &crossed).await,
            401,
            AuthErrorKind::WrongAudience,
        );
    }
}

#[tokio::test]
async fn a_token_that_names_the_others_key_is_refused() {
    let stage = Stage::new().await;
    let api = api(&stage.authgear().await);
    let fetches = stage.fetches();
    let key = stage.other.signing_key();
    // A minute ago: nobody needs to be asked for a younger key.
    let before = stage.one.clock().now().unix().as_secs() - 120;
    let token = stage.one.token(&stage.alice).issued_at(before);
    let crossed = token.signed_by(&key).sign();
    // Also where its own project knows the header of that key.
    let own = stage.other.token(&stage.other_alice).sign();
    assert_is(&ask(&api, &own).await, &stage.other, &stage.other_alice);
    assert_refused(&ask(&api, &crossed).await, 401, AuthErrorKind::UnknownKey);
    // It is asked about where it claims to be from, and not where the key is.
    assert_eq!(stage.fetches()[1], fetches[1]);
}

#[tokio::test]
async fn an_issuer_counts_letter_by_letter() {
    let stage = Stage::new().await;
    let api = api(&stage.authgear().await);
    let fetches = stage.fetches();
    let endpoint = stage.one.endpoint().to_owned();
    let port = endpoint.rsplit(':').next().unwrap();
    let wrong: [(Value, AuthErrorKind); 16] = [
        (json!(format!("{endpoint}/")), AuthErrorKind::WrongIssuer),
        (json!(format!(" {endpoint}")), AuthErrorKind::WrongIssuer),
        (
            json!(format!("{endpoint}\u{0}")),
            AuthErrorKind::WrongIssuer,
        ),
        (json!(endpoint.to_uppercase()), AuthErrorKind::WrongIssuer),
        (
            json!(endpoint.replacen("http", "HTTP", 1)),
            AuthErrorKind::WrongIssuer,
        ),
        (
            json!(endpoint.replacen("http", "https", 1)),
            AuthErrorKind::WrongIssuer,
        ),
        (
            json!(endpoint.replacen(port, "1", 1)),
            AuthErrorKind::WrongIssuer,
        ),
        (json!("http://127.0.0.1"), AuthErrorKind::WrongIssuer),
        (json!("https://other.example"), AuthErrorKind::WrongIssuer),
        (json!(""), AuthErrorKind::WrongIssuer),
        (
            json!(format!("{endpoint},{}", stage.other.endpoint())),
            AuthErrorKind::WrongIssuer,
        ),
        (json!([endpoint]), AuthErrorKind::MalformedClaims),
        (json!(null), AuthErrorKind::MalformedClaims),
        (json!(1), AuthErrorKind::MalformedClaims),
        (json!({ "iss": endpoint }), AuthErrorKind::MalformedClaims),
        (json!(true), AuthErrorKind::MalformedClaims),
    ];
    for (issuer, kind) in wrong {
        for kid in [stage.one.signing_kid(), "never-seen".to_owned()] {
            let token = stage.one.token(&stage.alice).claim("iss", issuer.clone());
            assert_refused(&ask(&api, &token.kid(kid).sign()).await, 401, kind);
        }
    }
    let token = stage.one.token(&stage.alice).remove_claim("iss").sign();
    assert_refused(&ask(&api, &token).await, 401, AuthErrorKind::MissingIssuer);
    // Escapes are another way to write the same text.
    let claims = claims_of(&stage.one.token(&stage.alice).sign());
    let escaped = claims.replacen("\"iss\":\"http", "\"iss\":\"\\u0068ttp", 1);
    assert_ne!(claims, escaped);
    let token = stage.one.token(&stage.alice).raw_claims(&escaped).sign();
    assert_is(&ask(&api, &token).await, &stage.one, &stage.alice);
    // Nobody was asked for anything.
    assert_eq!(stage.fetches(), fetches);
}

#[tokio::test]
async fn an_issuer_is_named_once() {
    let stage = Stage::new().await;
    let api = api(&stage.authgear().await);
    let claims = claims_of(&stage.one.token(&stage.alice).sign());
    for second in [stage.one.endpoint(), stage.other.endpoint()] {
        for twice in [
            claims.replacen('{', &format!("{{\"iss\":\"{second}\","), 1),
            claims.replacen('}', &format!(",\"iss\":\"{second}\"}}"), 1),
            claims.replacen('{', &format!("{{\"\\u0069ss\":\"{second}\","), 1),
        ] {
            for signer in [stage.one.signing_key(), stage.other.signing_key()] {
                let token = stage.one.token(&stage.alice).raw_claims(&twice);
                let token = token.signed_by(&signer).sign();
                assert_refused(
                    &ask(&api, &token).await,
                    401,
                    AuthErrorKind::MalformedClaims,
                );
            }
        }
    }
    // Inside of another member it is no issuer.
    let inner = format!("{{\"x\":{{\"iss\":\"{}\"}},", stage.other.endpoint());
    let inside = claims.replacen('{', &inner, 1);
    let token = stage.one.token(&stage.alice).raw_claims(&inside).sign();
    assert_is(&ask(&api, &token).await, &stage.one, &stage.alice);
}

#[tokio::test]
async fn header_rules_and_clients_are_those_of_the_project_that_the_issuer_names() {
    let stage = Stage::new().await;
    let [one, other] = stage.builders();
    let authgear = Authgear::any_of([
        one.algorithms([
            axum_authgear::Algorithm::RS256,
            axum_authgear::Algorithm::ES256,
        ])
        .client_ids(["web"]),
        other.client_ids(["mobile"]).leeway(Duration::ZERO),
    ]);
    let key = SigningKey::es256();
    stage.one.list_key(&key);
    stage.other.list_key(&key);
    let authgear = authgear.build().unwrap();
    crate::stage::all_have_keys(&authgear).await;
    let api = api(&authgear);

    let token = stage.one.token(&stage.alice).client_id("web");
    assert_is(
        &ask(&api, &token.signed_by(&key).sign()).await,
        &stage.one,
        &stage.alice,
    );
    let token = stage.other.token(&stage.other_alice).client_id("mobile");
    let refused = ask(&api, &token.signed_by(&key).sign()).await;
    assert_refused(&refused, 401, AuthErrorKind::AlgorithmNotAllowed);

    let token = stage.one.token(&stage.alice).client_id("mobile").sign();
    assert_refused(
        &ask(&api, &token).await,
        401,
        AuthErrorKind::ClientNotAllowed,
    );
    let token = stage
        .other
        .token(&stage.other_alice)
        .client_id("mobile")
        .sign();
    assert_is(&ask(&api, &token).await, &stage.other, &stage.other_alice);

    // Half a minute after its end: within the leeway of one, and not of the other.
    let end = stage.one.clock().now().unix().as_secs() - 30;
    let token = stage
        .one
        .token(&stage.alice)
        .client_id("web")
        .expires_at(end)
        .sign();
    assert_is(&ask(&api, &token).await, &stage.one, &stage.alice);
    let token = stage.other.token(&stage.other_alice).client_id("mobile");
    let refused = ask(&api, &token.expires_at(end).sign()).await;
    assert_refused(&refused, 401, AuthErrorKind::Expired);
}

/// The claims of a token, as text.
pub fn claims_of(token: &str) -> String {
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(claims).unwrap();
    String::from_utf8(claims).unwrap()
}

/// For the API's developer, at DEBUG. The configuration is no secret, and of the token it says nothing.
#[tokio::test]
async fn a_token_of_no_project_is_told_with_the_issuers_that_are_trusted() {
    let stage = Stage::new().await;
    let authgear = stage.authgear().await;
    let api = api(&authgear);
    let (log, _guard) = Log::of_this_thread(tracing::Level::DEBUG);
    let mut endpoints = [stage.one.endpoint(), stage.other.endpoint()];
    endpoints.sort_unstable();
    let expected = format!("expected=\"{}\"", endpoints.join(", "));
    let lines = || log.text().matches(&expected).count();

    let token = || stage.one.token(&stage.alice);
    let foreign = token().claim("iss", "https://canary.example").sign();
    assert_refused(&ask(&api, &foreign).await, 401, AuthErrorKind::WrongIssuer);
    assert_eq!(lines(), 1, "{}", log.text());
    assert!(!log.text().contains("canary"), "{}", log.text());

    for (refused, kind) in [
        ("a.b.c".to_owned(), AuthErrorKind::MalformedToken),
        (
            token().expires_at(1_000_000_000).sign(),
            AuthErrorKind::Expired,
        ),
    ] {
        assert_refused(&ask(&api, &refused).await, 401, kind);
    }
    assert_eq!(lines(), 1, "{}", log.text());
}
