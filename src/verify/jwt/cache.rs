//! Tokens that were verified before, so that the signature is checked once and not on every request.
//!
//! # What is kept, and under which key
//!
//! Only a token that passed every check gets in, so that a flood of forged ones cannot push a good
//! one out; the cache itself resists a scan of good one-shot tokens (it is an S3-FIFO). The token
//! is not kept: an entry's key is the 128-bit `HighwayHash` of the *whole* token, header and
//! signature included, under a random key of 256 bits that this cache draws and shows to nobody.
//!
//! # Why no two tokens share an entry
//!
//! `HighwayHash` is a keyed pseudorandom function (Alakuijala, Cox, Wassenberg, 2016). An attacker
//! sees neither key nor digests, and the answer says nothing of how near a guess was: each forged
//! token meets one of *n* entries with probability *n* · 2⁻¹²⁸. With a full cache of 10,000 entries
//! and a million guesses a second that is once in 10²¹ years.
//!
//! # Why these
//!
//! Nanoseconds for a token of 1.3 KB, and for one of 10,000 entries, as `benches/peers` measures them
//! (`--bin cache`), most of them in no near cache of the processor:
//!
//! | digest | | |
//! |---|---|---|
//! | `HighwayHash`, 128 bits | 167 | |
//! | SipHash-1-3 | 206 | 64 bits are too few |
//! | AES-GMAC | 135 | with a nonce that repeats, one digest that gets out gives the key away; twice as slow where AES is not done in wide registers |
//! | SHA-256 | 615 | needs no secret, and costs as much as all the rest of a hit |
//! | BLAKE3, with a key | 1,644 | |
//!
//! | look-up | | |
//! |---|---|---|
//! | `quick_cache` | 72 | bounded by weight; keeps what is used, whatever else is put in |
//! | `scc::HashCache` | 53 | bounded by number alone; a scan pushes everything out |
//! | `moka` | 329 | |
//!
//! A hit is not the last word: the caller checks time, key and freshness anew, see
//! [`JwtVerifier::verify`](super::JwtVerifier::verify).

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use highway::{HighwayHash, HighwayHasher, Key};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::claims::Times;
use crate::jwks::VerificationKey;
use crate::user::Principal;

/// What an entry may weigh, claims and bookkeeping together, to count as one. A token of Authgear's
/// weighs about half of it.
const USUAL_WEIGHT: u64 = 2 * 1024;

/// A bounded set of verified tokens.
pub(crate) struct TokenCache<C> {
    entries: Cache<TokenDigest, VerifiedToken<C>, Weight, AsItIs>,
    key: Key,
}

/// A token that was verified, and what must still hold when it comes again.
pub(crate) struct VerifiedToken<C> {
    pub(super) principal: Principal<C>,
    pub(super) key: Arc<VerificationKey>,
    pub(super) times: Times,
    /// Of the token's text, as a measure of what the entry holds in memory.
    pub(super) length: usize,
    /// Whether its audience is one of the project's own. Else it may be that of a resource alone.
    pub(super) is_for_project: bool,
}

impl<C> Clone for VerifiedToken<C> {
    fn clone(&self) -> Self {
        Self {
            principal: self.principal.clone(),
            key: Arc::clone(&self.key),
            times: self.times,
            length: self.length,
            is_for_project: self.is_for_project,
        }
    }
}

/// A digest of one token, whole.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenDigest([u64; 2]);

impl<C> TokenCache<C> {
    /// A cache of at most `capacity` tokens, and of 2 KiB for each of them in all. `None` without a
    /// source of randomness: no secret, no cache.
    pub(crate) fn new(capacity: usize) -> Option<Self> {
        if capacity == 0 {
            return None;
        }
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed).ok()?;
        let (lanes, _) = seed.as_chunks::<8>();
        let lane = |index: usize| lanes.get(index).map_or(0, |lane| u64::from_le_bytes(*lane));
        Some(Self {
            entries: Cache::with(
                capacity,
                capacity as u64 * USUAL_WEIGHT,
                Weight,
                AsItIs,
                quick_cache::sync::DefaultLifecycle::default(),
            ),
            key: Key([lane(0), lane(1), lane(2), lane(3)]),
        })
    }

    pub(super) fn digest(&self, token: &[u8]) -> TokenDigest {
        TokenDigest(HighwayHasher::new(self.key).hash128(token))
    }

    pub(super) fn get(&self, digest: TokenDigest) -> Option<VerifiedToken<C>> {
        self.entries.get(&digest)
    }

    pub(super) fn insert(&self, digest: TokenDigest, token: VerifiedToken<C>) {
        self.entries.insert(digest, token);
    }

    /// Forgets a token whose time is over.
    pub(super) fn remove(&self, digest: TokenDigest) {
        self.entries.remove(&digest);
    }
}

impl<C> fmt::Debug for TokenCache<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Weight;

impl<C> Weighter<TokenDigest, VerifiedToken<C>> for Weight {
    fn weight(&self, _: &TokenDigest, token: &VerifiedToken<C>) -> u64 {
        (token.length as u64)
            .saturating_add(OVERHEAD)
            .max(USUAL_WEIGHT)
    }
}

/// What an entry takes beside the text of the claims: the user, the list of spans, the cache's own
/// slots.
const OVERHEAD: u64 = 768;

impl Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0] ^ self.0[1].rotate_left(32));
    }
}

/// A digest is as good a hash as any.
#[derive(Clone, Copy)]
struct AsItIs;

impl BuildHasher for AsItIs {
    type Hasher = Taken;

    fn build_hasher(&self) -> Taken {
        Taken(0)
    }
}

struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Not reached by digests; still a hash.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::jwks::VerificationKey;
    use crate::user::{
        AuthUser, Identity, NoClaims, NumericDate, TimeContext, VerifiedBy, VerifiedUser,
    };

    fn token(key: &Arc<VerificationKey>) -> VerifiedToken<NoClaims> {
        let user = AuthUser::new(Arc::new(VerifiedUser {
            identity: Identity::default(),
            claims: NoClaims,
            method: VerifiedBy::Jwt,
            signed_by: None,
            time: TimeContext {
                clock: Clock::default(),
                leeway: Duration::ZERO,
            },
        }));
        VerifiedToken {
            principal: Principal::User(user),
            key: Arc::clone(key),
            times: Times {
                expires_at: NumericDate(0.0),
                not_before: None,
                issued_at: None,
            },
            length: 700,
            is_for_project: true,
        }
    }

    #[test]
    fn none_can_be_kept_by_a_cache_of_none() {
        assert!(TokenCache::<NoClaims>::new(0).is_none());
    }

    #[test]
    fn each_cache_has_a_secret_of_its_own() {
        let one = TokenCache::<NoClaims>::new(1).unwrap();
        let other = TokenCache::<NoClaims>::new(1).unwrap();
        assert!(one.digest(b"token") == one.digest(b"token"));
        assert!(one.digest(b"token") != one.digest(b"tokem"));
        assert!(one.digest(b"token") != other.digest(b"token"));
    }

    #[test]
    fn a_flood_of_one_shot_tokens_leaves_those_in_use() {
        let cache = TokenCache::new(1_000).unwrap();
        let key = Arc::new(VerificationKey::for_tests());
        let in_use: Vec<_> = (0..100)
            .map(|n| cache.digest(format!("used {n}").as_bytes()))
            .collect();
        for digest in &in_use {
            cache.insert(*digest, token(&key));
        }
        for n in 0..100_000 {
            cache.insert(cache.digest(format!("once {n}").as_bytes()), token(&key));
            if n % 50 == 0 {
                for digest in &in_use {
                    cache.get(*digest);
                }
            }
        }
        let left = in_use
            .iter()
            .filter(|digest| cache.get(**digest).is_some())
            .count();
        assert!(left > 90, "{left} of 100 are left");
        assert!(cache.entries.len() <= 1_000);
    }

    /// Ten million entries where the environment asks for the full count.
    #[test]
    fn property_memory_stays_flat_whatever_is_put_in() {
        let full = std::env::var("AXUM_AUTHGEAR_CASES").is_ok_and(|cases| cases == "full");
        let (capacity, rounds) = if full { (100_000, 10) } else { (1_000, 3) };
        let cache = TokenCache::new(capacity).unwrap();
        let key = Arc::new(VerificationKey::for_tests());
        let mut resident = Vec::new();
        for round in 0..rounds {
            for n in 0..10 * capacity {
                let digest = cache.digest(format!("{round} {n}").as_bytes());
                cache.insert(digest, token(&key));
            }
            assert!(cache.entries.len() <= capacity);
            resident.push(resident_bytes());
        }
        let (first, last) = (resident[0], resident[rounds - 1]);
        assert!(
            last <= first + first / 10 + 4 * 1024 * 1024,
            "from {first} to {last} bytes"
        );
    }

    fn resident_bytes() -> usize {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        pages
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse::<usize>().ok())
            .map_or(0, |pages| pages * 4096)
    }
}
