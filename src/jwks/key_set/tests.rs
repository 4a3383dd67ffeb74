//! Which keys of a set are used.

use std::sync::{Arc, LazyLock};

use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::{KeySet, KeySetError, MAX_KEYS};
use crate::error::AuthErrorKind;
use crate::testkit::SigningKey;

const ALLOWED: [Algorithm; 4] = [
    Algorithm::RS256,
    Algorithm::ES256,
    Algorithm::EdDSA,
    Algorithm::PS256,
];

/// One RSA key, `good`, for all tests.
pub(super) fn good() -> &'static SigningKey {
    static GOOD: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::rsa().with_kid("good"));
    &GOOD
}

pub(super) fn other() -> &'static SigningKey {
    static OTHER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::rsa().with_kid("good"));
    &OTHER
}

fn parse(keys: impl Into<Value>) -> Result<KeySet, KeySetError> {
    KeySet::parse(
        json!({ "keys": keys.into() }).to_string().as_bytes(),
        &ALLOWED,
        None,
    )
}

fn verifies(set: &KeySet, kid: &str, key: &SigningKey) -> Result<(), AuthErrorKind> {
    let found = set.find(kid).ok_or(AuthErrorKind::UnknownKey)?;
    found.verify(Algorithm::RS256, b"message", &key.sign(b"message"))
}

/// The good key with some members replaced, or removed by `null`.
pub(super) fn changed(members: &Value) -> Value {
    let mut jwk = good().jwk();
    let object = jwk.as_object_mut().unwrap();
    object.insert("kid".to_owned(), json!("odd"));
    for (name, value) in members.as_object().unwrap() {
        if value.is_null() {
            object.remove(name);
        } else {
            object.insert(name.clone(), value.clone());
        }
    }
    jwk
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

fn modulus() -> Vec<u8> {
    let jwk = good().jwk();
    URL_SAFE_NO_PAD
        .decode_to_vec(jwk["n"].as_str().unwrap())
        .unwrap()
}

/// An odd number with this many bits.
fn number(bits: usize) -> String {
    let mut bytes = vec![0xa5; bits.div_ceil(8)];
    let top = 1_u8 << ((bits - 1) % 8);
    bytes[0] = (bytes[0] & (top - 1)) | top;
    encoded(&bytes)
}

#[test]
fn an_odd_key_is_skipped_and_counted_and_spoils_nothing() {
    for odd in [
        json!({ "kty": "oct", "kid": "odd", "k": "c2VjcmV0", "alg": "HS256" }),
        changed(&json!({ "kty": "XYZ" })),
        changed(&json!({ "kty": null })),
        changed(&json!({ "kid": 5 })),
        changed(&json!({ "kid": null })),
        changed(&json!({ "kid": "" })),
        changed(&json!({ "use": "enc" })),
        changed(&json!({ "use": "other" })),
        changed(&json!({ "use": 5 })),
        changed(&json!({ "key_ops": ["sign"] })),
        changed(&json!({ "key_ops": [] })),
        changed(&json!({ "key_ops": "verify" })),
        changed(&json!({ "alg": "HS256" })),
        changed(&json!({ "alg": "RSA-OAEP" })),
        changed(&json!({ "alg": "RS257" })),
        changed(&json!({ "alg": "RS512" })),
        changed(&json!({ "n": null })),
        changed(&json!({ "n": "" })),
        changed(&json!({ "n": "AA" })),
        changed(&json!({ "n": "not base64url" })),
        changed(&json!({ "n": 5 })),
        changed(&json!({ "e": "" })),
        // 0, 1, 2 and 65,536: exponents with which anyone can sign, no one can, or which are invalid.
        changed(&json!({ "e": "AA" })),
        changed(&json!({ "e": "AQ" })),
        changed(&json!({ "e": "AAAB" })),
        changed(&json!({ "e": "Ag" })),
        changed(&json!({ "e": "AQAA" })),
        changed(&json!({ "n": number(768) })),
        changed(&json!({ "n": number(1024) })),
        changed(&json!({ "n": number(2047) })),
        changed(&json!({ "n": number(8193) })),
        json!({ "kty": "EC", "kid": "odd", "crv": "P-257", "x": "AA", "y": "AA" }),
        json!({ "kty": "EC", "kid": "odd", "crv": "P-256", "x": "AA", "y": "AA" }),
        json!({ "kty": "EC", "kid": "odd", "crv": "secp256k1", "x": number(256), "y": number(256) }),
        json!({ "kty": "OKP", "kid": "odd", "crv": "X25519", "x": number(256) }),
        json!({ "kty": "OKP", "kid": "odd", "crv": "Ed25519", "x": "AA" }),
        json!("a string"),
        json!(["an", "array"]),
        json!(null),
        json!({}),
    ] {
        for keys in [json!([odd, good().jwk()]), json!([good().jwk(), odd])] {
            let set = parse(keys).unwrap();
            assert_eq!((set.len(), set.skipped()), (1, 1), "{odd}");
            assert_eq!(verifies(&set, "good", good()), Ok(()));
            // Its name may be known, but it verifies nothing.
            assert!(verifies(&set, "odd", good()).is_err(), "{odd}");
        }
        assert!(matches!(parse(json!([odd])), Err(KeySetError::NoUsableKey)));
    }
}

#[test]
fn what_is_unusual_and_right_is_taken() {
    let mut long = vec![0, 0];
    long.extend(modulus());
    for odd in [
        changed(&json!({ "use": null, "alg": null })),
        changed(&json!({ "key_ops": ["verify", "wrapKey", "something"] })),
        changed(&json!({ "x5c": "not an array", "x5t": 5, "x5u": [], "oth": {} })),
        changed(&json!({ "created_at": 1_795_511_258, "ext": [1, { "a": null }] })),
        // RFC 7518 §6.3.1 forbids leading zeros, but some issuers write them.
        changed(&json!({ "n": encoded(&long) })),
        changed(&json!({ "e": "AAEAAQ" })),
    ] {
        let set = parse(json!([odd])).unwrap();
        assert_eq!((set.len(), set.skipped()), (1, 0), "{odd}");
        assert_eq!(verifies(&set, "odd", good()), Ok(()), "{odd}");
        assert_eq!(
            verifies(&set, "odd", other()),
            Err(AuthErrorKind::BadSignature)
        );
    }
}

#[test]
fn every_kind_of_key_serves_its_own_algorithm_alone() {
    let ec = SigningKey::es256().with_kid("ec");
    let ed = SigningKey::ed25519().with_kid("ed");
    let pss = good().clone().with_kid("pss").with_algorithm("PS256");
    let set = parse(json!([ec.jwk(), ed.jwk(), pss.jwk()])).unwrap();
    for (key, algorithm) in [
        (&ec, Algorithm::ES256),
        (&ed, Algorithm::EdDSA),
        (&pss, Algorithm::PS256),
    ] {
        let found = set.find(key.kid()).unwrap();
        let signature = key.sign(b"message");
        assert_eq!(found.verify(algorithm, b"message", &signature), Ok(()));
        assert_eq!(
            found.verify(algorithm, b"massage", &signature),
            Err(AuthErrorKind::BadSignature)
        );
        assert_eq!(
            found.verify(Algorithm::RS256, b"message", &signature),
            Err(AuthErrorKind::KeyAlgorithmMismatch)
        );
    }
    // A disallowed algorithm makes no verifier.
    let body = json!({ "keys": [ec.jwk()] }).to_string();
    let parsed = KeySet::parse(body.as_bytes(), &[Algorithm::RS256], None);
    assert!(matches!(parsed, Err(KeySetError::NoUsableKey)));
}

/// RFC 7518 §6.2.1.2: also where both together have the right length.
#[test]
fn each_coordinate_has_the_length_of_the_field() {
    let key = SigningKey::es256().with_kid("ec");
    let member = |name: &str| {
        let text = key.jwk()[name].as_str().unwrap().to_owned();
        URL_SAFE_NO_PAD.decode_to_vec(text).unwrap()
    };
    let point = [member("x"), member("y")].concat();
    for (length, is_usable) in [
        (31, false),
        (32, true),
        (33, false),
        (0, false),
        (64, false),
    ] {
        let (x, y) = point.split_at(length);
        let mut jwk = key.jwk();
        jwk["x"] = json!(encoded(x));
        jwk["y"] = json!(encoded(y));
        assert_eq!(parse([jwk]).is_ok(), is_usable, "{length}");
    }
}

#[test]
fn both_names_of_one_algorithm_make_one_key() {
    let key = SigningKey::ed25519();
    let mut renamed = key.jwk();
    renamed["alg"] = json!("Ed25519");
    let set = parse(json!([key.jwk(), renamed])).unwrap();
    assert_eq!((set.len(), set.skipped()), (1, 0));
    let body = json!({ "keys": [renamed] }).to_string();
    let again = KeySet::parse(body.as_bytes(), &ALLOWED, Some(&set)).unwrap();
    assert!(again.is_same(&set));
    let found = again.find(key.kid()).unwrap();
    let signature = key.sign(b"message");
    assert_eq!(
        found.verify(Algorithm::EdDSA, b"message", &signature),
        Ok(())
    );
}

#[test]
fn under_one_name_the_first_usable_key_is_the_one() {
    // The same key twice is one key.
    let set = parse(json!([good().jwk(), good().jwk()])).unwrap();
    assert_eq!((set.len(), set.skipped()), (1, 0));

    let set = parse(json!([good().jwk(), other().jwk()])).unwrap();
    assert_eq!((set.len(), set.skipped()), (1, 1));
    assert_eq!(verifies(&set, "good", good()), Ok(()));
    assert_eq!(
        verifies(&set, "good", other()),
        Err(AuthErrorKind::BadSignature)
    );

    // A key for encryption with the same name is replaced, at any position.
    let encryption = changed(&json!({ "kid": "good", "use": "enc" }));
    for keys in [
        json!([encryption, good().jwk()]),
        json!([good().jwk(), encryption]),
    ] {
        let set = parse(keys).unwrap();
        assert_eq!((set.len(), set.skipped()), (1, 1));
        assert_eq!(verifies(&set, "good", good()), Ok(()));
    }
}

#[test]
fn more_keys_than_an_issuer_has_are_not_looked_at() {
    let keys: Vec<Value> = (0..MAX_KEYS + 36)
        .map(|number| changed(&json!({ "kid": format!("k{number}") })))
        .collect();
    let set = parse(json!(keys)).unwrap();
    assert_eq!((set.len(), set.skipped()), (MAX_KEYS, 36));
    assert!(set.find("k63").is_some());
    assert!(set.find("k64").is_none());
}

#[test]
fn a_set_that_is_no_object_with_keys_is_refused() {
    let good = good().jwk();
    for body in [
        json!([good]).to_string(),
        good.to_string(),
        json!({ "keys": good }).to_string(),
        json!({ "keys": null }).to_string(),
        json!({ "keys": "x" }).to_string(),
        json!({}).to_string(),
        String::new(),
        "{\"keys\":[".to_owned(),
        format!("{} trailing", json!({ "keys": [good] })),
        "[".repeat(100_000),
        format!("{{\"keys\":{}", "[".repeat(100_000)),
    ] {
        let parsed = KeySet::parse(body.as_bytes(), &ALLOWED, None);
        assert!(matches!(parsed, Err(KeySetError::Malformed)));
    }
    assert!(matches!(parse(json!([])), Err(KeySetError::NoUsableKey)));
}

#[test]
fn an_unchanged_key_is_taken_over_and_a_changed_one_is_not() {
    let body = |keys: Value| json!({ "keys": keys }).to_string();
    let again = |keys: Value, old: &KeySet| {
        KeySet::parse(body(keys).as_bytes(), &ALLOWED, Some(old)).unwrap()
    };
    let second = changed(&json!({}));
    let old = parse(json!([good().jwk(), second])).unwrap();
    assert!(again(json!([good().jwk(), second]), &old).is_same(&old));
    let mut dated = good().jwk();
    dated["created_at"] = json!(5);
    assert!(again(json!([dated, second]), &old).is_same(&old));
    for keys in [
        json!([good().jwk()]),
        json!([second, good().jwk()]),
        json!([other().jwk(), second]),
        json!([good().jwk(), changed(&json!({ "alg": null }))]),
    ] {
        assert!(!again(keys, &old).is_same(&old));
    }
    // Other material under the old name.
    let replaced = again(json!([other().jwk()]), &old);
    assert_eq!(verifies(&replaced, "good", other()), Ok(()));
    assert!(verifies(&replaced, "good", good()).is_err());
}

/// A project's options can be replaced while users whom the earlier ones accepted are still connected.
#[test]
fn a_key_for_other_algorithms_is_another_key() {
    let jwk = changed(&json!({ "alg": null }));
    let body = json!({ "keys": [jwk] }).to_string();
    let parse = |allowed: &[Algorithm]| KeySet::parse(body.as_bytes(), allowed, None).unwrap();
    let set = parse(&ALLOWED);
    let key = |set: &KeySet| Arc::clone(set.find("odd").unwrap());
    assert!(set.contains(&key(&parse(&ALLOWED))));
    let [one, other] = [Algorithm::RS256, Algorithm::PS256].map(|algorithm| parse(&[algorithm]));
    for (set, known) in [(&set, &one), (&one, &set), (&one, &other), (&other, &set)] {
        assert!(!set.contains(&key(known)));
    }
}

#[test]
fn a_header_leads_to_its_key_by_every_byte_and_for_as_long_as_the_key_stays() {
    let body = |key: &SigningKey| json!({ "keys": [key.jwk()] }).to_string().into_bytes();
    let set = parse([good().jwk()]).unwrap();
    assert!(set.find_by_header(b"header").is_none(), "none is known yet");
    let key = set.find("good").unwrap();
    key.remember_header(b"header", Algorithm::RS256);
    // Whatever comes later, the first one stays.
    key.remember_header(b"other", Algorithm::PS256);
    let (found, algorithm) = set.find_by_header(b"header").unwrap();
    assert_eq!((found.id(), algorithm), ("good", Algorithm::RS256));
    for near in [&b"heade"[..], b"headeR", b"header.", b"", b"other"] {
        assert!(set.find_by_header(near).is_none(), "{near:?}");
    }

    let again = KeySet::parse(&body(good()), &ALLOWED, Some(&set)).unwrap();
    assert!(again.find_by_header(b"header").is_some());
    let replaced = KeySet::parse(&body(other()), &ALLOWED, Some(&again)).unwrap();
    assert!(replaced.find("good").is_some());
    assert!(replaced.find_by_header(b"header").is_none());
}
