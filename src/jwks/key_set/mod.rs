//! An immutable set of keys, parsed once. Unknown members are ignored.

mod key;

use std::fmt;
use std::ptr;
use std::sync::Arc;

use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::Jwk;
use serde_json::{Map, Value};

pub(crate) use self::key::VerificationKey;
use self::key::read_jwk;

/// Further keys are ignored: an issuer has a few.
const MAX_KEYS: usize = 64;

/// The keys of one fetch.
pub(crate) struct KeySet {
    keys: Vec<Arc<VerificationKey>>,
    skipped: usize,
}

impl KeySet {
    /// Parses a JWK set (RFC 7517 §5). An unusable key is skipped; a set without a usable key is refused.
    /// Unchanged keys are reused from `previous`, so that the same key stays the same `Arc`.
    pub(crate) fn parse(
        body: &[u8],
        allowed: &[Algorithm],
        previous: Option<&KeySet>,
    ) -> Result<Self, KeySetError> {
        let set: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| KeySetError::Malformed)?;
        let Some(Value::Array(members)) = set.get("keys") else {
            return Err(KeySetError::Malformed);
        };
        let mut read = Self {
            keys: Vec::new(),
            skipped: members.len().saturating_sub(MAX_KEYS),
        };
        for member in members.iter().take(MAX_KEYS) {
            match read_jwk(member) {
                Some((kid, jwk)) => read.add(kid, jwk, allowed, previous),
                None => read.skipped += 1,
            }
        }
        if read.keys.iter().any(|key| key.is_usable()) {
            Ok(read)
        } else {
            Err(KeySetError::NoUsableKey)
        }
    }

    fn add(&mut self, kid: String, jwk: Jwk, allowed: &[Algorithm], previous: Option<&KeySet>) {
        let known = previous
            .and_then(|set| set.find(&kid))
            .filter(|key| key.jwk == jwk);
        let key = match known {
            Some(key) => Arc::clone(key),
            None => Arc::new(VerificationKey::new(kid, jwk, allowed)),
        };
        if !key.is_usable() {
            self.skipped += 1;
        }
        match self.keys.iter_mut().find(|own| own.kid == key.kid) {
            None => self.keys.push(key),
            Some(own) if own.jwk == key.jwk => {}
            // Of several keys with one name, the first usable key counts; it replaces an unusable one.
            Some(own) if !own.is_usable() => *own = key,
            Some(_) if key.is_usable() => self.skipped += 1,
            Some(_) => {}
        }
    }

    /// The key with this name. It can be unusable.
    pub(crate) fn find(&self, kid: &str) -> Option<&Arc<VerificationKey>> {
        self.keys.iter().find(|key| &*key.kid == kid)
    }

    /// The key for tokens with this raw header, and the header's algorithm, if an earlier token with it was
    /// valid.
    pub(crate) fn find_by_header(
        &self,
        header: &[u8],
    ) -> Option<(&Arc<VerificationKey>, Algorithm)> {
        self.keys.iter().find_map(|key| {
            let (known, algorithm) = key.header.get()?;
            (**known == *header).then_some((key, *algorithm))
        })
    }

    /// Whether this key is in the set: its material, not only its name. A key that was fetched again
    /// unchanged is usually the same object.
    pub(crate) fn contains(&self, key: &VerificationKey) -> bool {
        self.keys.iter().any(|own| ptr::eq(&raw const **own, key))
            || self.keys.iter().any(|own| own.is_same(key))
    }

    /// Whether these are exactly the keys of `previous`, against which this set was parsed.
    pub(crate) fn is_same(&self, previous: &KeySet) -> bool {
        self.keys.len() == previous.keys.len()
            && self
                .keys
                .iter()
                .zip(&previous.keys)
                .all(|(own, other)| Arc::ptr_eq(own, other))
    }

    /// How many usable keys there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.iter().filter(|key| key.is_usable()).count()
    }

    /// The number of unusable members of the set.
    pub(crate) fn skipped(&self) -> usize {
        self.skipped
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("keys", &self.len())
            .field("skipped", &self.skipped)
            .finish()
    }
}

/// Why a set of keys was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeySetError {
    #[error("the key set is malformed")]
    Malformed,
    #[error("the key set has no usable key")]
    NoUsableKey,
}

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;
