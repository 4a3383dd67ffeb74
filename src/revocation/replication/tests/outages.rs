//! A log that is unreachable, does not answer, or refuses writes.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;

use super::fake_log::NOW;
use super::paused;
use super::step::Step;
use super::world::{World, identity};
use crate::error::AuthErrorKind;
use crate::revocation::Revocations;
use crate::revocation::record::Record;
use crate::revocation::replication::outbox::MAX_FRESH;

#[test]
fn out_of_contact_for_too_long_refuses_users_until_contact_is_regained() {
    paused(async {
        let world = World::new();
        let most = Duration::from_secs(30);
        let replica = world.replica(7, Some(most)).revocations;
        let now = || world.clock.now();
        let user = || identity("user-0", Some(world.now()), world.now() + 1800, 0);
        let kind = || {
            replica
                .store()
                .check(&user(), now())
                .err()
                .map(|error| error.kind())
        };
        sleep(Duration::from_secs(120)).await;
        assert_eq!(kind(), None);
        assert!(replica.store().outage().is_none());

        for fault in [Step::Cut(7), Step::Down(true)] {
            let mut world = World {
                log: world.log.clone(),
                clock: world.clock.clone(),
                leading: world.leading.clone(),
                replicas: vec![],
                deliveries: vec![],
                arrivals: BTreeMap::new(),
            };
            world.step(fault).await;
            sleep(Duration::from_secs(20)).await;
            assert_eq!(kind(), None);
            assert!(!replica.store().outage().unwrap().refuses);
            sleep(Duration::from_secs(11)).await;
            assert_eq!(kind(), Some(AuthErrorKind::RevocationsUnavailable));
            assert!(replica.store().outage().unwrap().refuses);
            world.heal().await;
            assert_eq!(kind(), None);
            assert!(replica.store().outage().is_none());
        }
    });
}

#[test]
fn an_outage_goes_on_when_the_revocations_are_replaced() {
    paused(async {
        let mut world = World::new();
        let clock = world.clock.clone();
        let most = Duration::from_secs(30);
        let kind = |revocations: &Revocations| {
            let now = clock.now().unix().as_secs();
            let user = identity("user-0", Some(now), now + 1800, 0);
            let checked = revocations.store().check(&user, clock.now());
            checked.err().map(|error| error.kind())
        };
        let earlier = world.replica(7, Some(most)).revocations;
        let other = world.replica(8, Some(most)).revocations;
        sleep(Duration::from_secs(10)).await;
        world.step(Step::Cut(7)).await;
        sleep(Duration::from_secs(20)).await;
        let replaced = world.replica(7, Some(most)).revocations;
        replaced.store().take_over(earlier.store());
        assert!(replaced.store().outage().is_some());
        sleep(Duration::from_secs(5)).await;
        assert_eq!(kind(&replaced), None);
        sleep(Duration::from_secs(6)).await;
        assert_eq!(kind(&replaced), Some(AuthErrorKind::RevocationsUnavailable));
        // Near miss: an answer of its own counts, and no earlier outage.
        other.store().take_over(earlier.store());
        assert!(other.store().outage().is_none());
        assert_eq!(kind(&other), None);
        world.heal().await;
        assert_eq!(kind(&replaced), None);
        assert!(replaced.store().outage().is_none());
    });
}

#[test]
fn a_log_that_takes_nothing_is_asked_seldom_and_read_all_the_time() {
    for (code, most) in [("OOM", 0), ("NOPERM", 0), ("READONLY", 2)] {
        paused(async {
            let mut world = World::new();
            sleep(Duration::from_secs(5)).await;
            let [first, other, _] = &world.replicas[..] else {
                panic!("three")
            };
            world.log.server().refusal = Some(code);
            for number in 0..2_000 {
                first
                    .revocations
                    .store()
                    .revoke_user(&format!("user-{number}"));
            }
            sleep(Duration::from_secs(30)).await;
            let counts = || {
                let server = world.log.server();
                (server.asked, server.connections)
            };
            let before = counts();
            sleep(Duration::from_secs(30 * 60)).await;
            let after = counts();
            let (asked, connections) = (after.0 - before.0, after.1 - before.1);
            // At most every 5 s, and not at the same time as others.
            assert!((350..=750).contains(&asked), "{code}: {asked}");
            // Two for each attempt if another server may have taken over.
            assert!(
                connections <= asked * most,
                "{code}: {connections} of {asked}"
            );
            let outage = first.revocations.store().outage().unwrap();
            assert!(!outage.refuses && outage.error.to_string().contains(code));
            assert!(other.revocations.store().outage().is_none());

            // Another notation is parsed, too.
            world.log.server().push(Some(Record::User {
                user: "elsewhere".into(),
                revoked_before: NOW,
            }));
            world.log.1.notify_waiters();
            sleep(Duration::from_secs(1)).await;
            assert_eq!(
                first.revocations.store().table.user("elsewhere", NOW),
                Some(NOW)
            );

            world.log.server().refusal = None;
            sleep(Duration::from_secs(10)).await;
            assert!(first.revocations.store().outage().is_none());
            assert_eq!(other.revocations.store().table.len(), 2_001, "{code}");
            let appended = world.log.server().appended;
            assert_eq!(appended, 2_001, "each once");
            world.check();
            world.step(Step::Wait(0)).await;
        });
    }
}

#[test]
fn records_beyond_a_full_queue_are_appended_after_the_outage() {
    paused(async {
        let mut world = World::new();
        // So that the replica need not read from the start.
        world.replicas[1].revocations.store().revoke_user("first");
        sleep(Duration::from_secs(5)).await;
        world.step(Step::Down(true)).await;
        let count = MAX_FRESH + 500;
        for number in 0..count {
            let user = format!("user-{number}");
            world.replicas[0].revocations.store().revoke_user(&user);
        }
        world.heal().await;
        for replica in &world.replicas {
            assert_eq!(replica.revocations.store().table.len(), count + 1);
        }
        assert_eq!(world.log.server().appended, count + 1, "each once");
    });
}

#[test]
fn requests_wait_only_for_the_first_read_and_at_most_two_seconds() {
    paused(async {
        let world = World::new();
        world.replicas[0].revocations.store().revoke_user("user-0");
        sleep(Duration::from_secs(5)).await;

        let late = world.replica(1, None);
        assert!(!late.revocations.store().is_synced());
        late.revocations.store().synced().await;
        assert!(late.started.elapsed() < Duration::from_millis(500));
        assert!(late.revocations.store().is_synced());
        assert_eq!(
            late.revocations.store().table.user("user-0", world.now()),
            Some(NOW)
        );

        world.log.server().is_down = true;
        let refused = world.replica(1, None);
        refused.revocations.store().synced().await;
        assert!(refused.started.elapsed() < Duration::from_millis(100));
        assert!(refused.revocations.store().is_synced());

        world.log.server().is_down = false;
        world.log.server().hangs = true;
        let hanging = world.replica(1, None);
        hanging.revocations.store().synced().await;
        assert_eq!(hanging.started.elapsed().as_secs(), 2);
        assert!(hanging.revocations.store().is_synced());
    });
}
