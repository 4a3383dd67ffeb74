//! [`TokenDigest`]: the key of a cached token. It is the 128-bit `HighwayHash` of the *whole* token, including
//! header and signature. The hash has a random 256-bit key, which never leaves its cache.
//!
//! # Why no two tokens share a digest
//!
//! `HighwayHash` is a keyed pseudorandom function (Alakuijala, Cox, Wassenberg, 2016). An attacker sees
//! neither the key nor the digests, and a response does not show how near a guess was. Each forged token
//! matches one of *n* entries with probability *n* · 2⁻¹²⁸. With a full cache of 10,000 entries and a
//! million guesses a second, that is once in 10²¹ years.
//!
//! # Why this function
//!
//! Nanoseconds for a token of 1.3 KB, as `benches/peers` measures them (`--bin cache`):
//!
//! | digest | | |
//! |---|---|---|
//! | `HighwayHash`, 128 bits | 167 | |
//! | SipHash-1-3 | 206 | 64 bits are too few |
//! | AES-GMAC | 135 | with a repeated nonce, one leaked digest reveals the key; twice as slow without wide AES registers |
//! | SHA-256 | 615 | needs no secret, and costs as much as the rest of a hit |
//! | BLAKE3, with a key | 1,644 | |

use std::hash::{BuildHasherDefault, Hash, Hasher};

use highway::{HighwayHash, HighwayHasher, Key};

/// The secret of a cache.
pub(super) struct DigestKey(Key);

impl DigestKey {
    /// `None` without a source of randomness.
    pub(super) fn random() -> Option<Self> {
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed).ok()?;
        let (lanes, _) = seed.as_chunks::<8>();
        let lane = |index: usize| lanes.get(index).map_or(0, |lane| u64::from_le_bytes(*lane));
        Some(Self(Key([lane(0), lane(1), lane(2), lane(3)])))
    }

    /// The same digests in each run.
    #[cfg(test)]
    pub(super) fn for_tests() -> Self {
        Self(Key([1, 2, 3, 4]))
    }

    pub(super) fn digest(&self, token: &[u8]) -> TokenDigest {
        TokenDigest(HighwayHasher::new(self.0).hash128(token))
    }
}

/// The digest of a whole token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TokenDigest([u64; 2]);

impl TokenDigest {
    /// One of `places`, and a number that is independent of it.
    #[expect(clippy::cast_possible_truncation, reason = "any bits are as good")]
    pub(super) fn place_and_fingerprint(self, places: usize) -> (usize, u16) {
        let [one, other] = self.0;
        (one as usize % places.max(1), other as u16)
    }
}

impl Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0] ^ self.0[1].rotate_left(32));
    }
}

/// A digest is already a good hash.
pub(super) type AsItIs = BuildHasherDefault<Taken>;

#[derive(Default)]
pub(super) struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Digests do not reach this; it is still a hash.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }
}
