//! One key: its allowed uses, and its signature check.

use std::str::FromStr;
use std::sync::OnceLock;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse, RSAKeyParameters,
};
use serde_json::{Map, Value};

use crate::error::AuthErrorKind;
use crate::macros::redacted_debug;

/// One public key, parsed for each algorithm that it may be used with.
pub(crate) struct VerificationKey {
    pub(super) kid: Box<str>,
    pub(super) jwk: Jwk,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
    /// The raw header of the first valid token, and its algorithm. A header's content depends only on its
    /// bytes, so an equal header need not be parsed again.
    pub(super) header: OnceLock<(Box<[u8]>, Algorithm)>,
}

impl VerificationKey {
    pub(super) fn new(kid: String, jwk: Jwk, allowed: &[Algorithm]) -> Self {
        let verifiers = if is_for_signatures(&jwk) {
            allowed
                .iter()
                .filter(|algorithm| fits(&jwk, **algorithm))
                .filter_map(|algorithm| Some((*algorithm, parse(&jwk, *algorithm)?)))
                .collect()
        } else {
            Vec::new()
        };
        Self {
            kid: kid.into_boxed_str(),
            jwk,
            verifiers,
            header: OnceLock::new(),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.kid
    }

    /// Stores the header of a token with a valid signature.
    pub(crate) fn remember_header(&self, header: &[u8], algorithm: Algorithm) {
        self.header.get_or_init(|| (header.into(), algorithm));
    }

    /// A key that verifies nothing.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        let jwk = serde_json::json!({ "kty": "RSA", "n": "", "e": "" });
        let jwk = serde_json::from_value(jwk).expect("a key");
        Self::new(String::new(), jwk, &[])
    }

    /// Whether this is the same material, for the same algorithms.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.kid == other.kid && self.jwk == other.jwk && self.algorithms().eq(other.algorithms())
    }

    fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.verifiers.iter().map(|(algorithm, _)| *algorithm)
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.verifiers.is_empty()
    }

    /// Checks a signature. `algorithm` must be one of the allowed ones *and* fit the key.
    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), AuthErrorKind> {
        let (_, key) = self
            .verifiers
            .iter()
            .find(|(own, _)| *own == algorithm)
            .ok_or(AuthErrorKind::KeyAlgorithmMismatch)?;
        key.verify_sig(message, signature)
            .map_err(|_| AuthErrorKind::BadSignature)
    }
}

redacted_debug!(VerificationKey);

/// The known members. Others (`x5c`, `created_at`, …), of any type, must not make the key unusable.
const KNOWN_MEMBERS: [&str; 10] = [
    "kty", "kid", "use", "key_ops", "alg", "n", "e", "crv", "x", "y",
];

pub(super) fn read_jwk(member: &Value) -> Option<(String, Jwk)> {
    let mut known: Map<String, Value> = member
        .as_object()?
        .iter()
        .filter(|(name, _)| KNOWN_MEMBERS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    // RFC 9864 §2.2: another name of the same algorithm, which the JWK type does not know. The curve is
    // checked in any case.
    if let Some(algorithm) = known.get_mut("alg")
        && algorithm == "Ed25519"
    {
        *algorithm = Value::from("EdDSA");
    }
    let jwk: Jwk = serde_json::from_value(Value::Object(known)).ok()?;
    let kid = jwk.common.key_id.clone().filter(|kid| !kid.is_empty())?;
    Some((kid, jwk))
}

/// RFC 7517 §4.2 and §4.3: if `use` or `key_ops` is present, it must allow verification.
fn is_for_signatures(jwk: &Jwk) -> bool {
    let by_use = match &jwk.common.public_key_use {
        None | Some(PublicKeyUse::Signature) => true,
        Some(_) => false,
    };
    let by_operations = match &jwk.common.key_operations {
        None => true,
        Some(operations) => operations.contains(&KeyOperations::Verify),
    };
    by_use && by_operations
}

/// Whether the key's type, curve and `alg` (if present) fit the algorithm.
fn fits(jwk: &Jwk, algorithm: Algorithm) -> bool {
    let named = match jwk.common.key_algorithm {
        None => true,
        Some(own) => Algorithm::from_str(&own.to_string()).is_ok_and(|own| own == algorithm),
    };
    let by_type = match (&jwk.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), _) => rsa_parameters(algorithm).is_some(),
        (AlgorithmParameters::EllipticCurve(ec), Algorithm::ES256) => {
            ec.curve == EllipticCurve::P256
        }
        (AlgorithmParameters::EllipticCurve(ec), Algorithm::ES384) => {
            ec.curve == EllipticCurve::P384
        }
        (AlgorithmParameters::OctetKeyPair(okp), Algorithm::EdDSA) => {
            okp.curve == EllipticCurve::Ed25519
        }
        _ => false,
    };
    named && by_type
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn parse(jwk: &Jwk, algorithm: Algorithm) -> Option<ParsedPublicKey> {
    match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => parse_rsa(rsa, rsa_parameters(algorithm)?),
        AlgorithmParameters::EllipticCurve(ec) => {
            let (verifier, length): (&'static dyn VerificationAlgorithm, _) = match algorithm {
                Algorithm::ES256 => (&ECDSA_P256_SHA256_FIXED, 32),
                _ => (&ECDSA_P384_SHA384_FIXED, 48),
            };
            let (x, y) = (decode(&ec.x)?, decode(&ec.y)?);
            // RFC 7518 §6.2.1.2: each has the length of the field, not only both together.
            if x.len() != length || y.len() != length {
                return None;
            }
            // SEC 1 §2.3.3: an uncompressed point.
            let point = [vec![4], x, y].concat();
            ParsedPublicKey::new(verifier, point).ok()
        }
        AlgorithmParameters::OctetKeyPair(okp) => {
            ParsedPublicKey::new(&ED25519, decode(&okp.x)?).ok()
        }
        _ => None,
    }
}

fn parse_rsa(
    rsa: &RSAKeyParameters,
    parameters: &'static RsaParameters,
) -> Option<ParsedPublicKey> {
    let modulus = decode(&rsa.n)?;
    let exponent = decode(&rsa.e)?;
    let n = without_leading_zeros(&modulus);
    let e = without_leading_zeros(&exponent);
    // The library accepts shorter moduli, and checks them only with a signature.
    let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
    if !(2048..=8192).contains(&bits) {
        return None;
    }
    // RFC 8017 §3.1: odd and at least 3. With 1, anyone can sign.
    if e.last()? % 2 == 0 || e == [1] {
        return None;
    }
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(parameters)
        .ok()
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}
