//! The outcome of a request with an unknown key, and its time.

use std::time::Duration;

use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use tokio::time::{Instant, sleep, timeout};

use super::Restored;
use super::waiting::{MAX_EARLY_WAITERS, MAX_WAITERS, WAIT_TIMEOUT};
use crate::error::AuthErrorKind;
use crate::jwks::policy::KeyPolicy;
use crate::jwks::snapshot::{KeySnapshot, SnapshotError};
use crate::simulation::issuer::{Bench, Fault, key};

const SECOND: Duration = Duration::from_secs(1);
const ENDED: &str = "the runtime on which the Authgear was built has ended (call `build()` on \
                     the runtime that serves requests)";
const UNKNOWN: Result<(), AuthErrorKind> = Err(AuthErrorKind::UnknownKey);
const UNAVAILABLE: Result<(), AuthErrorKind> = Err(AuthErrorKind::KeysUnavailable);

/// Long enough for keys to be older than a token that is older than the leeway.
const SETTLED: Duration = Duration::from_secs(150);

#[tokio::test(start_paused = true)]
async fn the_request_that_names_a_new_key_succeeds_and_many_cause_one_fetch() {
    let bench = Bench::new(|_| {}).await;
    bench.issuer.state().listed = vec![1, 0];
    let outcomes = join_all((0..100).map(|_| bench.ask(1, 0.0))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(bench.issuer.attempts(), 2);
    assert!(bench.knows(0) && bench.knows(1));
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_is_one_fetch_whoever_waits_and_gives_up() {
    let bench = Bench::cold(KeyPolicy::default(), |_| {});
    let impatient = timeout(Duration::from_millis(5), bench.ask(0, 0.0)).await;
    assert!(impatient.is_err());
    let outcomes = join_all((0..1000).map(|_| bench.ask(0, 0.0))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(bench.issuer.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_stranger_costs_a_fetch_and_within_the_cooldown_it_depends_on_iat() {
    let bench = Bench::new(|_| {}).await;
    sleep(SETTLED).await;
    // Whatever the token's age: before the fetch it is unknown whether the key exists.
    assert_eq!(bench.ask(9, 100.0).await, UNKNOWN);
    assert_eq!(bench.issuer.attempts(), 2);
    let fetched = bench.issuer.state().attempts[1].began;

    sleep(SECOND).await;
    let began = Instant::now();
    let asked_at = fetched.unix().as_secs_f64();
    let before = |seconds: f64| Some(crate::user::NumericDate(asked_at - seconds));
    assert_eq!(bench.ask_dated(9, before(61.1)).await, UNKNOWN);
    assert_eq!(bench.ask_dated(9, None).await, UNKNOWN);
    // The leeway, plus one second because `iat` is rounded down.
    assert_eq!(bench.ask_dated(9, before(60.9)).await, UNAVAILABLE);
    assert_eq!(bench.ask(9, 0.0).await, UNAVAILABLE);
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(bench.issuer.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_cooldown_counts_from_the_start_of_the_attempt_a_failed_one_too() {
    for fault in [Fault::Slow(4 * SECOND), Fault::Hang, Fault::Error] {
        let bench = Bench::new(|_| {}).await;
        bench.issuer.state().fault = Some(fault);
        let before = bench.times().len();
        let _ = bench.ask(1, 0.0).await;
        for _ in 0..40 {
            sleep(SECOND / 4).await;
            let _ = bench.ask(1, 0.0).await;
        }
        let times = &bench.times()[before..];
        // After an error, retries without demand come in between.
        let on_demand: Vec<f64> = bench.issuer.state().attempts[before..]
            .iter()
            .zip(times)
            .filter_map(|(attempt, time)| attempt.on_demand.then_some(*time))
            .collect();
        assert!(on_demand.len() >= 2, "{fault:?}: {times:?}");
        let first_two = on_demand[1] - on_demand[0];
        // A scheduled attempt just before the end also serves a request or two.
        assert!(
            (9.99..10.6).contains(&first_two),
            "{fault:?}: {on_demand:?}"
        );
        if matches!(fault, Fault::Slow(_)) {
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] > 9.9));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_what_is_left_and_then_the_keys_have_been_fetched() {
    let bench = Bench::new(|_| {}).await;
    assert_eq!(bench.ask(9, 0.0).await, UNAVAILABLE);
    bench.issuer.state().listed = vec![1, 0];
    sleep(5 * SECOND).await;
    let error = bench.store.wait_for(key(1).kid(), None).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::UnknownKey);
    let young = Some(bench.seconds_ago(0.0));
    let error = bench.store.wait_for(key(1).kid(), young).await.unwrap_err();
    let wait = error.retry_after().unwrap();
    assert!(wait > 4 * SECOND && wait < 5 * SECOND, "{wait:?}");
    // No request waits, but the fetch still begins as soon as it may.
    sleep(wait + SECOND / 10).await;
    assert!(bench.knows(1));
    assert_eq!(bench.issuer.attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_young_token_waits_for_a_fetch_that_is_near() {
    let bench = Bench::new(|_| {}).await;
    assert_eq!(bench.ask(9, 0.0).await, UNAVAILABLE);
    bench.issuer.state().listed = vec![1, 0];
    sleep(7_800 * SECOND / 1000).await;
    assert_eq!(bench.ask(1, 0.0).await, UNAVAILABLE);
    sleep(400 * SECOND / 1000).await;
    let began = Instant::now();
    // Only as many as there is room for; an old token needs no room.
    let (waited, refused) = futures_util::future::join(
        join_all((0..MAX_EARLY_WAITERS).map(|_| bench.ask(1, 0.0))),
        async {
            (
                bench.ask(1, 0.0).await,
                bench.ask(9, 100.0).await,
                began.elapsed(),
            )
        },
    )
    .await;
    assert_eq!(refused, (UNAVAILABLE, UNKNOWN, Duration::ZERO));
    assert!(waited.iter().all(Result::is_ok));
    assert!(began.elapsed() < 2 * SECOND);
    assert_eq!(bench.issuer.attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_first_young_token_near_the_end_of_the_cooldown_demands_the_fetch() {
    let bench = Bench::new(|_| {}).await;
    sleep(SETTLED).await;
    assert_eq!(bench.ask(9, 100.0).await, UNKNOWN);
    bench.issuer.state().listed = vec![1, 0];
    sleep(9 * SECOND).await;
    // An old token demands nothing.
    assert_eq!(bench.ask(1, 100.0).await, UNKNOWN);
    sleep(2 * SECOND).await;
    assert_eq!(bench.issuer.attempts(), 2);

    assert_eq!(bench.ask(9, 100.0).await, UNKNOWN);
    bench.issuer.state().listed = vec![2, 1, 0];
    sleep(9 * SECOND).await;
    let began = Instant::now();
    assert_eq!(bench.ask(2, 0.0).await, Ok(()));
    assert!(began.elapsed() < 2 * SECOND);
    assert_eq!(bench.issuer.attempts(), 4);
}

#[tokio::test(start_paused = true)]
async fn demand_brings_a_retry_forward_to_the_end_of_the_cooldown() {
    let bench = Bench::new(|state| state.fault = Some(Fault::Error)).await;
    // By now the retries are a minute apart.
    sleep(300 * SECOND).await;
    let before = bench.issuer.attempts();
    assert_eq!(bench.ask(0, 0.0).await, UNAVAILABLE);
    bench.issuer.state().fault = None;
    let demanded = bench.issuer.state().attempts[before].began;
    assert_eq!(bench.ask(0, 0.0).await, UNAVAILABLE);
    while !bench.knows(0) {
        sleep(SECOND / 10).await;
    }
    let waited = bench.clock.now().elapsed(demanded);
    assert!(
        waited > 10 * SECOND && waited < 10 * SECOND + SECOND / 2,
        "{waited:?}"
    );
    assert_eq!(bench.issuer.attempts(), before + 2);
}

#[tokio::test(start_paused = true)]
async fn patience_and_room_are_bounded_while_a_fetch_hangs() {
    let bench = Bench::new(|_| {}).await;
    bench.issuer.state().fault = Some(Fault::Hang);
    let began = Instant::now();
    let timed = async |number| (bench.ask(number, 0.0).await, began.elapsed());
    let outcomes = join_all((0..MAX_WAITERS + 10).map(|_| timed(1))).await;
    assert!(outcomes.iter().all(|(outcome, _)| *outcome == UNAVAILABLE));
    let at_once = outcomes.iter().filter(|(_, after)| after.is_zero()).count();
    assert_eq!(at_once, 10);
    assert!(
        outcomes
            .iter()
            .all(|(_, after)| *after <= WAIT_TIMEOUT + SECOND / 100)
    );
    // The known key was usable all the time, and the room is free again.
    assert!(bench.knows(0));
    assert_eq!(bench.store.waiters.available_permits(), MAX_WAITERS);
    assert_eq!(bench.issuer.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_request_cancels_nothing_and_leaves_no_place_taken() {
    let bench = Bench::new(|state| state.latency = SECOND).await;
    sleep(SECOND).await;
    bench.issuer.state().listed = vec![1, 0];
    let impatient = timeout(SECOND / 2, bench.ask(1, 0.0)).await;
    assert!(impatient.is_err());
    assert_eq!(bench.store.waiters.available_permits(), MAX_WAITERS);
    sleep(SECOND).await;
    assert!(bench.knows(1));
    assert_eq!(bench.issuer.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_joined_too_late_an_attempt_asks_for_another() {
    let bench = Bench::new(|state| state.latency = SECOND / 10).await;
    let due = loop {
        sleep(SECOND / 20).await;
        if bench.issuer.attempts() == 2 {
            break Instant::now();
        }
        assert!(bench.times().len() < 3);
    };
    // The response of the scheduled attempt is in flight, without the new key.
    sleep(SECOND / 20).await;
    bench.issuer.state().listed = vec![1, 0];
    assert_eq!(bench.ask(1, 0.0).await, Ok(()));
    assert!(due.elapsed() < SECOND);
    assert_eq!(bench.issuer.attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn no_keys_or_stale_ones_are_never_the_credentials_fault() {
    let cold = Bench::new(|state| state.fault = Some(Fault::Error)).await;
    for age in [0.0, 10_000.0] {
        assert_eq!(cold.ask(0, age).await, UNAVAILABLE);
    }
    assert_eq!(cold.ask_dated(0, None).await, UNAVAILABLE);

    let stale = Bench::new(|_| {}).await;
    stale.issuer.state().fault = Some(Fault::Error);
    sleep(3600 * SECOND).await;
    for age in [0.0, 10_000.0] {
        assert_eq!(stale.ask(0, age).await, UNAVAILABLE);
        assert_eq!(stale.ask(9, age).await, UNAVAILABLE);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_were_asked_for_by_a_fast_clock_do_not_make_tokens_old() {
    let bench = Bench::new(|_| {}).await;
    // The wall clock is an hour ahead while keys are fetched, and is corrected then.
    bench.clock.shift_millis(3_600_000);
    assert_eq!(bench.ask(9, 0.0).await, UNAVAILABLE);
    bench.clock.shift_millis(-3_600_000);
    bench.issuer.state().listed = vec![1, 0];
    // Within the cooldown, and the key is younger than the fetch.
    sleep(SECOND).await;
    assert_eq!(bench.ask(1, 0.0).await, UNAVAILABLE);
    sleep(10 * SECOND).await;
    assert_eq!(bench.ask(1, 10.0).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn keys_are_as_old_as_the_question_for_them_and_not_as_the_answer() {
    let policy = KeyPolicy {
        leeway: Duration::ZERO,
        ..KeyPolicy::default()
    };
    let bench = Bench::cold(policy, |_| {});
    sleep(SECOND).await;
    bench.issuer.state().fault = Some(Fault::Slow(7 * SECOND));
    let stranger = bench.ask(9, 0.0);
    let new_key = async {
        sleep(SECOND).await;
        bench.issuer.state().listed = vec![1, 0];
        let issued_at = bench.seconds_ago(0.0);
        sleep(6 * SECOND + SECOND / 10).await;
        // The response has arrived without the key.
        bench.ask_dated(1, Some(issued_at)).await
    };
    let outcomes = futures_util::future::join(stranger, new_key).await;
    assert_eq!(outcomes, (UNAVAILABLE, UNAVAILABLE));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_over_the_cooldown_wakes_the_refresher() {
    let bench = Bench::new(|_| {}).await;
    assert_eq!(bench.ask(9, 0.0).await, UNAVAILABLE);
    // Demands the attempt after the cooldown.
    assert_eq!(bench.ask(9, 0.0).await, UNAVAILABLE);
    bench.issuer.state().listed = vec![1, 0];
    bench.clock.shift_millis(15_000);
    let began = Instant::now();
    assert_eq!(bench.ask(1, 0.0).await, Ok(()));
    assert!(began.elapsed() < SECOND);
}

#[test]
fn a_runtime_that_is_gone_leaves_known_keys_and_no_wait() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
    };
    // The refresher ends with its runtime, between two attempts or in the middle of one.
    for latency in [SECOND / 10, 3600 * SECOND] {
        let first = runtime();
        let bench = first.block_on(async {
            let bench = Bench::new(|_| {}).await;
            bench.issuer.state().latency = latency;
            let _ = timeout(SECOND / 100, bench.ask(9, 0.0)).await;
            bench
        });
        drop(first);
        runtime().block_on(async {
            assert!(bench.knows(0));
            let status = bench.store.status();
            assert!(status.usable);
            assert_eq!(status.error.unwrap().to_string(), ENDED);
            let began = Instant::now();
            assert_eq!(bench.ask(1, 0.0).await, UNAVAILABLE);
            // Also after the cooldown, whatever the token's age.
            sleep(60 * SECOND).await;
            assert_eq!(bench.ask(1, 0.0).await, UNAVAILABLE);
            assert_eq!(bench.ask(1, 10_000.0).await, UNAVAILABLE);
            assert_eq!(bench.ask_dated(1, None).await, UNAVAILABLE);
            assert_eq!(began.elapsed(), 60 * SECOND);
            bench.clock.shift_millis(3_600_000);
            assert!(!bench.knows(0));
            assert_eq!(bench.ask(0, 0.0).await, UNAVAILABLE);
            assert_eq!(began.elapsed(), 60 * SECOND);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_when_the_refresher_ends_is_told_at_once() {
    // Before the attempt that was asked for begins, and in the middle of it.
    for delay in [Duration::ZERO, SECOND] {
        let mut bench = Bench::new(|_| {}).await;
        bench.issuer.state().fault = Some(Fault::Hang);
        let began = Instant::now();
        let young = Some(bench.seconds_ago(0.0));
        let waiting = join_all((0..10).map(|_| bench.store.wait_for(key(1).kid(), young)));
        let refresher = bench.refresher.take();
        let ending = async {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            drop(refresher);
        };
        let (outcomes, ()) = futures_util::future::join(waiting, ending).await;
        assert!(began.elapsed() < delay + SECOND / 10, "{delay:?}");
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), AuthErrorKind::KeysUnavailable);
            assert_eq!(
                std::error::Error::source(&error).unwrap().to_string(),
                ENDED
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ready_waits_for_keys_and_asks_for_them() {
    let bench = Bench::new(|state| state.fault = Some(Fault::Error)).await;
    assert!(timeout(30 * SECOND, bench.store.ready()).await.is_err());
    bench.issuer.state().fault = None;
    assert!(timeout(11 * SECOND, bench.store.ready()).await.is_ok());
    assert!(bench.knows(0));
    assert!(timeout(SECOND, bench.store.ready()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn kept_keys_end_with_the_staleness_bound_by_whichever_clock_says_more() {
    const MINUTE: Duration = Duration::from_secs(60);

    let bench = Bench::cold(KeyPolicy::default(), |state| {
        state.fault = Some(Fault::Error);
    });
    let kept = |number, age| KeySnapshot {
        text: serde_json::json!({ "keys": [key(number).jwk()] })
            .to_string()
            .into(),
        fetched_at: bench.clock.now().unix() - age,
    };
    let restore = |snapshot| bench.store.restore(&snapshot, &[Algorithm::EdDSA]);
    restore(kept(0, 50 * MINUTE)).unwrap();
    assert!(bench.knows(0));
    assert_eq!(bench.store.status().age, Some(50 * MINUTE));

    // Older keys change nothing, younger ones do; those from the future are refused.
    for age in [51, 50] {
        let superseded = restore(kept(1, age * MINUTE)).unwrap();
        assert_eq!(superseded, Restored::Superseded);
    }
    assert!(bench.knows(0) && !bench.knows(1));
    let mut ahead = kept(1, Duration::ZERO);
    ahead.fetched_at += Duration::from_millis(1);
    assert!(matches!(restore(ahead), Err(SnapshotError::InFuture)));
    restore(kept(1, 49 * MINUTE)).unwrap();
    assert!(bench.knows(1) && !bench.knows(0));

    // A clock that is set back does not extend their use.
    bench.clock.shift_millis(-30 * 60 * 1_000);
    sleep(10 * MINUTE).await;
    assert!(bench.knows(1));
    sleep(MINUTE).await;
    assert!(!bench.knows(1));
    // They are not restored again: by the clock they are young, but the store already has them.
    bench.clock.shift_millis(30 * 60 * 1_000);
    for age in [60, 61] {
        let stale = restore(kept(0, age * MINUTE));
        assert!(matches!(stale, Err(SnapshotError::Stale)));
    }
    restore(kept(0, 60 * MINUTE - SECOND)).unwrap();
    assert!(bench.knows(0));
}
