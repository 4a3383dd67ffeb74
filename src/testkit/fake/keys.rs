//! Which keys a fake lists, and which of them signs.

use serde_json::{Value, json};

use super::FakeAuthgear;
use crate::testkit::token::signing_key::SigningKey;

impl FakeAuthgear {
    /// Makes a new key, the first in the JWKS, and signs with it from now on; the old ones stay
    /// listed. Returns its `kid`.
    #[expect(
        clippy::must_use_candidate,
        reason = "often called for its effect alone"
    )]
    pub fn rotate(&self) -> String {
        let kid = self.add_key();
        self.sign_with(&kid);
        kid
    }

    /// Lists a new key, the last in the JWKS, which does not sign yet. Returns its `kid`.
    #[expect(
        clippy::must_use_candidate,
        reason = "often called for its effect alone"
    )]
    pub fn add_key(&self) -> String {
        let key = self.shared().state().keys.fresh();
        self.list_key(&key);
        key.kid().to_owned()
    }

    /// Lists a key made by hand, the last in the JWKS, which does not sign yet.
    pub fn list_key(&self, key: &SigningKey) {
        let now = self.shared().now();
        self.shared().state().keys.push(key.clone(), now);
    }

    /// Makes a listed key the first, the one that signs.
    ///
    /// # Panics
    ///
    /// When no key of that `kid` is listed.
    pub fn sign_with(&self, kid: &str) {
        let listed = self.shared().state().keys.promote(kid);
        assert!(listed, "no key of kid {kid} is listed");
    }

    /// Takes a key off the list; if it signed, the next one does.
    ///
    /// # Panics
    ///
    /// When no key of that `kid` is listed.
    pub fn remove_key(&self, kid: &str) {
        let listed = self.shared().state().keys.remove(kid);
        assert!(listed, "no key of kid {kid} is listed");
    }

    /// Takes all keys but the one that signs off the list.
    pub fn remove_old_keys(&self) {
        self.shared().state().keys.keep_signing();
    }

    /// The `kid` of the key that signs.
    ///
    /// # Panics
    ///
    /// When all keys were removed.
    #[must_use]
    pub fn signing_kid(&self) -> String {
        self.signing_key().kid().to_owned()
    }

    /// The key that signs.
    ///
    /// # Panics
    ///
    /// When all keys were removed.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        let key = self.shared().state().keys.signing().cloned();
        key.expect("a key is listed")
    }

    /// Adds a value of any shape to the JWKS' `keys`, behind the real ones.
    pub fn odd_key(&self, key: impl Into<Value>) {
        self.shared().state().keys.push_odd(key.into());
    }

    /// Takes away what [`odd_key`](Self::odd_key) added.
    pub fn remove_odd_keys(&self) {
        self.shared().state().keys.clear_odd();
    }

    /// The JWKS as it is served now.
    #[must_use]
    pub fn jwks(&self) -> Value {
        self.shared().state().keys.jwks()
    }

    /// Sends this `Cache-Control` with the JWKS. Default: none, as Authgear.
    pub fn set_jwks_cache_control<'a>(&self, value: impl Into<Option<&'a str>>) {
        let value = value.into().map(str::to_owned);
        self.shared().state().jwks_cache_control = value;
    }
}

/// What a fake lists: as in Authgear, the first key signs.
pub(in crate::testkit) struct KeyRing {
    keys: Vec<(SigningKey, u64)>,
    odd: Vec<Value>,
}

impl KeyRing {
    pub(in crate::testkit) fn new(created_at: u64) -> Self {
        let mut ring = Self {
            keys: Vec::new(),
            odd: Vec::new(),
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

    pub(in crate::testkit) fn push_odd(&mut self, key: Value) {
        self.odd.push(key);
    }

    pub(in crate::testkit) fn clear_odd(&mut self) {
        self.odd.clear();
    }

    /// Makes a key the first. False when it is not listed.
    pub(in crate::testkit) fn promote(&mut self, kid: &str) -> bool {
        let Some(at) = self.keys.iter().position(|(key, _)| key.kid() == kid) else {
            return false;
        };
        self.keys[..=at].rotate_right(1);
        true
    }

    pub(in crate::testkit) fn remove(&mut self, kid: &str) -> bool {
        let before = self.keys.len();
        self.keys.retain(|(key, _)| key.kid() != kid);
        self.keys.len() < before
    }

    pub(in crate::testkit) fn keep_signing(&mut self) {
        self.keys.truncate(1);
    }

    pub(in crate::testkit) fn signing(&self) -> Option<&SigningKey> {
        self.keys.first().map(|(key, _)| key)
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
        let keys: Vec<_> = own.chain(self.odd.iter().cloned()).collect();
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
