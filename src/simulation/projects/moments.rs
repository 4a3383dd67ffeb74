//! The moments at which a project may be removed or replaced, and what its neighbours notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::request::verify;
use super::world::{Answers, Setup, Token, World, issuer};
use crate::error::{AuthError, AuthErrorKind};
use crate::simulation::issuer::{Fault, START};
use crate::user::{AuthUser, NoClaims, Principal};

const OTHER: usize = 1;
const NOBODY: Setup = Setup {
    allows_client: false,
    ..Setup::PLAIN
};

type Outcome = Result<Principal<NoClaims>, AuthError>;

/// Two projects that have keys.
async fn two(setup: Setup) -> Arc<World> {
    let world = World::new();
    for number in [0, OTHER] {
        world.put(number, setup);
    }
    sleep(Duration::from_secs(1)).await;
    world
}

fn spawn(world: &Arc<World>, token: &Token) -> JoinHandle<Outcome> {
    let (world, token) = (Arc::clone(world), token.text.clone());
    tokio::spawn(async move { verify(&world, &token).await })
}

async fn turns() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

async fn waits(world: &Arc<World>) -> JoinHandle<Outcome> {
    let waiting = spawn(world, &world.token(0, "alice"));
    sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished());
    waiting
}

/// The outcome, which is there without another wait.
async fn at_once<T>(waiting: JoinHandle<T>) -> T {
    turns().await;
    assert!(waiting.is_finished());
    waiting.await.unwrap()
}

fn kind<T: std::fmt::Debug>(outcome: Result<T, AuthError>) -> AuthErrorKind {
    outcome.unwrap_err().kind()
}

async fn user(world: &World, number: usize) -> AuthUser<NoClaims> {
    match verify(world, &world.token(number, "alice").text).await {
        Ok(Principal::User(user)) => user,
        other => panic!("{other:?}"),
    }
}

// ── Neighbours ──────────────────────────────────────────────────────────────────────────────────

/// What the other project's callers notice of this trouble: no answer is another one, none takes any
/// time, and nobody asks for its keys.
async fn concerns_nobody_else(trouble: impl AsyncFn(&Arc<World>)) {
    for setup in [Setup::PLAIN, Setup::LIVE] {
        let world = two(setup).await;
        let fetches = world.attempts(OTHER);
        let seen = world.token(OTHER, "alice");
        verify(&world, &seen.text).await.unwrap();
        for round in 0..10 {
            trouble(&world).await;
            let began = Instant::now();
            for token in [&seen, &world.token(OTHER, "bob")] {
                verify(&world, &token.text).await.unwrap();
            }
            // A refusal, too.
            let forged = world.forged(OTHER, 2).unwrap();
            assert_eq!(
                kind(verify(&world, &forged.text).await),
                AuthErrorKind::BadSignature
            );
            assert_eq!(began.elapsed(), Duration::ZERO, "round {round}");
            sleep(Duration::from_secs(15)).await;
        }
        assert_eq!(world.attempts(OTHER), fetches);
    }
}

#[tokio::test(start_paused = true)]
async fn a_project_that_hangs_costs_the_others_no_time() {
    concerns_nobody_else(async |world| {
        world.set_fault(0, Some(Fault::Hang));
        world.set_resolver(0, Answers::Never);
        world.rotate(0);
        for _ in 0..300 {
            drop(spawn(world, &world.token(0, "alice")));
        }
        turns().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_project_that_rotates_costs_the_others_no_time() {
    concerns_nobody_else(async |world| {
        world.rotate(0);
        drop(spawn(world, &world.token(0, "alice")));
        turns().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_project_that_is_flooded_costs_the_others_no_time() {
    concerns_nobody_else(async |world| {
        for number in 0..2_000 {
            drop(spawn(world, &world.stranger(0, number)));
        }
        turns().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_project_that_comes_and_goes_costs_the_others_no_time() {
    concerns_nobody_else(async |world| {
        drop(spawn(world, &world.token(0, "alice")));
        world.remove(0);
        drop(spawn(world, &world.token(0, "alice")));
        world.put(0, Setup::PLAIN);
        world.put(0, Setup::LIVE);
        turns().await;
    })
    .await;
}

// ── While a request waits ───────────────────────────────────────────────────────────────────────

/// Removed, replaced, and replaced by options that refuse, while a request waits for `what`.
async fn while_waiting(what: impl AsyncFn() -> Arc<World>, heal: impl Fn(&World)) {
    let world = what().await;
    let waiting = waits(&world).await;
    world.remove(0);
    assert_eq!(kind(at_once(waiting).await), AuthErrorKind::WrongIssuer);
    // What was under way is of no use to the one that comes back.
    heal(&world);
    world.put(0, Setup::PLAIN);
    assert!(verify(&world, &world.token(0, "alice").text).await.is_ok());

    let world = what().await;
    let waiting = waits(&world).await;
    heal(&world);
    world.put(0, Setup::LIVE);
    sleep(Duration::from_millis(100)).await;
    at_once(waiting).await.unwrap();

    let world = what().await;
    let waiting = waits(&world).await;
    heal(&world);
    world.put(0, NOBODY);
    sleep(Duration::from_millis(100)).await;
    let refused = at_once(waiting).await;
    assert_eq!(kind(refused), AuthErrorKind::ClientNotAllowed);

    // Revoked meanwhile, and the project is another one.
    let world = what().await;
    let waiting = waits(&world).await;
    world.remove(0);
    world.revoke(0, "alice");
    heal(&world);
    world.put(0, Setup::LIVE);
    sleep(Duration::from_millis(100)).await;
    // It was out when it was looked at, or in and revoked.
    let refused = kind(at_once(waiting).await);
    assert_eq!(refused, AuthErrorKind::Revoked);
}

#[tokio::test(start_paused = true)]
async fn while_a_request_waits_for_keys() {
    let what = async || {
        let world = World::new();
        world.set_fault(0, Some(Fault::Hang));
        world.put(0, Setup::PLAIN);
        world
    };
    while_waiting(what, |world| world.set_fault(0, None)).await;
}

#[tokio::test(start_paused = true)]
async fn while_a_request_waits_for_a_rotated_key() {
    let what = async || {
        let world = two(Setup::PLAIN).await;
        world.set_fault(0, Some(Fault::Hang));
        world.rotate(0);
        world
    };
    while_waiting(what, |world| world.set_fault(0, None)).await;
}

#[tokio::test(start_paused = true)]
async fn while_a_request_waits_for_the_resolver() {
    let what = async || {
        let world = two(Setup::LIVE).await;
        world.set_resolver(0, Answers::Never);
        world
    };
    while_waiting(what, |world| world.set_resolver(0, Answers::Well)).await;
}

#[tokio::test(start_paused = true)]
async fn while_a_user_is_checked_again() {
    let recheck = |world: &Arc<World>, user: &AuthUser<NoClaims>| {
        let (world, user) = (Arc::clone(world), user.clone());
        tokio::spawn(async move { world.verifier.recheck(&user, None).await })
    };
    for setup in [None, Some(Setup::PLAIN), Some(NOBODY)] {
        let world = two(Setup::LIVE).await;
        let alice = user(&world, 0).await;
        // The session must be asked about once more.
        sleep(Duration::from_secs(8)).await;
        world.set_resolver(0, Answers::Never);
        let waiting = recheck(&world, &alice);
        sleep(Duration::from_millis(100)).await;
        assert!(!waiting.is_finished());
        match setup {
            None => world.remove(0),
            Some(setup) => world.put(0, setup),
        }
        let outcome = at_once(waiting).await;
        match setup {
            None => assert_eq!(kind(outcome), AuthErrorKind::WrongIssuer),
            Some(Setup::PLAIN) => assert!(outcome.is_ok()),
            Some(_) => assert_eq!(kind(outcome), AuthErrorKind::ClientNotAllowed),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_stream_is_open() {
    // Between two looks, and while the resolver is asked.
    for (setup, answers) in [
        (Setup::PLAIN, Answers::Well),
        (Setup::LIVE, Answers::Well),
        (Setup::LIVE, Answers::Never),
    ] {
        let world = two(setup).await;
        let watch = |user: AuthUser<NoClaims>| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.verifier.ended(&user, None).await })
        };
        let (own, others) = (user(&world, 0).await, user(&world, OTHER).await);
        let (ended, others_ended) = (watch(own.clone()), watch(others));
        sleep(Duration::from_secs(7)).await;
        world.set_resolver(0, answers);
        sleep(Duration::from_millis(1_300)).await;
        // Other options, by which the user is as good as before.
        world.put(
            0,
            Setup {
                retention_hours: 5,
                ..setup
            },
        );
        turns().await;
        assert!(!ended.is_finished());
        world.remove(0);
        let error = at_once(ended).await;
        assert_eq!(error.kind(), AuthErrorKind::WrongIssuer);
        // One that begins when its project is out already.
        assert_eq!(
            at_once(watch(own.clone())).await.kind(),
            AuthErrorKind::WrongIssuer
        );
        // Added again, and revoked while it was out.
        world.revoke(0, "alice");
        world.put(0, Setup::PLAIN);
        sleep(Duration::from_millis(100)).await;
        let error = at_once(watch(own)).await;
        assert_eq!(error.kind(), AuthErrorKind::Revoked);
        assert!(!others_ended.is_finished());
    }
}

// ── Replacement ─────────────────────────────────────────────────────────────────────────────────

/// A request must be answered in the end, and its token is as good as before: that is not said by 401.
#[tokio::test(start_paused = true)]
async fn a_project_that_is_replaced_again_and_again_is_unavailable() {
    let world = World::new();
    world.set_fault(0, Some(Fault::Hang));
    world.put(0, Setup::PLAIN);
    let waiting = waits(&world).await;
    for _ in 0..20 {
        world.put(0, Setup::PLAIN);
        turns().await;
    }
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::KeysUnavailable);
    assert!(error.retry_after().is_some());

    let world = two(Setup::LIVE).await;
    let alice = user(&world, 0).await;
    sleep(Duration::from_secs(8)).await;
    world.set_resolver(0, Answers::Never);
    let checking = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.verifier.recheck(&alice, None).await }
    });
    for _ in 0..20 {
        turns().await;
        world.put(0, Setup::LIVE);
    }
    let error = checking.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::SessionUnavailable);
}

/// Its token is not kept, so that nobody can be asked about its session.
#[tokio::test(start_paused = true)]
async fn a_user_of_before_sessions_were_asked_about_must_come_again() {
    let world = two(Setup::PLAIN).await;
    let (alice, other) = (user(&world, 0).await, user(&world, OTHER).await);
    let ended = tokio::spawn({
        let (world, alice) = (Arc::clone(&world), alice.clone());
        async move { world.verifier.ended(&alice, None).await }
    });
    turns().await;
    world.put(0, Setup::LIVE);
    let error = at_once(ended).await;
    assert_eq!(error.kind(), AuthErrorKind::SessionInvalid);
    let again = world.verifier.recheck(&alice, None).await;
    assert_eq!(kind(again), AuthErrorKind::SessionInvalid);
    world.verifier.recheck(&other, None).await.unwrap();
    // With its token, it is as good as before; and the other way round nothing is missing.
    let alice = user(&world, 0).await;
    world.put(0, Setup::PLAIN);
    world.verifier.recheck(&alice, None).await.unwrap();
}

/// Keys of another address are other keys: those of the old one do not serve until they are there, and
/// a request waits for them.
#[tokio::test(start_paused = true)]
async fn a_project_that_moves_to_other_addresses_lets_requests_wait() {
    let world = two(Setup::PLAIN).await;
    let token = world.token(0, "alice");
    verify(&world, &token.text).await.unwrap();
    world.with(0, |project| {
        project.issuer.state().latency = Duration::from_secs(3);
    });
    world.move_to_another_address(0);
    let began = Instant::now();
    verify(&world, &token.text).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 3);
    // Where nobody answers there, it is not the token's fault.
    world.set_fault(0, Some(Fault::Error));
    world.move_to_another_address(0);
    let error = verify(&world, &token.text).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::KeysUnavailable);
}

/// Whatever finishes after its project went is not kept: it would keep the project's keys, and what
/// fetches them.
#[test]
fn nothing_is_kept_of_a_project_that_went_while_a_token_was_verified() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(two(Setup::PLAIN));
    let (verified, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut gone = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                // Another token each time.
                let number = verified.load(Ordering::Relaxed);
                let token = world.token_of(0, "alice", START - number % 1_000);
                let _ = runtime.block_on(verify(&world, &token.text));
                verified.fetch_add(1, Ordering::Relaxed);
            }
        });
        let _entered = runtime.enter();
        for _ in 0..30 {
            let before = verified.load(Ordering::Relaxed);
            while verified.load(Ordering::Relaxed) < before + 3 {
                std::thread::yield_now();
            }
            gone.push(Arc::downgrade(&world.set.find(issuer(0)).unwrap()));
            world.put(0, Setup::PLAIN);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let left = gone.iter().filter(|gone| gone.strong_count() > 0).count();
    assert_eq!(left, 0, "of {}", gone.len());
}
