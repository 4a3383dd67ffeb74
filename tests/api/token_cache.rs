//! Tokens seen before: whatever ends a token ends its entry.

use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{FakeAuthgear, SigningKey, User};
use axum_authgear::{AuthErrorKind, Authgear, AuthgearBuilder};
use proptest::prelude::*;

use crate::cases::cases;
use crate::support::ready;

const NOW: u64 = 1_800_000_000;

/// A fake and a clock that both sides share.
struct World {
    fake: FakeAuthgear,
    alice: User,
    clock: Clock,
}

impl World {
    async fn new() -> Self {
        let clock = Clock::frozen_at(NOW);
        let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
        let alice = fake.add_user(User::new("alice"));
        Self { fake, alice, clock }
    }

    fn builder(&self) -> AuthgearBuilder {
        Authgear::builder(self.fake.endpoint())
            .dangerous()
            .clock(self.clock.clone())
    }

    fn pass(&self, seconds: i64) {
        self.clock.shift_millis(seconds * 1000);
    }

    /// Makes `authgear` fetch the keys, by a token of a key that it does not know.
    async fn fetch_keys(&self, authgear: &Authgear) {
        self.fake.rotate();
        let token = self.fake.token(&self.alice).sign();
        authgear.verify(&token).await.unwrap();
    }
}

async fn kind(authgear: &Authgear, token: &str) -> Option<AuthErrorKind> {
    authgear.verify(token).await.err().map(|error| error.kind())
}

#[tokio::test]
async fn an_entry_ends_with_the_expiry_to_the_second() {
    let world = World::new().await;
    let authgear = ready(world.builder()).await;
    let token = world.fake.token(&world.alice).expires_at(NOW + 300).sign();
    assert_eq!(kind(&authgear, &token).await, None);
    world.pass(300 + 59);
    assert_eq!(kind(&authgear, &token).await, None);
    world.pass(1);
    assert_eq!(kind(&authgear, &token).await, Some(AuthErrorKind::Expired));
    // What has expired once has not left anything behind that a clock set back could find.
    world.pass(-1);
    assert_eq!(kind(&authgear, &token).await, None);
}

#[tokio::test]
async fn an_entry_is_no_good_before_its_time() {
    let world = World::new().await;
    let authgear = ready(world.builder()).await;
    let token = world.fake.token(&world.alice).claim("nbf", NOW - 10).sign();
    assert_eq!(kind(&authgear, &token).await, None);
    world.pass(-71);
    assert_eq!(
        kind(&authgear, &token).await,
        Some(AuthErrorKind::NotYetValid)
    );
}

#[tokio::test]
async fn a_removed_key_ends_its_tokens() {
    let world = World::new().await;
    let authgear = ready(world.builder()).await;
    let token = world.fake.token(&world.alice).sign();
    assert_eq!(kind(&authgear, &token).await, None);
    world.pass(120);
    world.fetch_keys(&authgear).await;
    assert_eq!(kind(&authgear, &token).await, None, "it is still listed");

    world.fake.remove_old_keys();
    world.pass(120);
    world.fetch_keys(&authgear).await;
    assert_eq!(
        kind(&authgear, &token).await,
        Some(AuthErrorKind::UnknownKey)
    );
}

#[tokio::test]
async fn another_key_of_the_same_name_does_not_vouch_for_an_entry() {
    let world = World::new().await;
    let authgear = ready(world.builder()).await;
    let kid = world.fake.signing_kid();
    let token = world.fake.token(&world.alice).sign();
    assert_eq!(kind(&authgear, &token).await, None);

    world.pass(120);
    world.fake.rotate();
    world.fake.remove_old_keys();
    world.fake.list_key(&SigningKey::rsa().with_kid(kid));
    world.fetch_keys(&authgear).await;
    assert_eq!(
        kind(&authgear, &token).await,
        Some(AuthErrorKind::BadSignature)
    );
}

#[tokio::test]
async fn keys_that_are_too_old_end_every_entry() {
    let world = World::new().await;
    let authgear = ready(world.builder()).await;
    let token = world
        .fake
        .token(&world.alice)
        .expires_at(NOW + 9_000)
        .sign();
    assert_eq!(kind(&authgear, &token).await, None);
    world.fake.stop();
    world.pass(3_599);
    assert_eq!(kind(&authgear, &token).await, None);
    world.pass(1);
    assert_eq!(
        kind(&authgear, &token).await,
        Some(AuthErrorKind::KeysUnavailable)
    );
}

#[tokio::test]
async fn another_audience_or_client_list_knows_nothing_of_an_entry() {
    let world = World::new().await;
    let token = world.fake.token(&world.alice).client_id("partner").sign();
    let anyone = ready(world.builder()).await;
    assert_eq!(kind(&anyone, &token).await, None);
    let own = ready(world.builder().client_ids(["spa"])).await;
    assert_eq!(
        kind(&own, &token).await,
        Some(AuthErrorKind::ClientNotAllowed)
    );
    let other = ready(world.builder().audience("https://other.example")).await;
    assert_eq!(
        kind(&other, &token).await,
        Some(AuthErrorKind::WrongAudience)
    );
}

#[tokio::test]
async fn a_token_that_differs_in_one_bit_finds_nothing() {
    let world = World::new().await;
    let authgear = ready(world.builder()).await;
    let token = world.fake.token(&world.alice).sign();
    assert_eq!(kind(&authgear, &token).await, None);
    for index in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[index] ^= 1 << bit;
            let other = String::from_utf8(bytes).unwrap();
            // A flipped letter of the key's name may make the request wait for keys.
            if other.split('.').next() == token.split('.').next() {
                assert!(kind(&authgear, &other).await.is_some(), "{index}.{bit}");
            }
        }
    }
    assert_eq!(kind(&authgear, &token).await, None);
}

/// JSON allows whitespace (RFC 8259 §2), although no library writes it here.
#[tokio::test]
async fn a_header_that_begins_with_whitespace_is_one() {
    let world = World::new().await;
    let authgear = ready(world.builder()).await;
    let kid = world.fake.jwks()["keys"][0]["kid"].clone();
    for before in ["", " ", "\n", "\t\r\n ", "\u{feff}", "\u{a0}", "[", "\""] {
        let header = format!(r#"{before}{{"alg":"RS256","kid":{kid},"typ":"at+jwt"}}"#);
        let token = world.fake.token(&world.alice).raw_header(&header);
        let is_whitespace = before.bytes().all(|byte| b" \t\r\n".contains(&byte));
        for _ in 0..3 {
            let expected = (!is_whitespace).then_some(AuthErrorKind::MalformedTokenHeader);
            assert_eq!(
                kind(&authgear, &token.clone().sign()).await,
                expected,
                "{before:?}"
            );
            let forged = token.clone().tamper_signature().sign();
            let expected = expected.or(Some(AuthErrorKind::BadSignature));
            assert_eq!(kind(&authgear, &forged).await, expected, "{before:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_with_the_same_tokens_agree() {
    let world = World::new().await;
    let authgear = ready(world.builder().token_cache_capacity(8)).await;
    let tokens: Vec<(String, bool)> = (0..32)
        .map(|index| {
            let token = world.fake.token(&world.alice);
            if index % 2 == 0 {
                (token.sign(), true)
            } else {
                (token.tamper_signature().sign(), false)
            }
        })
        .collect();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (authgear, tokens) = (authgear.clone(), tokens.clone());
            tokio::spawn(async move {
                for _ in 0..4 {
                    for (token, is_good) in &tokens {
                        assert_eq!(authgear.verify(token).await.is_ok(), *is_good);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// What can happen between two requests.
#[derive(Clone, Debug)]
enum Event {
    Present(usize),
    Pass(i64),
    Rotate,
    RemoveOldKeys,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..12usize).prop_map(Event::Present),
        2 => (-400..2_000i64).prop_map(Event::Pass),
        1 => Just(Event::Rotate),
        1 => Just(Event::RemoveOldKeys),
    ]
}

/// The same tokens, times and key sets: with a cache, with a tiny one, and without one, the answers
/// are the same. The one without it has also seen another header first, and so reads each of them.
#[test]
fn property_a_cache_changes_no_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(cases(64, 2_000));
    let schedules = proptest::collection::vec(event(), 1..60);
    runner
        .run(&schedules, |events| {
            runtime.block_on(async {
                let world = World::new().await;
                let mut all = Vec::new();
                for size in [0, 2, 10_000] {
                    all.push(ready(world.builder().token_cache_capacity(size)).await);
                }
                let mint = |index: usize| {
                    let now = world.clock.now().unix().as_secs();
                    let token = world
                        .fake
                        .token(&world.alice)
                        .issued_at(now)
                        .expires_at(now + 200 * index as u64);
                    match index % 4 {
                        0 => token.tamper_signature().sign(),
                        1 => token.claim("nbf", now + 30).sign(),
                        2 if index > 6 => token.header("typ", "JWT").sign(),
                        _ => token.sign(),
                    }
                };
                let meet_key = async || {
                    let token = world.fake.token(&world.alice).sign();
                    let of_another_header = world
                        .fake
                        .token(&world.alice)
                        .header("typ", "application/at+jwt")
                        .sign();
                    kind(&all[0], &of_another_header).await;
                    for authgear in &all[1..] {
                        kind(authgear, &token).await;
                    }
                };
                meet_key().await;
                let mut tokens: Vec<String> = (0..12).map(mint).collect();
                for event in events {
                    match event {
                        Event::Pass(seconds) => world.pass(seconds),
                        Event::RemoveOldKeys => world.fake.remove_old_keys(),
                        Event::Rotate => {
                            world.fake.rotate();
                            meet_key().await;
                            tokens = (0..12)
                                .map(|index| {
                                    if index < 6 {
                                        tokens[index].clone()
                                    } else {
                                        mint(index)
                                    }
                                })
                                .collect();
                        }
                        Event::Present(index) => {
                            let mut answers = Vec::new();
                            for authgear in &all {
                                // Twice, so that the second may be a hit.
                                kind(authgear, &tokens[index]).await;
                                answers.push(kind(authgear, &tokens[index]).await);
                            }
                            prop_assert_eq!(answers[0], answers[1]);
                            prop_assert_eq!(answers[0], answers[2]);
                        }
                    }
                }
                Ok(())
            })
        })
        .unwrap();
}
