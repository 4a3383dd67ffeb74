//! Caches verified tokens, so that a signature is checked once and not for every request.
//!
//! # What is cached
//!
//! Only a token that passed every check is cached, so a flood of forged tokens cannot evict a valid one. The
//! cache also resists a scan of valid one-shot tokens, because it is an S3-FIFO; which of them get an entry is
//! only a matter of cost ([`admission`](super::admission)). The token itself is not stored, but a keyed
//! [`digest`](super::digest) of it.
//!
//! A cache hit is not enough. The time, the key, the freshness and the presence of the project are checked
//! each time, see [`ProjectSet::verify`](crate::verify::ProjectSet::verify).
//!
//! # Why this cache
//!
//! Nanoseconds for one of 10,000 entries, most of them in no near cache of the processor, as `benches/peers`
//! measures them (`--bin cache`):
//!
//! | look-up | | |
//! |---|---|---|
//! | `quick_cache` | 72 | bounded by weight; keeps used entries, independent of new ones |
//! | `scc::HashCache` | 53 | bounded by number only; a scan evicts everything |
//! | `moka` | 329 | |
//!
//! # Several projects
//!
//! They share one cache. An entry holds a pointer to the project that verified the token, in its
//! configuration at that time. So a project that is removed and added again finds no earlier entries. If
//! there are several projects, half of the capacity (at most 4,096 entries) is divided evenly among them.
//! Entries of a project that has no more than its share are not evicted. So no project can evict all entries
//! of another.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, Weighter};

use super::TrustedProject;
use super::admission::Admission;
use super::digest::{AsItIs, DigestKey, TokenDigest};
use crate::verify::jwt::Verified;

/// The maximum weight of an entry that counts as one, with claims and bookkeeping. A token of Authgear has
/// about half of it.
const USUAL_WEIGHT: u64 = 2 * 1024;

/// A bounded set of verified tokens.
pub(crate) struct TokenCache<C> {
    entries: Cache<TokenDigest, Arc<CachedToken<C>>, Weight, AsItIs, FairShare>,
    key: DigestKey,
    capacity: usize,
    admission: Admission,
    /// The number of protected entries of each project.
    share: Arc<AtomicUsize>,
}

/// A verified token, and what must still hold for its next use.
pub(super) struct CachedToken<C> {
    project: Arc<TrustedProject<C>>,
    pub(super) verified: Verified<C>,
    /// Whether its audience is one of the project's own. Otherwise it can be that of a single resource.
    pub(super) is_for_project: bool,
}

impl<C> CachedToken<C> {
    pub(super) fn new(
        project: &Arc<TrustedProject<C>>,
        verified: Verified<C>,
        is_for_project: bool,
    ) -> Self {
        project.cached_tokens().fetch_add(1, Ordering::Relaxed);
        Self {
            project: Arc::clone(project),
            verified,
            is_for_project,
        }
    }

    pub(super) fn project(&self) -> &Arc<TrustedProject<C>> {
        &self.project
    }
}

impl<C> Drop for CachedToken<C> {
    fn drop(&mut self) {
        self.project.cached_tokens().fetch_sub(1, Ordering::Relaxed);
    }
}

impl<C> TokenCache<C> {
    /// A cache of at most `capacity` tokens, and of 2 KiB for each of them in total. `None` without a source
    /// of randomness: without a secret there is no cache.
    pub(crate) fn new(capacity: usize) -> Option<Self> {
        if capacity == 0 {
            return None;
        }
        Some(Self::with_key(capacity, DigestKey::random()?))
    }

    fn with_key(capacity: usize, key: DigestKey) -> Self {
        let share = Arc::new(AtomicUsize::new(0));
        let entries = Cache::with(
            capacity,
            capacity as u64 * USUAL_WEIGHT,
            Weight,
            AsItIs::default(),
            FairShare(Arc::clone(&share)),
        );
        Self {
            admission: Admission::new(entries.num_shards(), capacity),
            entries,
            key,
            capacity,
            share,
        }
    }

    /// Sets the number of projects that share the capacity.
    pub(super) fn divide_among(&self, projects: usize) {
        let kept = (self.capacity / 2).min(MAX_KEPT);
        let share = if projects > 1 { kept / projects } else { 0 };
        self.share.store(share, Ordering::Relaxed);
    }

    pub(super) fn digest(&self, token: &[u8]) -> TokenDigest {
        self.key.digest(token)
    }

    pub(super) fn get(&self, digest: TokenDigest) -> Option<Arc<CachedToken<C>>> {
        self.entries.get(&digest)
    }

    /// Records the verification of a token. Whether the token gets an entry, see [`Admission`]. A project that
    /// has less than its share always gets one, however full the others have made the cache.
    pub(super) fn record_verification(
        &self,
        digest: TokenDigest,
        project: &TrustedProject<C>,
    ) -> bool {
        project.cached_tokens().load(Ordering::Relaxed) < self.share.load(Ordering::Relaxed)
            || !self.admission.is_full(self.entries.shard_index(&digest))
            || self.admission.store_fingerprint(digest)
    }

    pub(super) fn insert(&self, digest: TokenDigest, token: CachedToken<C>) {
        let shard = self.entries.shard_index(&digest);
        let mut evicted = Evicted::<C>::default();
        self.entries
            .insert_with_lifecycle(digest, Arc::new(token), &mut evicted);
        if self.admission.is_full(shard) {
            // Counts as a use.
            self.entries.get(&digest);
        }
        match &evicted {
            // The earlier entry of the token, or the token itself, because it is too large.
            [Some((other, ..)), _] if *other == digest => {}
            [first, _] => {
                let was_used = first.as_ref().map(|(_, was_used, _)| *was_used);
                self.admission.record_insertion(shard, was_used);
            }
        }
    }

    /// Removes all tokens of a removed project, because they would keep its keys in memory.
    pub(super) fn remove_all_of(&self, project: &Arc<TrustedProject<C>>) {
        self.entries
            .retain(|_, token| !Arc::ptr_eq(&token.project, project));
        self.admission.clear();
    }

    /// Removes an expired token.
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

impl<C> Weighter<TokenDigest, Arc<CachedToken<C>>> for Weight {
    fn weight(&self, _: &TokenDigest, token: &Arc<CachedToken<C>>) -> u64 {
        (token.verified.length as u64)
            .saturating_add(OVERHEAD)
            .max(USUAL_WEIGHT)
    }
}

/// The memory of an entry besides the text of the claims: the user, the list of spans, the cache's own
/// slots.
const OVERHEAD: u64 = 768;

/// The maximum number of protected entries. The eviction skips these in its search.
const MAX_KEPT: usize = 4_096;

/// The tokens that an insertion evicted, which are dropped after the lock of the shard was released, and
/// whether each was used since its own insertion.
type Evicted<C> = [Option<(TokenDigest, bool, Arc<CachedToken<C>>)>; 2];

/// The number of protected entries of each project; 0 with one project.
#[derive(Clone)]
struct FairShare(Arc<AtomicUsize>);

impl<C> Lifecycle<TokenDigest, Arc<CachedToken<C>>> for FairShare {
    type RequestState = Evicted<C>;

    /// A used token is moved out of the cold queue before its turn to be evicted.
    fn on_evict_hot(
        &self,
        evicted: &mut Evicted<C>,
        digest: TokenDigest,
        token: Arc<CachedToken<C>>,
    ) {
        keep(evicted, (digest, true, token));
    }

    fn on_evict_cold(
        &self,
        evicted: &mut Evicted<C>,
        digest: TokenDigest,
        token: Arc<CachedToken<C>>,
    ) {
        keep(evicted, (digest, false, token));
    }

    fn is_pinned(&self, _: &TokenDigest, token: &Arc<CachedToken<C>>) -> bool {
        token.project.cached_tokens().load(Ordering::Relaxed) <= self.0.load(Ordering::Relaxed)
    }
}

fn keep<T>(places: &mut [Option<T>], evicted: T) {
    if let Some(place) = places.iter_mut().find(|place| place.is_none()) {
        *place = Some(evicted);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::jwks::VerificationKey;
    use crate::user::{
        AuthUser, Identity, NoClaims, Principal, TimeContext, VerifiedBy, VerifiedUser,
    };
    use crate::verify::jwt::claims::Times;

    type Project = Arc<TrustedProject<NoClaims>>;

    fn token(project: &Project, key: &Arc<VerificationKey>) -> CachedToken<NoClaims> {
        token_of(700, project, key)
    }

    fn token_of(
        length: usize,
        project: &Project,
        key: &Arc<VerificationKey>,
    ) -> CachedToken<NoClaims> {
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
        let verified = Verified {
            principal: Principal::User(user),
            key: Arc::clone(key),
            times: Times::for_tests(),
            length,
        };
        CachedToken::new(project, verified, true)
    }

    /// A cache, and what a request does with it.
    struct Service {
        cache: TokenCache<NoClaims>,
        key: Arc<VerificationKey>,
    }

    impl Service {
        fn new(capacity: usize) -> Self {
            Self {
                // Tokens of equal fingerprints are the same ones in each run.
                cache: TokenCache::with_key(capacity, DigestKey::for_tests()),
                key: Arc::new(VerificationKey::for_tests()),
            }
        }

        fn is_cached(&self, name: &str) -> bool {
            // This is no use of it.
            let digest = self.cache.digest(name.as_bytes());
            self.cache.entries.peek(&digest).is_some()
        }

        /// A request with this token. Whether the token was cached.
        fn request(&self, project: &Project, name: &str) -> bool {
            let digest = self.cache.digest(name.as_bytes());
            let is_known = self.cache.get(digest).is_some();
            if !is_known && self.cache.record_verification(digest, project) {
                self.cache.insert(digest, token(project, &self.key));
            }
            is_known
        }

        /// 1,000 requests with new tokens, and as many that repeat each token after `distance` others. The
        /// number of the repeated ones that were cached.
        fn known_when_repeated(&self, project: &Project, name: &str, distance: usize) -> usize {
            let mut known = 0;
            for n in 0..1_000 + distance {
                if n < 1_000 {
                    self.request(project, &format!("{name} {n}"));
                }
                if let Some(earlier) = n.checked_sub(distance) {
                    known += usize::from(self.request(project, &format!("{name} {earlier}")));
                }
            }
            known
        }

        /// Requests with more tokens than the capacity, each with another one.
        fn fill(&self, project: &Project, name: &str) {
            for n in 0..3 * self.cache.capacity + 50 {
                self.request(project, &format!("{name} {n}"));
            }
        }

        fn entries(&self) -> usize {
            self.cache.entries.len()
        }
    }

    fn https(name: &str) -> Project {
        TrustedProject::for_tests(&format!("https://{name}.example"))
    }

    #[test]
    fn while_there_is_room_a_token_is_admitted_at_its_first_verification() {
        let (service, project) = (Service::new(1_000), https("auth"));
        for n in 0..300 {
            service.request(&project, &format!("{n}"));
            assert!(service.is_cached(&format!("{n}")), "{n}");
        }
    }

    #[test]
    fn a_full_cache_admits_a_token_at_its_second_verification() {
        // So small that it has one part.
        let (service, project) = (Service::new(32), https("auth"));
        for n in 0..300 {
            service.fill(&project, &format!("fill {n}"));
            let name = format!("new {n}");
            service.request(&project, &name);
            assert!(!service.is_cached(&name), "{name}");
            service.request(&project, &name);
            assert!(service.is_cached(&name), "{name}");
            assert_eq!(service.entries(), 32);
        }
    }

    #[test]
    fn a_token_is_usually_admitted_although_others_came_between_its_two_verifications() {
        let (service, project) = (Service::new(1_000), https("auth"));
        service.fill(&project, "fill");
        let names = || (0..500).map(|n| format!("new {n}"));
        for name in names() {
            service.request(&project, &name);
        }
        // Of those that share a place, the later ones replace the fingerprints of the earlier ones.
        let is_admitted = |name: &String| {
            let digest = service.cache.digest(name.as_bytes());
            service.cache.record_verification(digest, &project)
        };
        let admitted = names().filter(is_admitted).count();
        assert!((270..=340).contains(&admitted), "{admitted} of 500");
    }

    #[test]
    fn a_full_cache_is_not_changed_by_tokens_that_are_used_once() {
        let (service, project) = (Service::new(1_000), https("auth"));
        service.fill(&project, "fill");
        let filled = || (0..3_000).map(|n| format!("fill {n}"));
        let before: Vec<_> = filled().filter(|name| service.is_cached(name)).collect();
        for n in 0..30_000 {
            service.request(&project, &format!("once {n}"));
        }
        let left = before.iter().filter(|name| service.is_cached(name)).count();
        // One in 65,536 has the fingerprint of another one.
        assert!(left + 10 >= before.len(), "{left} of {}", before.len());
    }

    #[test]
    fn one_shot_tokens_of_different_lengths_fill_a_cache_too() {
        let (service, project) = (Service::new(32), https("auth"));
        let mut admitted = 0;
        for n in 0..1_000 {
            let digest = service.cache.digest(format!("{n}").as_bytes());
            if service.cache.record_verification(digest, &project) {
                admitted += 1;
                let token = token_of(if n % 8 == 0 { 6_000 } else { 700 }, &project, &service.key);
                service.cache.insert(digest, token);
            }
        }
        assert!(admitted < 150, "{admitted} of 1,000");
    }

    #[test]
    fn without_a_share_a_project_is_admitted_at_the_second_verification() {
        let (service, one, other) = (Service::new(1_000), https("one"), https("other"));
        service.cache.divide_among(2);
        service.fill(&other, "fill");
        service.cache.divide_among(1);
        service.request(&one, "new");
        assert!(!service.is_cached("new"));
        service.request(&one, "new");
        assert!(service.is_cached("new"));
    }

    #[test]
    fn the_smallest_caches_admit_at_the_second_verification_and_stay_bounded() {
        for capacity in [2, 3, 10, 31, 32, 33] {
            let (service, project) = (Service::new(capacity), https("auth"));
            service.fill(&project, "fill");
            for n in 0..100 {
                let name = format!("new {n}");
                service.request(&project, &name);
                service.request(&project, &name);
                assert!(service.is_cached(&name), "{capacity}: {name}");
                assert!(service.entries() <= capacity, "{capacity}");
            }
        }
    }

    #[test]
    fn threads_that_fill_it_at_once_leave_it_full_and_usable() {
        let (service, project) = (Service::new(1_000), https("auth"));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (service, project) = (&service, &project);
                scope.spawn(move || {
                    for n in 0..3_000 {
                        service.request(project, &format!("own {thread} {n}"));
                        service.request(project, &format!("common {}", n % 700));
                    }
                });
            }
        });
        assert!((990..=1_000).contains(&service.entries()));
        service.request(&project, "new");
        service.request(&project, "new");
        assert!(service.is_cached("new"));
        let cached = project.cached_tokens().load(Ordering::Relaxed);
        assert_eq!(cached, service.entries());
    }

    #[test]
    fn a_removed_project_makes_room() {
        let (service, one, other) = (Service::new(1_000), https("one"), https("other"));
        service.fill(&one, "fill");
        service.cache.remove_all_of(&one);
        assert_eq!(service.entries(), 0);
        for n in 0..300 {
            service.request(&other, &format!("{n}"));
            assert!(service.is_cached(&format!("{n}")), "{n}");
        }
    }

    #[test]
    fn a_project_gets_its_share_of_a_full_cache_at_the_first_verification() {
        let (service, one, other) = (Service::new(1_000), https("one"), https("other"));
        service.cache.divide_among(2);
        service.fill(&other, "fill");
        service.request(&other, "beyond the share");
        assert!(!service.is_cached("beyond the share"));
        let share = 250;
        for n in 0..share {
            service.request(&one, &format!("one {n}"));
            assert!(service.is_cached(&format!("one {n}")), "{n}");
        }
        assert_eq!(one.cached_tokens().load(Ordering::Relaxed), share);
        assert!(other.cached_tokens().load(Ordering::Relaxed) > 700);
    }

    #[test]
    fn where_tokens_are_used_again_a_full_cache_admits_them_at_the_first_verification() {
        let (service, project) = (Service::new(1_000), https("auth"));
        let used = |name: &str| {
            service.request(&project, name);
            let is_admitted = service.is_cached(name);
            service.request(&project, name);
            service.request(&project, name);
            is_admitted
        };
        for n in 0..3_000 {
            used(&format!("fill {n}"));
        }
        assert!(service.entries() > 990, "{}", service.entries());
        for n in 0..3_000 {
            assert!(used(&format!("new {n}")), "{n}");
        }
        // One-shot tokens fill the queue of new ones: from then on a token has to come twice.
        for n in 0..3_000 {
            service.request(&project, &format!("once {n}"));
        }
        assert!(!used("first after them"));
        // Until the queue has only used ones again.
        for n in 0..1_000 {
            used(&format!("again {n}"));
        }
        for n in 0..100 {
            assert!(used(&format!("later {n}")), "{n}");
        }
    }

    #[test]
    fn after_a_flood_a_token_that_is_used_twice_is_verified_once_again() {
        for distance in [0, 3] {
            let (service, project) = (Service::new(10_000), https("auth"));
            for n in 0..15 {
                service.known_when_repeated(&project, &format!("fill {n}"), distance);
            }
            let before = service.known_when_repeated(&project, "before", distance);
            assert!(before > 950, "{before}");
            service.fill(&project, "flood");
            let after = service.known_when_repeated(&project, "after", distance);
            // Until the new entries of the flood are evicted: a thirtieth of the capacity.
            assert!((600..before).contains(&after), "{after}, not {before}");
            let later = service.known_when_repeated(&project, "later", distance);
            assert!(later.abs_diff(before) < 20, "{later}, not {before}");
        }
    }

    #[test]
    fn beside_one_shot_tokens_most_tokens_that_are_used_twice_are_verified_once() {
        for (one_shots, least) in [(1, 3_900), (4, 3_000)] {
            let (service, project) = (Service::new(1_000), https("auth"));
            service.fill(&project, "fill");
            let mut known = 0;
            for n in 0..4_000 {
                for m in 0..one_shots {
                    service.request(&project, &format!("once {n} {m}"));
                }
                let name = format!("twice {n}");
                service.request(&project, &name);
                known += usize::from(service.request(&project, &name));
            }
            assert!(known >= least, "{known} of 4,000 beside {one_shots}");
        }
    }

    /// Inserts a cached token again, and one that is too large.
    fn insert_without_eviction(service: &Service, project: &Project, name: &str) {
        assert!(service.is_cached(name));
        let digest = |name: &str| service.cache.digest(name.as_bytes());
        for _ in 0..100 {
            for (name, length) in [(name, 700), ("large", 8_000_000)] {
                let token = token_of(length, project, &service.key);
                service.cache.insert(digest(name), token);
            }
        }
    }

    #[test]
    fn an_insertion_that_evicts_no_other_token_makes_no_room() {
        // In so small a cache, the newest entry is the next one to be evicted.
        let (service, project) = (Service::new(32), https("auth"));
        service.fill(&project, "fill");
        service.request(&project, "token");
        service.request(&project, "token");
        insert_without_eviction(&service, &project, "token");
        service.request(&project, "new");
        assert!(!service.is_cached("new"));
    }

    #[test]
    fn an_insertion_that_evicts_no_other_token_does_not_fill_the_cache() {
        let (service, project) = (Service::new(32), https("auth"));
        service.known_when_repeated(&project, "used", 0);
        service.request(&project, "token");
        insert_without_eviction(&service, &project, "token");
        service.request(&project, "token");
        service.request(&project, "new");
        assert!(service.is_cached("new"));
    }

    #[test]
    fn a_token_too_large_for_the_cache_does_not_fill_it() {
        let (service, project) = (Service::new(4), https("auth"));
        let digest = service.cache.digest(b"large");
        for _ in 0..3 {
            let large = token_of(8 * 1024, &project, &service.key);
            service.cache.insert(digest, large);
            assert_eq!(service.entries(), 0);
        }
        assert!(service.cache.record_verification(digest, &project));
        service.request(&project, "small");
        assert!(service.is_cached("small"));
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
        let (service, project) = (Service::new(1_000), https("auth"));
        let in_use: Vec<_> = (0..100).map(|n| format!("used {n}")).collect();
        let cached = || in_use.iter().filter(|name| service.is_cached(name)).count();
        for n in 0..100_000 {
            if n % 50 == 0 {
                for name in &in_use {
                    service.request(&project, name);
                }
            }
            service.request(&project, &format!("once {n}"));
        }
        assert!(cached() > 90, "{} of 100 are left", cached());
        // Also if each of them had an entry.
        for n in 0..100_000 {
            if n % 50 == 0 {
                for name in &in_use {
                    service.request(&project, name);
                }
            }
            let digest = service.cache.digest(format!("entry {n}").as_bytes());
            service.cache.insert(digest, token(&project, &service.key));
        }
        assert!(cached() > 90, "{} of 100 are left", cached());
        assert!(service.entries() <= 1_000);
    }

    #[test]
    fn one_project_does_not_push_out_all_of_anothers() {
        let [one, other] =
            ["https://one.example", "https://other.example"].map(TrustedProject::for_tests);
        let cache = TokenCache::new(1_000).unwrap();
        let key = Arc::new(VerificationKey::for_tests());
        let insert = |project: &Project, name: &str, times: usize| {
            let digest = cache.digest(name.as_bytes());
            cache.insert(digest, token(project, &key));
            for _ in 0..times {
                cache.get(digest);
            }
            digest
        };
        let left = |digests: &[TokenDigest]| {
            let found = digests
                .iter()
                .filter(|digest| cache.get(**digest).is_some());
            found.count()
        };
        let quiet = |cache_of: &Project| -> Vec<TokenDigest> {
            let names = 0..200;
            names
                .map(|n| insert(cache_of, &format!("quiet {n}"), 0))
                .collect()
        };
        // Without a reserved share, a busy project evicts all others.
        let digests = quiet(&one);
        for n in 0..20_000 {
            insert(&other, &format!("busy {n}"), 3);
        }
        assert_eq!(left(&digests), 0);

        cache.divide_among(2);
        let digests = quiet(&one);
        for n in 0..20_000 {
            insert(&other, &format!("busier {n}"), 3);
        }
        assert!(left(&digests) >= 190, "{} are left", left(&digests));
        assert!(cache.entries.len() <= 1_000);
        // Its entries beyond its share are evicted.
        for n in 0..2_000 {
            insert(&one, &format!("more {n}"), 0);
        }
        assert!(one.cached_tokens().load(Ordering::Relaxed) < 900);

        // The removed project has no entries left, and the others keep theirs.
        let others = other.cached_tokens().load(Ordering::Relaxed);
        cache.remove_all_of(&one);
        assert_eq!(one.cached_tokens().load(Ordering::Relaxed), 0);
        assert_eq!(other.cached_tokens().load(Ordering::Relaxed), others);
        assert_eq!(Arc::strong_count(&one), 1);
    }

    /// Ten million entries if the environment requests the full count.
    #[test]
    fn property_memory_stays_flat_whatever_is_put_in() {
        let full = std::env::var("AXUM_AUTHGEAR_CASES").is_ok_and(|cases| cases == "full");
        let (capacity, rounds) = if full { (100_000, 10) } else { (1_000, 3) };
        let project = TrustedProject::for_tests("https://auth.example");
        let cache = TokenCache::new(capacity).unwrap();
        let key = Arc::new(VerificationKey::for_tests());
        let mut bookkeeping = Vec::new();
        for round in 0..rounds {
            for n in 0..10 * capacity {
                let digest = cache.digest(format!("{round} {n}").as_bytes());
                cache.insert(digest, token(&project, &key));
            }
            assert!(cache.entries.len() <= capacity);
            // Nothing else keeps a token.
            let alive = project.cached_tokens().load(Ordering::Relaxed);
            assert_eq!(alive, cache.entries.len());
            assert_eq!(Arc::strong_count(&key), 1 + alive);
            bookkeeping.push(cache.entries.memory_used().total());
        }
        let (first, last) = (bookkeeping[0], bookkeeping[rounds - 1]);
        assert!(first > 0 && last <= first + first / 10, "{bookkeeping:?}");
        assert!(last <= 512 * capacity, "{bookkeeping:?}");
    }
}
