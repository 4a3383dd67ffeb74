//! The keys that a fake lists, and the one that signs.

use serde_json::{Value, json};

use crate::testkit::token::signing_key::SigningKey;

/// The keys that a fake lists. As in Authgear, the first key signs.
pub(in crate::testkit) struct KeyRing {
    keys: Vec<(SigningKey, u64)>,
    raw: Vec<Value>,
}

impl KeyRing {
    pub(in crate::testkit) fn new(created_at: u64) -> Self {
        let mut ring = Self {
            keys: Vec::new(),
            raw: Vec::new(),
        };
        let key = ring.fresh();
        ring.push(key, created_at);
        ring
    }

    /// A key from the pool that is not listed.
    pub(in crate::testkit) fn fresh(&self) -> SigningKey {
        SigningKey::pooled(self.iter())
    }

    pub(in crate::testkit) fn push(&mut self, key: SigningKey, created_at: u64) {
        self.keys.push((key, created_at));
    }

    pub(in crate::testkit) fn push_raw(&mut self, key: Value) {
        self.raw.push(key);
    }

    /// Makes a key the first.
    pub(in crate::testkit) fn promote(&mut self, kid: &str) {
        let at = self.position(kid);
        self.keys[..=at].rotate_right(1);
    }

    pub(in crate::testkit) fn remove(&mut self, kid: &str) {
        let at = self.position(kid);
        self.keys.remove(at);
    }

    /// # Panics
    ///
    /// When no key of that `kid` is listed.
    fn position(&self, kid: &str) -> usize {
        let at = self.iter().position(|key| key.kid() == kid);
        at.unwrap_or_else(|| panic!("no key of kid {kid} is listed"))
    }

    pub(in crate::testkit) fn keep_signing(&mut self) {
        self.keys.truncate(1);
    }

    /// # Panics
    ///
    /// When all keys were removed.
    pub(in crate::testkit) fn signing(&self) -> SigningKey {
        let key = self.iter().next().cloned();
        key.expect("a key is listed: add one before tokens are signed")
    }

    pub(in crate::testkit) fn find(&self, kid: &str) -> Option<&SigningKey> {
        self.iter().find(|key| key.kid() == kid)
    }

    pub(in crate::testkit) fn iter(&self) -> impl Iterator<Item = &SigningKey> {
        self.keys.iter().map(|(key, _)| key)
    }

    pub(in crate::testkit) fn jwks(&self) -> Value {
        let own = self.keys.iter().map(|(key, created_at)| {
            let mut jwk = key.jwk();
            jwk["created_at"] = json!(created_at);
            jwk
        });
        let keys: Vec<_> = own.chain(self.raw.iter().cloned()).collect();
        json!({ "keys": keys })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_never_lists_one_key_twice() {
        let mut ring = KeyRing::new(0);
        for _ in 0..20 {
            let key = ring.fresh();
            assert!(ring.iter().all(|old| old.jwk()["n"] != key.jwk()["n"]));
            ring.push(key, 0);
            if ring.keys.len() > 3 {
                ring.keys.remove(0);
            }
        }
    }

    #[test]
    fn foreign_keys_are_no_fakes_keys() {
        let foreign: Vec<_> = (0..6).map(|_| SigningKey::rsa()).collect();
        let ring = KeyRing::new(0);
        for key in ring.iter() {
            assert!(
                foreign
                    .iter()
                    .all(|other| other.jwk()["n"] != key.jwk()["n"])
            );
        }
    }
}
