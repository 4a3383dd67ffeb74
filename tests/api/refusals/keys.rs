//! The signature is the key's, and the key is fit to make one.

use axum_authgear::AuthErrorKind::{
    BadSignature, KeyAlgorithmMismatch, MalformedToken, UnknownKey,
};
use axum_authgear::Authgear;
use axum_authgear::testkit::{Clock, FakeAuthgear, SigningKey};
use serde_json::{Value, json};

use super::{NOW, World, bad, good};
use crate::support::ready;

#[tokio::test]
async fn the_signature_is_of_this_message_by_this_key() {
    let world = World::new().await;
    let ours = world.fake.signing_kid();
    let foreign = SigningKey::rsa();
    let mallory = world
        .fake
        .add_user(axum_authgear::testkit::User::new("mallory"));
    let token = world.token().sign();
    let other = world.fake.token(&mallory).sign();
    let (header, rest) = token.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let (message, others) = other.rsplit_once('.').unwrap();
    let reordered = world.header();
    let reordered =
        json!({"typ": reordered["typ"], "kid": reordered["kid"], "alg": reordered["alg"], "x": 1});
    let reordered = base64_simd::URL_SAFE_NO_PAD.encode_to_string(reordered.to_string());
    world
        .check([
            good("as signed", &*token),
            bad(
                "one bit changed",
                world.token().tamper_signature().sign(),
                BadSignature,
            ),
            bad(
                "of other claims",
                format!("{header}.{claims}.{others}"),
                BadSignature,
            ),
            bad(
                "under other claims",
                format!("{message}.{signature}"),
                BadSignature,
            ),
            bad(
                "under another header",
                format!("{reordered}.{claims}.{signature}"),
                BadSignature,
            ),
            bad("none", world.token().unsigned().sign(), MalformedToken),
            bad(
                "nothing but zeros",
                format!("{header}.{claims}.{}", "A".repeat(342)),
                BadSignature,
            ),
            bad(
                "of another key, under our key's name",
                world.token().signed_by(&foreign).kid(&*ours).sign(),
                BadSignature,
            ),
            bad(
                "of another key",
                world
                    .token()
                    .issued_at(NOW - 100)
                    .signed_by(&foreign)
                    .sign(),
                UnknownKey,
            ),
            bad(
                "of another key, without iat",
                world.token().remove_claim("iat").signed_by(&foreign).sign(),
                UnknownKey,
            ),
        ])
        .await;
}

#[tokio::test]
async fn a_key_that_is_not_for_this_is_not_used() {
    // A key of its own, listed with these members instead.
    let odd = |changes: Value| {
        let key = SigningKey::rsa();
        let mut jwk = key.jwk();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => jwk.as_object_mut().unwrap().remove(name),
                _ => jwk
                    .as_object_mut()
                    .unwrap()
                    .insert(name.clone(), value.clone()),
            };
        }
        (key, jwk)
    };
    let fit = [
        (
            "without use and alg",
            odd(json!({"use": null, "alg": null})),
        ),
        ("that may verify", odd(json!({"key_ops": ["verify"]}))),
        (
            "that may verify and sign",
            odd(json!({"key_ops": ["sign", "verify"]})),
        ),
        (
            "with members unheard of",
            odd(json!({"created_at": "then", "x5c": 1, "x": 1, "oth": {}})),
        ),
    ];
    let unfit = [
        ("for encryption", odd(json!({"use": "enc"}))),
        ("for something else", odd(json!({"use": "other"}))),
        ("that may only sign", odd(json!({"key_ops": ["sign"]}))),
        ("that may do nothing", odd(json!({"key_ops": []}))),
        ("for RS512", odd(json!({"alg": "RS512"}))),
        ("for PS256", odd(json!({"alg": "PS256"}))),
        (
            "for encryption, by alg",
            odd(json!({"alg": "RSA-OAEP-256"})),
        ),
        ("with an exponent of 1", odd(json!({"e": "AQ"}))),
        ("with an even exponent", odd(json!({"e": "AQAA"}))),
    ];
    let world = World::with(
        |fake| {
            for (_, (_, jwk)) in fit.iter().chain(&unfit) {
                fake.add_raw_jwk(jwk.clone());
            }
        },
        |builder| builder,
    )
    .await;
    let mut cases = Vec::new();
    for (name, (key, _)) in &fit {
        cases.push(good(*name, world.token().signed_by(key).sign()));
    }
    for (name, (key, _)) in &unfit {
        cases.push(bad(
            *name,
            world.token().signed_by(key).sign(),
            KeyAlgorithmMismatch,
        ));
    }
    world.check(cases).await;
}

/// Two keys of another program, and a token of each: what signs here makes no signature with so short
/// a key.
#[tokio::test]
async fn a_key_that_is_too_short_is_not_used() {
    const RECORDED: &str = include_str!("key_lengths.json");
    let recorded: Value = serde_json::from_str(RECORDED).unwrap();
    let clock = Clock::frozen_at(NOW);
    let builder = FakeAuthgear::builder().endpoint("https://auth.shop.example");
    let fake = builder.clock(clock.clone()).start().await;
    let bits = ["1024", "2048"].map(|bits| &recorded[bits]);
    for recorded in bits {
        fake.add_raw_jwk(recorded["jwk"].clone());
    }
    let builder = Authgear::builder(fake.endpoint()).internal_url(fake.url());
    let authgear = ready(builder.dangerous().clock(clock)).await;
    let [short, long] = bits.map(|recorded| recorded["token"].as_str().unwrap());
    let refused = authgear.verify(short).await.unwrap_err();
    assert_eq!(refused.kind(), KeyAlgorithmMismatch);
    assert!(authgear.verify(long).await.is_ok());
}
