//! Any text: a set of keys that the text really has, or a refusal that leaves the earlier keys in use.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::{changed, good, other};
use super::{KeySet, KeySetError, MAX_KEYS};
use crate::clock::Clock;
use crate::jwks::snapshot::SnapshotError;
use crate::jwks::{KeyPolicy, KeySnapshot, KeyStore};
use crate::property::cases::cases;
use crate::property::mutation::{any_json, recorded};
use crate::testkit::SigningKey;

const ALLOWED: [Algorithm; 4] = [
    Algorithm::RS256,
    Algorithm::ES256,
    Algorithm::EdDSA,
    Algorithm::PS256,
];
const MESSAGE: &[u8] = b"message";

/// A key as its issuer lists it, and what it signs.
struct Listed {
    jwk: Value,
    algorithm: Algorithm,
    signature: Vec<u8>,
}

fn listed() -> &'static [Listed] {
    static LISTED: LazyLock<Vec<Listed>> = LazyLock::new(|| {
        let keys = [
            (good().clone(), Algorithm::RS256),
            (
                good().clone().with_kid("pss").with_algorithm("PS256"),
                Algorithm::PS256,
            ),
            (SigningKey::es256().with_kid("ec"), Algorithm::ES256),
            (SigningKey::ed25519().with_kid("ed"), Algorithm::EdDSA),
        ];
        let listed = keys.map(|(key, algorithm)| Listed {
            jwk: key.jwk(),
            algorithm,
            signature: key.sign(MESSAGE),
        });
        listed.into()
    });
    &LISTED
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    static DOCUMENTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
        let listed: Vec<_> = listed().iter().map(|key| key.jwk.clone()).collect();
        let odd = [
            json!({ "kty": "oct", "kid": "odd", "k": "c2VjcmV0", "alg": "HS256" }),
            changed(&json!({ "use": "enc", "kid": "good" })),
            changed(&json!({ "key_ops": ["verify"], "alg": null, "use": null })),
            changed(&json!({ "e": "AQ" })),
            changed(&json!({ "n": "AAAB" })),
            json!({ "kty": "EC", "kid": "odd", "crv": "P-521", "x": "AA", "y": "AA" }),
        ];
        let beside = [&odd[..], &listed].concat();
        vec![
            json!({ "keys": listed }),
            json!({ "keys": beside }),
            json!({ "keys": [good().jwk(), other().jwk()] }),
            json!({ "keys": odd }),
            recorded("tokens.json")["jwks"].clone(),
        ]
    });
    any_json(&DOCUMENTS)
}

/// RFC 7517 §4 and RFC 7518 §6: what a member must be before any key is made of it.
fn can_be_used(member: &Value) -> bool {
    let text = |name: &str| member.get(name).and_then(Value::as_str);
    let given = |name: &str| member.get(name).filter(|value| !value.is_null());
    let number = |name: &str| URL_SAFE_NO_PAD.decode_to_vec(text(name)?).ok();
    let is_allowed = |algorithms: &[&str]| {
        given("alg").is_none_or(|own| algorithms.iter().any(|name| own == name))
    };
    let for_signatures = given("use").is_none_or(|own| own == "sig")
        && given("key_ops").is_none_or(|operations| {
            let mut operations = operations.as_array().into_iter().flatten();
            operations.any(|operation| operation == "verify")
        });
    let is_named = text("kid").is_some_and(|kid| !kid.is_empty());
    let is_a_key = match (text("kty"), text("crv")) {
        (Some("RSA"), _) => {
            let (n, e) = (
                number("n").unwrap_or_default(),
                number("e").unwrap_or_default(),
            );
            let significant = n.iter().skip_while(|byte| **byte == 0);
            let exponent = e.iter().skip_while(|byte| **byte == 0);
            let is_odd = e.last().is_some_and(|last| last & 1 == 1);
            // 2,048 bits: 256 bytes, and the highest bit of the first one.
            let bytes: Vec<u8> = significant.copied().collect();
            let is_long = bytes.len() > 256 || (bytes.len() == 256 && bytes[0] >= 0x80);
            let is_short = bytes.len() <= 1024;
            let is_one = exponent.copied().eq([1]);
            is_long && is_short && is_odd && !is_one && is_allowed(&["RS256", "PS256"])
        }
        (Some("EC"), Some("P-256")) => {
            let numbers = [number("x"), number("y")];
            let is_whole =
                |number: &Option<Vec<u8>>| number.as_ref().is_some_and(|n| n.len() == 32);
            numbers.iter().all(is_whole) && is_allowed(&["ES256"])
        }
        (Some("OKP"), Some("Ed25519")) => {
            number("x").is_some_and(|x| x.len() == 32) && is_allowed(&["EdDSA", "Ed25519"])
        }
        _ => false,
    };
    for_signatures && is_named && is_a_key
}

/// What the text lists, as far as it is looked at.
fn members(body: &[u8]) -> Option<Vec<Value>> {
    let set: Value = serde_json::from_slice(body).ok()?;
    let mut members = set.as_object()?.get("keys")?.as_array()?.clone();
    members.truncate(MAX_KEYS);
    Some(members)
}

fn verifies(set: &KeySet, kid: &Value, algorithm: Algorithm, signature: &[u8]) -> bool {
    let key = kid.as_str().and_then(|kid| set.find(kid));
    key.is_some_and(|key| key.verify(algorithm, MESSAGE, signature).is_ok())
}

fn check(set: &KeySet, members: &[Value]) -> Result<(), TestCaseError> {
    static FORGED: LazyLock<Vec<u8>> = LazyLock::new(|| SigningKey::rsa().sign(MESSAGE));
    prop_assert!((1..=MAX_KEYS).contains(&set.len()));
    prop_assert!(set.keys.len() <= members.len());
    for key in &set.keys {
        let mut own = members.iter().filter(|member| member["kid"] == *key.kid);
        prop_assert!(!key.is_usable() || own.any(can_be_used), "{}", key.kid);
        prop_assert!(key.verify(Algorithm::RS256, MESSAGE, &FORGED).is_err());
    }
    // What an issuer lists is used, whatever stands beside it.
    for Listed {
        jwk,
        algorithm,
        signature,
    } in listed()
    {
        let of_this_name = |member: &&Value| member["kid"] == jwk["kid"] && can_be_used(member);
        let material = if jwk["kty"] == "RSA" { "n" } else { "x" };
        let is_same = |member: &Value| {
            ["kid", material]
                .iter()
                .all(|part| member[*part] == jwk[*part])
        };
        let is_used = verifies(set, &jwk["kid"], *algorithm, signature);
        prop_assert!(is_used || members.iter().find(of_this_name) != Some(jwk));
        prop_assert!(!is_used || members.iter().any(is_same));
    }
    let shown = format!("{set:?}");
    prop_assert!(shown.len() < 60, "{}", shown);
    Ok(())
}

proptest! {
    #![proptest_config(cases(256, 100_000))]

    #[test]
    fn property_any_key_set_has_the_keys_of_its_text_or_leaves_the_earlier_ones(
        body in any_body(),
    ) {
        static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::default);
        let parsed = KeySet::parse(&body, &ALLOWED, None);
        match (&parsed, members(&body)) {
            (Ok(set), Some(members)) => check(set, &members)?,
            (Err(KeySetError::Malformed), None) => {}
            (Err(KeySetError::NoUsableKey), Some(members)) => {
                for key in listed() {
                    prop_assert!(!members.contains(&key.jwk));
                }
            }
            (parsed, members) => prop_assert!(false, "{parsed:?} {members:?}"),
        }
        if let Ok(set) = &parsed {
            let again = KeySet::parse(&body, &ALLOWED, Some(set));
            prop_assert!(again.is_ok_and(|again| again.is_same(set)));
        }

        let store = KeyStore::new(KeyPolicy::default(), CLOCK.clone());
        let now = CLOCK.now().unix();
        let before = json!({ "keys": [listed()[3].jwk] }).to_string();
        let snapshot = |text: Vec<u8>, age| KeySnapshot {
            text: text.into(),
            fetched_at: now.saturating_sub(Duration::from_secs(age)),
        };
        prop_assert!(store.restore(&snapshot(before.into(), 60), &ALLOWED).is_ok());
        let keys = || Arc::clone(&store.state().good.as_ref().expect("keys").0);
        let earlier = keys();
        let restored = store.restore(&snapshot(body, 30), &ALLOWED);
        prop_assert_eq!(restored.is_ok(), parsed.is_ok());
        if let Err(error) = restored {
            prop_assert!(matches!(error, SnapshotError::Keys(_)), "{error}");
            prop_assert!(Arc::ptr_eq(&earlier, &keys()));
        }
    }
}
