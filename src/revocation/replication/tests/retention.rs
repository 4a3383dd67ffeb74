//! How long a revocation is known, and who appends it again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;

use super::fake_log::NOW;
use super::paused;
use super::step::{Pick, REPLICAS, RETENTION, Step};
use super::world::World;
use crate::clock::Clock;
use crate::revocation::RevocationPolicy;
use crate::revocation::record::{Event, Record};
use crate::revocation::store::RevocationStore;
use crate::webhook::event::EventType;

#[test]
fn a_window_far_ahead_outlives_the_log_and_its_taking_back_too() {
    paused(async {
        let mut world = World::new();
        let disabled = |user| Step::Happen {
            user,
            event_type: EventType::Disabled,
            skew: 0,
            window: Some(6 * RETENTION),
        };
        let deliver = |delivery| Step::Deliver {
            delivery: Pick(delivery),
            replica: 0,
        };
        for step in [disabled(0), deliver(0), disabled(1), deliver(0)] {
            world.step(step).await;
        }
        sleep(Duration::from_secs(2 * RETENTION)).await;
        let back = Step::Happen {
            user: 1,
            event_type: EventType::Reenabled,
            skew: 0,
            window: None,
        };
        for step in [back, deliver(0)] {
            world.step(step).await;
        }
        // Other replicas start and stop, and read it only from the log.
        for _ in 0..8 {
            sleep(Duration::from_secs(RETENTION / 2)).await;
            world.step(Step::Restart(1)).await;
            world.step(Step::Restart(2)).await;
        }
        sleep(Duration::from_secs(5)).await;
        world.check_agreement();
        let table = &world.replicas[2].revocations.store().table;
        let later = NOW + 7 * RETENTION;
        assert_eq!(table.user("user-0", later), Some(NOW + 6 * RETENTION));
        assert_eq!(table.user("user-1", later), None);
        // Each record is in the log a few times, and the number does not grow.
        assert!(world.log.server().entries.len() < 40);
    });
}

/// Later entries hide that the log has removed an earlier one.
#[test]
fn a_window_far_ahead_outlives_a_busy_log() {
    paused(async {
        let mut world = World::new();
        let steps = [
            Step::Happen {
                user: 0,
                event_type: EventType::Disabled,
                skew: 0,
                window: Some(6 * RETENTION),
            },
            Step::Deliver {
                delivery: Pick(0),
                replica: 0,
            },
        ];
        for step in steps {
            world.step(step).await;
        }
        let full_reads = world.log.server().full_reads;
        for minute in 0..5 * RETENTION / 60 {
            let others = world.replicas[1].revocations.store();
            others.revoke_user(&format!("other-{minute}"));
            sleep(Duration::from_secs(60)).await;
        }
        // Each replica reads all of it four to seven times for each retention.
        let full_reads = world.log.server().full_reads - full_reads;
        let often = 5 * REPLICAS;
        assert!(
            (4 * often..=7 * often).contains(&full_reads),
            "{full_reads}"
        );
        world.step(Step::Restart(2)).await;
        sleep(Duration::from_secs(5)).await;
        let table = &world.replicas[2].revocations.store().table;
        let later = NOW + 7 * RETENTION;
        assert_eq!(table.user("user-0", later), Some(NOW + 6 * RETENTION));
        assert_eq!(table.user("other-0", later), None);
        // A few times for each retention.
        let server = world.log.server();
        let is_of = |record: &Option<Record>| match record {
            Some(Record::Event { user, .. }) => **user == *"user-0",
            _ => false,
        };
        let kept = server.entries.iter().filter(|(_, record)| is_of(record));
        assert!((1..=8).contains(&kept.count()));
    });
}

#[test]
fn replicas_that_know_a_lot_share_the_work_of_telling_it() {
    paused(async {
        let world = World::new();
        for number in 0..5_000 {
            world.replicas[0]
                .revocations
                .store()
                .revoke_user(&format!("user-{number}"));
        }
        sleep(Duration::from_secs(60)).await;
        assert_eq!(world.replicas[2].revocations.store().table.len(), 5_000);
        let before = world.log.server().appended;
        assert_eq!(before, 5_000, "each is appended once");
        world.log.server().entries.clear();
        sleep(Duration::from_secs(60)).await;
        let again = world.log.server().appended - before;
        assert!((5_000..15_000).contains(&again), "{again}");
        let late = world.replica(1, None);
        sleep(Duration::from_secs(20)).await;
        assert_eq!(late.revocations.store().table.len(), 5_000);
    });
}

/// A record that is still in the log must not be removed while the log is compared with the table.
#[test]
fn nothing_is_forgotten_while_the_log_is_read() {
    let policy = RevocationPolicy {
        retention: Some(Duration::from_secs(60)),
        leeway: Duration::ZERO,
    };
    let known = RevocationStore::new(policy, Clock::frozen_at(1_000));
    known.revoke_user("alice");
    let keeping = known.keep_all();
    known.sweep(1_000, 1_061);
    assert_eq!(known.table.len(), 1);
    drop(keeping);
    known.sweep(1_061, 1_061);
    assert_eq!(known.table.len(), 0);
}

#[test]
fn an_end_that_was_announced_before_is_told_when_it_comes() {
    let policy = RevocationPolicy {
        retention: None,
        leeway: Duration::ZERO,
    };
    let known = RevocationStore::new(policy, Clock::frozen_at(1_000));
    known.apply(&Record::Event {
        user: "alice".into(),
        event: Event {
            seq: 1,
            at: 1_000,
            ends: false,
            window: Some(1_030),
        },
    });
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&told);
    known.on_change(Box::new(move |user| {
        ear.lock().unwrap().push(user.to_owned());
    }));
    known.sweep(1_000, 1_029);
    assert!(told.lock().unwrap().is_empty());
    known.sweep(1_029, 1_089);
    known.sweep(1_089, 1_149);
    assert_eq!(*told.lock().unwrap(), ["alice"]);
}
