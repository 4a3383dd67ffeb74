//! Signing keys.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RsaEncoding, UnparsedPublicKey,
};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::testkit::random;

/// A private key that signs tokens, with its public key as a JWK.
///
/// A [`FakeAuthgear`](crate::testkit::FakeAuthgear) has its own keys. Make one to sign a token with a key
/// that the fake does not list ([`TokenBuilder::signed_by`](crate::testkit::TokenBuilder::signed_by)), or
/// to list a kind of key that Authgear does not have
/// ([`FakeAuthgear::list_key`](crate::testkit::FakeAuthgear::list_key)).
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    algorithm: &'static str,
    material: Arc<Material>,
}

enum Material {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Hmac(Box<hmac::Key>),
}

impl SigningKey {
    /// A 2,048-bit RSA key for `RS256` that no fake has, with a random `kid`.
    ///
    /// To make one takes 0.1 s. A process makes four and then uses them again, each time with another
    /// `kid`.
    #[must_use]
    pub fn rsa() -> Self {
        Self::new("RS256", lend(&FOREIGN, 4, &[]))
    }

    /// A P-256 key for `ES256`.
    ///
    /// # Panics
    ///
    /// When the system has no random numbers.
    #[must_use]
    pub fn es256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .expect("the system has random numbers");
        Self::new("ES256", Arc::new(Material::P256(pair)))
    }

    /// An Ed25519 key for `EdDSA`.
    ///
    /// # Panics
    ///
    /// When the system has no random numbers.
    #[must_use]
    pub fn ed25519() -> Self {
        let pair = Ed25519KeyPair::generate().expect("the system has random numbers");
        Self::new("EdDSA", Arc::new(Material::Ed25519(pair)))
    }

    /// A secret for `HS256`, which no JWKS lists.
    pub(super) fn hs256(secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self::new("HS256", Arc::new(Material::Hmac(Box::new(key))))
    }

    /// A key from the fakes' pool that is none of `listed`.
    pub(in crate::testkit) fn pooled<'a>(listed: impl Iterator<Item = &'a Self>) -> Self {
        let in_use: Vec<_> = listed.map(|key| &key.material).collect();
        Self::new("RS256", lend(&POOL, 8, &in_use))
    }

    fn new(algorithm: &'static str, material: Arc<Material>) -> Self {
        Self {
            kid: random::uuid(),
            algorithm,
            material,
        }
    }

    /// The same key under another `kid`.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = kid.into();
        self
    }

    /// The same RSA key for another algorithm: `RS256`, `RS384`, `RS512`, `PS256`, `PS384` or
    /// `PS512`.
    ///
    /// # Panics
    ///
    /// On another name, and on a key that is not RSA.
    #[must_use]
    pub fn with_algorithm(mut self, algorithm: &str) -> Self {
        assert!(
            matches!(*self.material, Material::Rsa(_)),
            "only an RSA key can change its algorithm"
        );
        let (name, _) = RSA_ENCODINGS
            .iter()
            .find(|(name, _)| *name == algorithm)
            .unwrap_or_else(|| panic!("{algorithm} is not an RSA algorithm of RFC 7518"));
        self.algorithm = name;
        self
    }

    /// The key's `kid`.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The `alg` that it signs with.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        self.algorithm
    }

    /// The public key as a JWKS lists it. (Authgear's JWKS adds `created_at`.)
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = match &*self.material {
            Material::Rsa(pair) => {
                let public = pair.public_key();
                json!({
                    "kty": "RSA",
                    "n": base64(public.modulus().big_endian_without_leading_zero()),
                    "e": base64(public.exponent().big_endian_without_leading_zero()),
                })
            }
            Material::P256(pair) => {
                // SEC 1 §2.3.3: 0x04, then both coordinates.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y) })
            }
            Material::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key().as_ref()) })
            }
            Material::Hmac(_) => json!({ "kty": "oct" }),
        };
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.algorithm);
        jwk["use"] = json!("sig");
        jwk
    }

    /// Whether this is an RSA key that has signed the message, by `RS256`.
    pub(in crate::testkit) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &*self.material {
            Material::Rsa(pair) if self.algorithm == "RS256" => {
                let public = pair.public_key().as_ref();
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
                    .verify(message, signature)
                    .is_ok()
            }
            _ => false,
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &*self.material {
            Material::Rsa(pair) => {
                let (_, encoding) = RSA_ENCODINGS
                    .iter()
                    .find(|(name, _)| *name == self.algorithm)
                    .expect("set by the constructors");
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature)
                    .expect("the buffer is as long as the modulus");
                signature
            }
            Material::P256(pair) => pair
                .sign(&random, message)
                .expect("the system has random numbers")
                .as_ref()
                .to_vec(),
            Material::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Material::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
        }
    }
}

/// Prints only the `kid` and the algorithm.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// RSA keys that are made once in a process and lent in turn.
type Pool = Mutex<VecDeque<Arc<Material>>>;

/// The key of `pool` that was lent least recently and is none of `in_use`; a new one while the pool
/// is smaller than `size`, or if all are in use.
fn lend(pool: &Pool, size: usize, in_use: &[&Arc<Material>]) -> Arc<Material> {
    let mut keys = pool.lock().unwrap_or_else(PoisonError::into_inner);
    let is_free = |key: &Arc<Material>| !in_use.iter().any(|other| Arc::ptr_eq(other, key));
    let free = keys.iter().position(is_free);
    let free = free.filter(|_| keys.len() >= size);
    let key = free.and_then(|at| keys.remove(at)).unwrap_or_else(|| {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("the system has random numbers");
        Arc::new(Material::Rsa(pair))
    });
    keys.push_back(Arc::clone(&key));
    key
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// The keys of fakes, and the keys that no fake has.
static POOL: Pool = Mutex::new(VecDeque::new());
static FOREIGN: Pool = Mutex::new(VecDeque::new());

static RSA_ENCODINGS: [(&str, &dyn RsaEncoding); 6] = [
    ("RS256", &signature::RSA_PKCS1_SHA256),
    ("RS384", &signature::RSA_PKCS1_SHA384),
    ("RS512", &signature::RSA_PKCS1_SHA512),
    ("PS256", &signature::RSA_PSS_SHA256),
    ("PS384", &signature::RSA_PSS_SHA384),
    ("PS512", &signature::RSA_PSS_SHA512),
];

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
        RsaPublicKeyComponents,
    };

    use super::*;

    fn member(jwk: &Value, name: &str) -> Vec<u8> {
        let text = jwk[name].as_str().expect("a string");
        URL_SAFE_NO_PAD.decode_to_vec(text).expect("base64url")
    }

    fn rsa(jwk: &Value) -> RsaPublicKeyComponents<Vec<u8>> {
        RsaPublicKeyComponents {
            n: member(jwk, "n"),
            e: member(jwk, "e"),
        }
    }

    #[test]
    fn every_kind_of_key_signs_what_its_jwk_verifies() {
        let key = SigningKey::rsa();
        assert_eq!(member(&key.jwk(), "n").len(), 256);
        rsa(&key.jwk())
            .verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                b"m",
                &key.sign(b"m"),
            )
            .expect("RS256");
        let longer = key.clone().with_algorithm("RS512");
        rsa(&longer.jwk())
            .verify(&RSA_PKCS1_2048_8192_SHA512, b"m", &longer.sign(b"m"))
            .expect("RS512");
        let pss = key.with_algorithm("PS256");
        rsa(&pss.jwk())
            .verify(&RSA_PSS_2048_8192_SHA256, b"m", &pss.sign(b"m"))
            .expect("PS256");

        let key = SigningKey::es256();
        let point = [vec![4], member(&key.jwk(), "x"), member(&key.jwk(), "y")].concat();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(b"m", &key.sign(b"m"))
            .expect("ES256");

        let key = SigningKey::ed25519();
        UnparsedPublicKey::new(&ED25519, member(&key.jwk(), "x"))
            .verify(b"m", &key.sign(b"m"))
            .expect("EdDSA");
    }
}
