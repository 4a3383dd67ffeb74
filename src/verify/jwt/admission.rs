//! Which tokens get an entry of a full cache: those that are verified for the second time.
//!
//! While there is room, every verified token gets an entry. An insertion into a full cache is dearer: it
//! frees the memory of an entry that was last used long ago, which is in no near cache of the processor. A
//! token that is used once is not worth that. So the first verification only stores a fingerprint, and the
//! second one inserts.
//!
//! A part of the cache counts as full while its last insertion evicted a token that was not used again.
//! Where tokens are used again, insertions evict others, and each token gets its entry at once: a second
//! verification would cost more than it saves.
//!
//! The fingerprint decides nothing but this. A token without an entry is verified, and so is one whose
//! fingerprint equals that of another token: it gets its entry one time too early. The fingerprints take two
//! bytes for each token of the capacity. A new one replaces the one in its place: after as many others as
//! the capacity, about a third of them is left.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use super::cache::TokenDigest;

pub(super) struct Admission {
    /// For each shard of the cache.
    is_full: Box<[AtomicBool]>,
    fingerprints: Box<[AtomicU16]>,
}

impl Admission {
    pub(super) fn new(shards: usize, capacity: usize) -> Self {
        Self {
            is_full: (0..shards).map(|_| AtomicBool::new(false)).collect(),
            fingerprints: (0..capacity).map(|_| AtomicU16::new(0)).collect(),
        }
    }

    /// Whether a verified token gets an entry. Otherwise it does the next time.
    pub(super) fn admits(&self, shard: usize, digest: TokenDigest) -> bool {
        let is_full = self.is_full.get(shard);
        if !is_full.is_some_and(|is_full| is_full.load(Ordering::Relaxed)) {
            return true;
        }
        let (place, fingerprint) = digest.place_and_fingerprint(self.fingerprints.len());
        let Some(stored) = self.fingerprints.get(place) else {
            return true;
        };
        let is_second = stored.load(Ordering::Relaxed) == fingerprint;
        if !is_second {
            stored.store(fingerprint, Ordering::Relaxed);
        }
        is_second
    }

    /// Reports whether an insertion evicted a token that was not used again.
    pub(super) fn inserted(&self, shard: usize, evicted: bool) {
        if let Some(is_full) = self.is_full.get(shard)
            // All requests read it: it is only written if it changes.
            && is_full.load(Ordering::Relaxed) != evicted
        {
            is_full.store(evicted, Ordering::Relaxed);
        }
    }

    /// There is room in all shards.
    pub(super) fn clear(&self) {
        for shard in 0..self.is_full.len() {
            self.inserted(shard, false);
        }
    }
}
