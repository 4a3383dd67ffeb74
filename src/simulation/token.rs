//! Tokens: of the issuer, of strangers, and forged ones, with what is true of each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::json;
use tokio::time::Instant;

use super::issuer::key;

pub(super) const ISSUER: &str = "https://auth.example";
pub(super) const LEEWAY: Duration = Duration::from_secs(60);

/// What a stranger's token says about when it was issued.
#[derive(Clone, Copy, Debug)]
pub(super) enum Iat {
    Old,
    Fresh,
    None,
}

/// What is true of a token.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// The issuer's key that it names.
    pub(super) key: Option<usize>,
    /// Whether that key has signed it.
    pub(super) is_signed: bool,
    pub(super) minted: Instant,
    pub(super) issued_at: Option<u64>,
    pub(super) expires_at: u64,
}

#[derive(Clone)]
pub(super) struct Token {
    text: String,
    facts: Facts,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.facts.fmt(f)
    }
}

impl Token {
    pub(super) fn new(facts: Facts) -> Self {
        // By key, `iat` and `exp`.
        type Signed = HashMap<(usize, Option<u64>, u64), String>;
        thread_local! {
            static SIGNED: RefCell<Signed> = RefCell::new(HashMap::new());
        }
        let number = facts.key.expect("a key of the issuer's");
        let text = SIGNED.with_borrow_mut(|signed| {
            signed
                .entry((number, facts.issued_at, facts.expires_at))
                .or_insert_with(|| {
                    let message = message(key(number).kid(), &facts);
                    let signature = key(number).sign(message.as_bytes());
                    format!("{message}.{}", encoded(&signature))
                })
                .clone()
        });
        Self { text, facts }
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The header as it goes over the wire.
    pub(super) fn header(&self) -> &[u8] {
        let (header, _) = self.text.split_once('.').expect("a token");
        header.as_bytes()
    }

    pub(super) fn of_stranger(facts: Facts, number: u64) -> Self {
        let message = message(&format!("stranger-{number}"), &facts);
        let text = format!("{message}.{}", encoded(&[7; 64]));
        Self { text, facts }
    }

    pub(super) fn with_foreign_signature(mut self) -> Self {
        let (message, _) = self.text.rsplit_once('.').expect("a token");
        // A good signature, of another key.
        let other = self.facts.key.map_or(0, |number| (number + 1) % 16);
        let signature = key(other).sign(message.as_bytes());
        self.text = format!("{message}.{}", encoded(&signature));
        self.facts.is_signed = false;
        self
    }
}

fn message(kid: &str, facts: &Facts) -> String {
    let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid });
    let mut claims = json!({
        "iss": ISSUER, "aud": [ISSUER], "sub": "alice", "client_id": "spa", "scope": "",
        "exp": facts.expires_at,
    });
    if let Some(issued_at) = facts.issued_at {
        claims["iat"] = json!(issued_at);
    }
    let [header, claims] = [header, claims].map(|part| encoded(part.to_string().as_bytes()));
    format!("{header}.{claims}")
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}
