//! What the cache of verified tokens could be made of: the digest that its entries are found by, and
//! the library that keeps them.
//!
//! ```sh
//! cargo run --release --manifest-path benches/peers/Cargo.toml --bin cache
//! ```
//!
//! Tokens and entries are many, and are taken in no order: most of them are in no near cache of the
//! processor, as in a server that does other things in between.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark"
)]

#[path = "../../../support/mod.rs"]
mod support;

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::hint::black_box;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use highway::{HighwayHash, HighwayHasher, Key};
use support::World;
use support::race::{Contender, Course, Timing, race};

const TOKENS: usize = 4_000;
const ENTRIES: usize = 10_000;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new(TOKENS));
    let course = Course {
        rounds: 200,
        calls: 50,
    };
    println!("a token of {} bytes\n", world.token(0).len());
    print(
        "digest of a token",
        &race(course, &mut digests(course, &world)),
    );
    print(
        "look-up of one of 10,000 entries",
        &race(course, &mut caches(course)),
    );
}

fn print(title: &str, timings: &[Timing]) {
    println!("{title:<42}{:>9}{:>9}", "ns", "×");
    for timing in timings {
        let ratio = timing.median / timings[0].median;
        println!("{:<42}{:>9.0}{ratio:>9.2}", timing.name, timing.median);
    }
    println!();
}

/// Some number below `count` for each call: the same for all contenders.
fn some(n: usize, count: usize) -> usize {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % count
}

fn digests<'w>(course: Course, world: &'w World) -> [Contender<'w>; 5] {
    let token = |n: usize| world.token(some(n, TOKENS)).as_bytes();
    let lanes = [1, 2, 3, 4];
    let gmac = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).unwrap());
    let sip = RandomState::new();
    [
        Contender::of_work("HighwayHash, 128 bits", course, move |n| {
            black_box(HighwayHasher::new(Key(lanes)).hash128(token(n)));
        }),
        Contender::of_work("SipHash-1-3 of std, 64 bits", course, move |n| {
            black_box(sip.hash_one(token(n)));
        }),
        Contender::of_work("AES-128-GMAC", course, move |n| {
            let nonce = Nonce::assume_unique_for_key([0; 12]);
            let tag = gmac.seal_in_place_separate_tag(nonce, Aad::from(token(n)), &mut []);
            black_box(tag.unwrap().as_ref());
        }),
        Contender::of_work("SHA-256", course, move |n| {
            black_box(digest(&SHA256, token(n)));
        }),
        Contender::of_work("BLAKE3 with a key", course, move |n| {
            black_box(blake3::keyed_hash(&[7; 32], token(n)));
        }),
    ]
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Digest([u64; 2]);

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

type Entry = Arc<[u8; 1024]>;

fn caches<'a>(course: Course) -> [Contender<'a>; 3] {
    let key = |n: usize| -> Digest {
        let mut number = n as u64;
        Digest(std::array::from_fn(|_| {
            number = (number ^ (number >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) + 1;
            number
        }))
    };
    let entry = || -> Entry { Arc::new([1; 1024]) };
    let used = |entry: Option<Entry>| assert_eq!(entry.map(|entry| entry[0]), Some(1));

    // With room to spare, so that each of them still has every entry.
    let quick = quick_cache::sync::Cache::<_, Entry, _, _>::with(
        4 * ENTRIES,
        4 * ENTRIES as u64,
        quick_cache::UnitWeighter,
        AsItIs,
        quick_cache::sync::DefaultLifecycle::default(),
    );
    let moka = moka::sync::Cache::builder()
        .max_capacity(4 * ENTRIES as u64)
        .build_with_hasher(AsItIs);
    let scc = scc::HashCache::with_capacity_and_hasher(ENTRIES, 8 * ENTRIES, AsItIs);
    for n in 0..ENTRIES {
        quick.insert(key(n), entry());
        moka.insert(key(n), entry());
        assert!(
            scc.put_sync(key(n), entry())
                .is_ok_and(|evicted| evicted.is_none())
        );
    }
    [
        Contender::of_work("quick_cache", course, move |n| {
            used(quick.get(&key(some(n, ENTRIES))));
        }),
        Contender::of_work("scc::HashCache", course, move |n| {
            used(scc.read_sync(&key(some(n, ENTRIES)), |_, entry| Arc::clone(entry)));
        }),
        Contender::of_work("moka", course, move |n| {
            used(moka.get(&key(some(n, ENTRIES))));
        }),
    ]
}

/// A digest is as good a hash as any.
#[derive(Clone)]
struct AsItIs;

struct Taken(u64);

impl BuildHasher for AsItIs {
    type Hasher = Taken;

    fn build_hasher(&self) -> Taken {
        Taken(0)
    }
}

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a digest is a number");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}
