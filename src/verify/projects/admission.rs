//! Which tokens get an entry of a full cache: those that are verified for the second time.
//!
//! While there is room, every verified token gets an entry. An insertion into a full cache costs more: it
//! frees the memory of an entry that was last used long ago, which is in no near cache of the processor. A
//! token that is used once is not worth that. So the first verification only stores a fingerprint, and the
//! second one inserts.
//!
//! A part of the cache counts as full while its last insertions, about [`MANY`], evicted tokens that were
//! not used again. Where tokens are used again, insertions evict others, and each token gets its entry at once: a
//! second verification would cost more than it saves. An insertion into a full part counts as a use of the
//! token, because it was verified twice. So tokens that are used twice end this state, and one-shot tokens
//! usually cost each of the others at most one more verification.
//!
//! The fingerprint decides nothing but this. A token without an entry is verified, and so is one whose
//! fingerprint equals that of another token: it gets its entry too early. The fingerprints take two bytes
//! for each token of the capacity. A new one replaces the one in its place, whose token is then verified
//! once more: after as many others as the capacity, about a third of them is left.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};

use super::digest::TokenDigest;

/// About so many insertions into a full cache cost as much as the second verification of a token.
const MANY: u8 = 16;

pub(super) struct Admission {
    /// For each shard of the cache, how many insertions evicted an unused token since one evicted a used token,
    /// less those that found room. At most `MANY`.
    unused: Box<[AtomicU8]>,
    capacity: usize,
    /// Allocated at the first verification that finds a full shard.
    fingerprints: OnceLock<Box<[AtomicU16]>>,
}

impl Admission {
    pub(super) fn new(shards: usize, capacity: usize) -> Self {
        Self {
            unused: (0..shards).map(|_| AtomicU8::new(0)).collect(),
            capacity,
            fingerprints: OnceLock::new(),
        }
    }

    pub(super) fn is_full(&self, shard: usize) -> bool {
        let unused = self.unused.get(shard);
        unused.is_some_and(|unused| unused.load(Ordering::Relaxed) == MANY)
    }

    /// Stores the fingerprint of a token that was verified. Whether it was stored already.
    pub(super) fn store_fingerprint(&self, digest: TokenDigest) -> bool {
        let fingerprints = self
            .fingerprints
            .get_or_init(|| (0..self.capacity).map(|_| AtomicU16::new(0)).collect());
        let (place, fingerprint) = digest.place_and_fingerprint(self.capacity);
        fingerprints.get(place).is_none_or(|stored| {
            let earlier = stored.load(Ordering::Relaxed);
            stored.store(fingerprint, Ordering::Relaxed);
            earlier == fingerprint
        })
    }

    /// Records an insertion. `evicted`: whether the evicted token was used again.
    pub(super) fn record_insertion(&self, shard: usize, evicted: Option<bool>) {
        let Some(unused) = self.unused.get(shard) else {
            return;
        };
        let before = unused.load(Ordering::Relaxed);
        let after = match evicted {
            Some(false) => MANY.min(before + 1),
            Some(true) => 0,
            // An expired token was removed, or an evicted one was larger than the next ones.
            None => before.saturating_sub(1),
        };
        // All requests read it: it is only written if it changes.
        if after != before {
            unused.store(after, Ordering::Relaxed);
        }
    }

    /// There is room in all shards.
    pub(super) fn clear(&self) {
        for unused in &self.unused {
            unused.store(0, Ordering::Relaxed);
        }
    }
}
