//! The keys that a fake lists, and the one that signs.

use serde_json::Value;

use super::FakeAuthgear;
use crate::testkit::token::signing_key::SigningKey;

#[expect(
    clippy::must_use_candidate,
    reason = "a key is often made for its effect, not for its `kid`"
)]
impl FakeAuthgear {
    /// Makes a new key, lists it first in the JWKS, and signs with it from now on. The old keys
    /// stay listed. Returns its `kid`.
    pub fn rotate(&self) -> String {
        let kid = self.add_key();
        self.sign_with(&kid);
        kid
    }

    /// Lists a new key, the last in the JWKS, which does not sign yet. Returns its `kid`.
    pub fn add_key(&self) -> String {
        let key = self.shared().state().keys.fresh();
        self.list_key(&key);
        key.kid().to_owned()
    }

    /// Lists this key, the last in the JWKS, which does not sign yet.
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
        self.shared().state().keys.promote(kid);
    }

    /// Removes a key from the list. If it signed, the next one does.
    ///
    /// # Panics
    ///
    /// When no key of that `kid` is listed.
    pub fn remove_key(&self, kid: &str) {
        self.shared().state().keys.remove(kid);
    }

    /// Removes all keys from the list except the one that signs.
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
        self.shared().state().keys.signing()
    }

    /// Adds a value of any shape to `keys` of the JWKS, after the real ones.
    pub fn add_raw_jwk(&self, key: impl Into<Value>) {
        self.shared().state().keys.push_raw(key.into());
    }

    /// The JWKS as it is served now.
    #[must_use]
    pub fn jwks(&self) -> Value {
        self.shared().state().keys.jwks()
    }
}
