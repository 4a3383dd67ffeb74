//! The schedule of fetches without demand.

use std::time::Duration;

use tokio::time::sleep;

use crate::jwks::KeyPolicy;
use crate::simulation::issuer::{Bench, Fault, HANG};

const MINUTE: Duration = Duration::from_secs(60);
/// That of the default policy.
const COOLDOWN: Duration = Duration::from_secs(10);

fn gaps(bench: &Bench) -> Vec<f64> {
    bench
        .times()
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .collect()
}

#[tokio::test(start_paused = true)]
async fn keys_are_renewed_at_80_percent_of_the_interval_and_up_to_a_tenth_before() {
    let bench = Bench::new(|_| {}).await;
    sleep(60 * MINUTE).await;
    let gaps = gaps(&bench);
    assert!(gaps.len() > 10, "{gaps:?}");
    assert!(
        gaps.iter().all(|gap| (216.0..240.1).contains(gap)),
        "{gaps:?}"
    );
    // With jitter, so that many processes do not fetch at the same time.
    assert!(gaps.iter().any(|gap| (gap - gaps[0]).abs() > 0.1));
}

#[tokio::test(start_paused = true)]
async fn max_age_counts_between_a_minute_and_half_of_the_staleness_bound() {
    for (max_age, wanted) in [
        (0, 60.0),
        (5, 60.0),
        (60, 60.0),
        (600, 600.0),
        (36_000, 1800.0),
        (u64::MAX, 1800.0),
    ] {
        let bench = Bench::new(|state| state.max_age = Some(Duration::from_secs(max_age))).await;
        sleep(35 * MINUTE).await;
        let gaps = gaps(&bench);
        let range = wanted * 0.72..wanted * 0.8 + 0.1;
        assert!(!gaps.is_empty());
        assert!(
            gaps.iter().all(|gap| range.contains(gap)),
            "{max_age}: {gaps:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_after_one_second_then_twice_as_long_up_to_a_minute() {
    let bench = Bench::new(|_| {}).await;
    bench.issuer.state().fault = Some(Fault::Error);
    sleep(15 * MINUTE).await;
    let failed = &gaps(&bench)[1..];
    assert!(failed.len() > 10, "{failed:?}");
    for (gap, least) in failed.iter().zip([1.0_f64, 2.0, 4.0, 8.0, 16.0, 32.0]) {
        // With the same again for jitter.
        assert!(
            (least..(2.0 * least).min(60.0) + 0.1).contains(gap),
            "{failed:?}"
        );
    }
    assert!(
        failed[6..].iter().all(|gap| (60.0..60.1).contains(gap)),
        "{failed:?}"
    );

    // It recovers within one backoff, without a request, and the next failure starts the backoff again.
    bench.issuer.state().fault = None;
    sleep(MINUTE + Duration::from_millis(100)).await;
    assert!(bench.store.status().error.is_none());
    let before = bench.issuer.attempts();
    bench.issuer.state().fault = Some(Fault::Error);
    sleep(5 * MINUTE).await;
    let gaps = gaps(&bench);
    assert!((1.0..2.1).contains(&gaps[before]), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn without_usable_keys_nobody_need_ask_for_a_retry_once_a_cooldown() {
    for (cooldown, fault) in [
        (COOLDOWN, Fault::Error),
        (COOLDOWN, Fault::Gone),
        (COOLDOWN, Fault::Garbage),
        (COOLDOWN, Fault::Empty),
        (COOLDOWN, Fault::Hang),
        (3 * COOLDOWN, Fault::Error),
        (COOLDOWN / 5, Fault::Error),
    ] {
        let policy = KeyPolicy {
            cooldown,
            ..KeyPolicy::default()
        };
        let bench = Bench::cold(policy, |state| state.fault = Some(fault));
        sleep(10 * MINUTE).await;
        let gaps = gaps(&bench);
        // A pause follows an attempt that took as long as the cooldown.
        let pause = if matches!(fault, Fault::Hang) {
            1.0
        } else {
            0.0
        };
        let most = cooldown.as_secs_f64() + pause + 0.1;
        assert!(gaps.iter().all(|gap| *gap <= most), "{fault:?}: {gaps:?}");
        // A shorter backoff comes first, then at most one attempt per cooldown.
        assert!(gaps[0] >= cooldown.as_secs_f64().min(1.0), "{gaps:?}");
        let least = most - 0.2;
        assert!(
            gaps[6..].iter().all(|gap| *gap > least),
            "{fault:?}: {gaps:?}"
        );

        // Authgear is up again.
        bench.issuer.state().fault = None;
        sleep(cooldown + HANG + Duration::from_millis(1_100)).await;
        assert!(bench.knows(0), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_get_stale_between_two_retries_bring_the_next_one_forward() {
    let policy = KeyPolicy {
        max_stale: 6 * MINUTE,
        ..KeyPolicy::default()
    };
    let bench = Bench::cold(policy, |_| {});
    sleep(MINUTE).await;
    bench.issuer.state().fault = Some(Fault::Error);
    sleep(15 * MINUTE).await;
    let times = bench.times();
    let stale = policy.max_stale.as_secs_f64();
    let most = COOLDOWN.as_secs_f64() + 0.1;
    let after: Vec<f64> = times.iter().copied().filter(|time| *time > stale).collect();
    assert!(after[0] - stale <= most, "{times:?}");
    assert!(
        after.windows(2).all(|pair| pair[1] - pair[0] <= most),
        "{times:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_was_suspended_fetches_without_being_asked() {
    let bench = Bench::new(|_| {}).await;
    sleep(MINUTE).await;
    // The timers stopped; the wall clock did not.
    bench.clock.shift_millis(2 * 60 * 60 * 1000);
    assert!(!bench.knows(0));
    sleep(COOLDOWN + Duration::from_millis(100)).await;
    assert!(bench.knows(0));
    assert_eq!(bench.issuer.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_of_no_use_leaves_the_old_one_and_its_age() {
    for fault in [
        Fault::Error,
        Fault::Gone,
        Fault::Garbage,
        Fault::Empty,
        Fault::Hang,
    ] {
        let bench = Bench::new(|_| {}).await;
        bench.issuer.state().fault = Some(fault);
        sleep(59 * MINUTE).await;
        assert!(bench.knows(0), "{fault:?}");
        let status = bench.store.status();
        assert!(status.usable && status.error.is_some());
        assert!(status.age.is_some_and(|age| age > 58 * MINUTE));

        sleep(MINUTE).await;
        assert!(!bench.knows(0), "{fault:?}");
        assert!(!bench.store.status().usable);

        bench.issuer.state().fault = None;
        sleep(MINUTE + HANG + Duration::from_millis(100)).await;
        assert!(bench.knows(0), "{fault:?}");
        let status = bench.store.status();
        assert!(status.usable && status.error.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn discovery_is_asked_again_where_an_answer_was_wrong_and_not_where_there_was_none() {
    for (fault, starts_over) in [
        (Fault::Garbage, true),
        (Fault::Empty, true),
        (Fault::Gone, true),
        (Fault::Error, false),
        (Fault::Hang, false),
    ] {
        let bench = Bench::new(|state| state.fault = Some(fault)).await;
        sleep(HANG).await;
        let started_over = bench.issuer.state().started_over;
        assert_eq!(started_over > 0, starts_over, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn age_is_counted_by_whichever_clock_says_more() {
    // A suspended machine: only the wall clock runs.
    let bench = Bench::new(|state| state.latency = Duration::from_secs(1)).await;
    sleep(MINUTE).await;
    assert!(bench.knows(0));
    bench.clock.shift_millis(60 * 60 * 1000);
    assert!(!bench.knows(0));
    // The first request makes it recover.
    assert_eq!(bench.ask(0, 0.0).await, Ok(()));
    bench.clock.shift_millis(-60 * 60 * 1000);
    assert!(bench.knows(0));

    // A wall clock that is set back repeatedly extends nothing.
    bench.issuer.state().fault = Some(Fault::Error);
    for _ in 0..60 {
        sleep(MINUTE).await;
        bench.clock.shift_millis(-60_000);
    }
    assert!(!bench.knows(0));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_refresher_asks_no_more() {
    let mut bench = Bench::new(|_| {}).await;
    let before = bench.issuer.attempts();
    bench.refresher = None;
    sleep(60 * MINUTE).await;
    assert_eq!(bench.issuer.attempts(), before);
}
