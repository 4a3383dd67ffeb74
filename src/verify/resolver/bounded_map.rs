//! A map of bounded size, by digest.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use crate::lock::lock;
use crate::user::Digest;

/// Keeps about the last `capacity` entries that were written or read, and never more.
///
/// Each shard has two generations. A read moves an entry from the old one to the young one. When the young
/// one is full, it becomes the old one, and the entries of the old one are dropped. So there is no order to
/// maintain.
pub(super) struct BoundedMap<V> {
    shards: Box<[Mutex<Generations<V>>]>,
    /// The capacity of one generation of one shard.
    limit: usize,
}

struct Generations<V> {
    young: HashMap<Digest, V>,
    old: HashMap<Digest, V>,
}

impl<V: Clone> BoundedMap<V> {
    pub(super) fn new(capacity: usize) -> Self {
        // A small map has one shard, so that its capacity is exact enough.
        let shards = (capacity / 64).clamp(1, MAX_SHARDS);
        let generations = || {
            Mutex::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
            })
        };
        Self {
            shards: (0..shards).map(|_| generations()).collect(),
            limit: (capacity / shards / 2).max(1),
        }
    }

    pub(super) fn find(&self, digest: &Digest) -> Option<V> {
        let mut shard = self.shard(digest);
        if let Some(value) = shard.young.get(digest) {
            return Some(value.clone());
        }
        let value = shard.old.remove(digest)?;
        self.put(&mut shard, *digest, value.clone());
        Some(value)
    }

    /// Adds an entry if `still` returns true. During that call, no other thread can change this shard.
    pub(super) fn insert_if(
        &self,
        digest: Digest,
        value: V,
        still: impl FnOnce(Option<&V>) -> bool,
    ) {
        let mut shard = self.shard(&digest);
        let current = shard.young.get(&digest).or_else(|| shard.old.get(&digest));
        if still(current) {
            shard.old.remove(&digest);
            self.put(&mut shard, digest, value);
        }
    }

    /// Removes an entry if it is still this one.
    pub(super) fn remove_if(&self, digest: &Digest, is_meant: impl Fn(&V) -> bool) {
        let mut shard = self.shard(digest);
        if shard.young.get(digest).is_some_and(&is_meant) {
            shard.young.remove(digest);
        } else if shard.old.get(digest).is_some_and(&is_meant) {
            shard.old.remove(digest);
        }
    }

    /// Removes all entries for which the function returns false.
    pub(super) fn retain(&self, keep: impl Fn(&V) -> bool) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.young.retain(|_, value| keep(value));
            shard.old.retain(|_, value| keep(value));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| {
                let shard = lock(shard);
                shard.young.len() + shard.old.len()
            })
            .sum()
    }

    fn put(&self, shard: &mut Generations<V>, digest: Digest, value: V) {
        if shard.young.len() >= self.limit && !shard.young.contains_key(&digest) {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.young.insert(digest, value);
    }

    fn shard(&self, digest: &Digest) -> MutexGuard<'_, Generations<V>> {
        // There is at least one shard, and a digest has bytes.
        let index = usize::from(digest[0]) % self.shards.len();
        lock(&self.shards[index])
    }
}

const MAX_SHARDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::CredentialForm;

    fn digest(number: usize) -> Digest {
        CredentialForm::Bearer.digest(&number.to_string())
    }

    #[test]
    fn it_never_grows_beyond_its_capacity_and_keeps_what_is_used() {
        for capacity in [1, 2, 10, 1_000] {
            let map = BoundedMap::new(capacity.max(2));
            map.insert_if(digest(0), 0, |_| true);
            for number in 1..5_000 {
                map.insert_if(digest(number), number, |_| true);
                if capacity > 2 {
                    assert_eq!(map.find(&digest(0)), Some(0), "{capacity}, {number}");
                }
                assert_eq!(map.find(&digest(number)), Some(number));
            }
            assert!(map.len() <= capacity.max(2), "{} of {capacity}", map.len());
        }
    }

    #[test]
    fn entries_go_when_they_are_meant() {
        let map = BoundedMap::new(8);
        for number in 0..6 {
            map.insert_if(digest(number), number, |_| true);
        }
        map.insert_if(digest(5), 50, |_| false);
        assert_eq!(map.find(&digest(5)), Some(5));
        map.remove_if(&digest(5), |value| *value == 4);
        assert_eq!(map.find(&digest(5)), Some(5));
        map.remove_if(&digest(5), |value| *value == 5);
        assert_eq!(map.find(&digest(5)), None);
        map.retain(|value| *value != 4);
        assert_eq!(map.find(&digest(4)), None);
    }
}
