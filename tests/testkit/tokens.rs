use aws_lc_rs::hmac;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

use super::*;

const MADE: u64 = 1_795_511_053;

async fn fake() -> FakeAuthgear {
    FakeAuthgear::builder()
        .endpoint(ENDPOINT)
        .clock(Clock::frozen_at(MADE))
        .start()
        .await
}

fn verifies(fake: &FakeAuthgear, token: &str) -> bool {
    let (header, _) = decoded(token);
    let jwks = fake.jwks();
    let jwk = list(&jwks, "keys")
        .iter()
        .find(|key| key["kid"] == header["kid"]);
    let Some(jwk) = jwk else { return false };
    let member = |name| {
        URL_SAFE_NO_PAD
            .decode_to_vec(text(jwk, name))
            .expect("base64url")
    };
    let (message, signature) = token.rsplit_once('.').expect("a JWT");
    let signature = URL_SAFE_NO_PAD.decode_to_vec(signature).expect("base64url");
    let key = RsaPublicKeyComponents {
        n: member("n"),
        e: member("e"),
    };
    key.verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &signature)
        .is_ok()
}

#[tokio::test]
async fn tokens_are_as_recorded() {
    let fake = fake().await;
    let alice = fake.add_user(alice());
    let plain = fake.add_user(plain());
    let anonymous = fake.add_user(anonymous());
    let mfa = fake.add_user(User::new("mfa").with_id(MFA));

    let mut seen = 0;
    for row in list(&recorded(TOKENS), "tokens") {
        let name = text(row, "name");
        let token = match name {
            "opaque" => {
                let token = fake.sign_in(&alice).opaque_token();
                assert_eq!(token.len(), text(row, "token").len());
                assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric()));
                continue;
            }
            "user" => fake.token(&alice),
            "id_token" => fake.id_token(&alice),
            "user_scope_openid" => fake.token(&alice).scope("openid"),
            "brief" => fake
                .token(&alice)
                .client_id("brief")
                .lifetime(Duration::from_secs(300)),
            "m2m" => fake
                .client_token("worker", "https://api.shop.example")
                .scope("read:orders write:orders"),
            "m2m_one_scope" => fake
                .client_token("worker", "https://api.shop.example")
                .scope("read:orders"),
            "user_plain" => fake.token(&plain),
            "user_refreshed" => fake.token(&alice).refreshed(),
            "anonymous" => fake.token(&anonymous),
            "custom_claims" => fake
                .token(&alice)
                .claim("beta", true)
                .claim("https://shop.example/tenant", "acme")
                .claim("limits", json!([1, 2.5, "x", null]))
                .claim("plan", json!({ "name": "pro", "seats": 25 })),
            "user_mfa" => fake.token(&mfa).amr([
                "mfa",
                "otp",
                "pwd",
                "x_primary_password",
                "x_secondary_totp",
            ]),
            "third_party" => fake.token(&alice).third_party(),
            other => panic!("a token of another kind: {other}"),
        };
        let token = token.issued_at(number(row, "at")).sign();
        let (mut header, mut claims) = decoded(&token);
        assert!(verifies(&fake, &token), "{name}");
        assert_eq!(header["kid"], json!(fake.signing_kid()));
        header["kid"] = row["header"]["kid"].clone();
        assert_eq!(header, row["header"], "{name}");
        for random in ["jti", "sid"] {
            if let Some(expected) = row["claims"].get(random) {
                assert_eq!(
                    text(&claims, random).len(),
                    expected.as_str().expect("text").len()
                );
                claims[random] = expected.clone();
            }
        }
        assert_eq!(claims, row["claims"], "{name}");
        seen += 1;
    }
    assert_eq!(seen, 12);
}

#[tokio::test]
async fn every_part_can_be_bent() {
    let fake = fake().await;
    let alice = fake.add_user(User::new("alice"));
    let token = |bend: fn(TokenBuilder) -> TokenBuilder| bend(fake.token(&alice)).sign();

    let (header, claims) = decoded(&token(|token| {
        token
            .claim("exp", "tomorrow")
            .remove_claim("sub")
            .header("crit", json!(["exp"]))
            .remove_header("typ")
            .kid("other")
    }));
    assert_eq!(claims["exp"], "tomorrow");
    assert!(claims.get("sub").is_none());
    assert_eq!(
        header,
        json!({ "alg": "RS256", "kid": "other", "crit": ["exp"] })
    );

    let bent = token(|token| token.raw_header("[1]").raw_claims(r#"{"a":1,"a":2}"#));
    let parts: Vec<_> = bent.split('.').collect();
    let bytes = |part| URL_SAFE_NO_PAD.decode_to_vec(part).expect("base64url");
    assert_eq!(bytes(parts[0]), b"[1]");
    assert_eq!(bytes(parts[1]), br#"{"a":1,"a":2}"#);

    assert!(verifies(&fake, &token(|token| token)));
    assert!(!verifies(&fake, &token(TokenBuilder::tamper_signature)));
    let unsigned = token(TokenBuilder::unsigned);
    assert!(unsigned.ends_with('.'));
    assert_eq!(decoded(&unsigned).0["alg"], "RS256");

    let foreign = SigningKey::rsa();
    let kid = fake.signing_kid();
    let forged = fake.token(&alice).signed_by(&foreign).kid(&kid).sign();
    assert_eq!(decoded(&forged).0["kid"], json!(kid));
    assert!(!verifies(&fake, &forged));
    let named = fake.token(&alice).signed_by(&foreign).sign();
    assert_eq!(decoded(&named).0["kid"], json!(foreign.kid()));
    fake.list_key(&foreign);
    assert!(verifies(&fake, &named));

    let hs256 = token(|token| token.hs256("secret"));
    let (message, signature) = hs256.rsplit_once('.').expect("a JWT");
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
    let signature = URL_SAFE_NO_PAD.decode_to_vec(signature).expect("base64url");
    assert!(hmac::verify(&key, message.as_bytes(), &signature).is_ok());
    assert_eq!(decoded(&hs256).0["alg"], "HS256");
}

#[tokio::test]
async fn times_follow_each_other() {
    let fake = fake().await;
    let alice = fake.add_user(User::new("alice"));
    let times = |token: TokenBuilder| {
        let (_, claims) = decoded(&token.sign());
        ["iat", "exp", "auth_time"].map(|name| number(&claims, name))
    };
    assert_eq!(times(fake.token(&alice)), [MADE, MADE + 1_800, MADE]);
    assert_eq!(
        times(fake.token(&alice).issued_at(1_000)),
        [1_000, 2_800, 1_000]
    );
    assert_eq!(
        times(fake.token(&alice).expires_at(9).auth_time(7)),
        [MADE, 9, 7]
    );
    let session = fake.sign_in_at(&alice, 500);
    fake.clock().shift_millis(60_000);
    assert_eq!(
        times(session.token().lifetime(Duration::from_secs(300))),
        [MADE + 60, MADE + 360, 500]
    );
}

#[tokio::test]
async fn a_session_outlives_its_user() {
    let fake = fake().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    fake.delete(&alice);
    let (_, claims) = decoded(&session.token().issued_at(u64::MAX).sign());
    assert_eq!(claims["sub"], json!(alice.id()));
    assert_eq!(claims["exp"], json!(u64::MAX));
}

#[tokio::test]
async fn keys_rotate_as_recorded() {
    let fake = fake().await;
    let alice = fake.add_user(User::new("alice"));
    let recorded = recorded(ROTATION);
    let steps = list(&recorded, "steps");
    let (mut ours, mut theirs) = (vec![fake.signing_kid()], Vec::<String>::new());
    for (at, step) in steps.iter().enumerate() {
        match at {
            0 => {}
            1 => ours.push(fake.add_key()),
            2 => fake.sign_with(&ours[1]),
            _ => fake.remove_old_keys(),
        }
        let body: Value = serde_json::from_str(text(&step["jwks"], "body")).expect("JSON");
        for key in list(&body, "keys") {
            let kid = text(key, "kid").to_owned();
            if !theirs.contains(&kid) {
                theirs.push(kid);
            }
        }
        // Which of the known keys, by number, in which order.
        let order = |jwks: &Value, known: &[String]| -> Vec<_> {
            list(jwks, "keys")
                .iter()
                .map(|key| known.iter().position(|kid| kid == text(key, "kid")))
                .collect()
        };
        assert_eq!(order(&fake.jwks(), &ours), order(&body, &theirs));
        let members = |jwks: &Value| -> Vec<_> {
            let key = jwks["keys"][0].as_object().expect("a key");
            key.keys().cloned().collect()
        };
        assert_eq!(members(&fake.jwks()), members(&body));
        let (header, _) = decoded(&fake.token(&alice).sign());
        let signs = ours.iter().position(|kid| *kid == text(&header, "kid"));
        let recorded = theirs
            .iter()
            .position(|kid| *kid == text(&step["header"], "kid"));
        assert_eq!(signs, recorded, "step {at}");
    }
    let first = fake.token(&alice).sign();
    let kid = fake.rotate();
    assert_eq!(fake.signing_kid(), kid);
    assert!(verifies(&fake, &first), "the old key is still listed");
    fake.remove_key(&ours[1]);
    assert!(!verifies(&fake, &first));
    fake.add_raw_jwk(json!({ "kty": "oct", "kid": 5 }));
    assert_eq!(list(&fake.jwks(), "keys").len(), 2);
}

#[test]
fn debug_shows_no_key() {
    let key = SigningKey::rsa().with_kid("mine");
    assert_eq!(
        format!("{key:?}"),
        r#"SigningKey { kid: "mine", algorithm: "RS256", .. }"#
    );
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let fake = FakeAuthgear::builder().webhook_secret("hush").start().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let cookies = session.cookies();
    let shown = format!(
        "{fake:?} {session:?} {cookies:?} {:?} {:?}",
        session.token(),
        fake.webhook(WebhookEvent::UserDisabled, &alice)
    );
    for secret in [
        "hush",
        cookies.session().value(),
        cookies.app_session().value(),
        cookies.app_access_token().value(),
    ] {
        assert!(!shown.contains(secret));
    }
}
