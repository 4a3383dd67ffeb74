//! Clocks that are ahead: of a replica, and of an entry.

use std::time::{Duration, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::time::sleep;

use super::fake_log::{NOW, Way};
use super::paused;
use super::step::{Ended, Poison, REPLICAS, Step, USERS, name};
use super::world::{Replica, World};
use crate::revocation::store::RevocationStore;
use crate::revocation::table::Table;
use crate::revocation::{RevocationPolicy, Revocations};
use crate::webhook::event::EventType;

const LEAD: u64 = 60 * 60;

/// The last replica's clock is an hour ahead. It ends something before it knows the log, while it is in
/// contact, and while the log is unreachable again.
async fn end_an_hour_ahead(end: impl Fn(&RevocationStore, &str)) -> World {
    let policy = RevocationPolicy {
        retention: None,
        leeway: Duration::from_secs(60),
    };
    let mut world = World::with_lead(LEAD);
    world.log.server().is_down = true;
    for (number, replica) in world.replicas.iter_mut().enumerate() {
        let clock = if number == REPLICAS - 1 {
            &world.leading
        } else {
            &world.clock
        };
        let way = Way {
            log: world.log.clone(),
            replica: number,
            max_staleness: None,
            failovers: None,
        };
        let runtime = Handle::current();
        replica.revocations = Revocations::start_shared(policy, clock.clone(), &runtime, way);
    }
    let ahead = world.replicas[REPLICAS - 1].revocations.store();
    end(ahead, "before");
    world.log.server().is_down = false;
    sleep(Duration::from_secs(10)).await;
    end(ahead, "within");
    sleep(Duration::from_secs(10)).await;
    world.log.server().is_down = true;
    sleep(Duration::from_secs(10)).await;
    end(ahead, "after");
    world.log.server().is_down = false;
    sleep(Duration::from_secs(10)).await;
    world
}

/// All replicas have the same moment, and it is past.
#[track_caller]
fn assert_is_past(world: &World, what: &str, moment: impl Fn(&Table) -> Option<u64>) {
    let of = |replica: &Replica| moment(&replica.revocations.store().table);
    let moments: Vec<_> = world.replicas.iter().map(of).collect();
    let is_past = |moment| (NOW..world.now()).contains(&moment);
    assert!(
        moments[0].is_some_and(is_past) && moments.iter().all(|moment| *moment == moments[0]),
        "{what}: {moments:?}"
    );
}

#[test]
fn a_replica_an_hour_ahead_locks_nobody_out_and_does_not_repeat_itself() {
    paused(async {
        let mut world = end_an_hour_ahead(|ahead, user| {
            ahead.revoke_user(user);
            let seq = user.len() as u64;
            let event = EventType::Disabled.event(seq, NOW + LEAD, None);
            ahead.take(format!("event-{user}").into(), event);
        })
        .await;
        let later = world.now() + 2 * LEAD;
        for user in ["before", "within", "after"] {
            for user in [user, &format!("event-{user}")] {
                assert_is_past(&world, user, |table| table.user(user, later));
            }
        }
        let appended = world.log.server().appended;
        assert!((6..=8).contains(&appended), "{appended}");
        // Audits, and a full read by a starting replica.
        sleep(Duration::from_secs(20 * 60 * 60)).await;
        world.step(Step::Restart(0)).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(world.log.server().appended, appended);
    });
}

/// The local record has that time at once, and not only after its entry was read back.
#[test]
fn a_replica_ahead_revokes_by_the_clock_of_the_log() {
    paused(async {
        let world = World::with_lead(LEAD);
        sleep(Duration::from_secs(10)).await;
        let ahead = world.replicas[REPLICAS - 1].revocations.store();
        ahead.revoke_user("alice");
        let moment = ahead.table.user("alice", NOW + 2 * LEAD).unwrap();
        assert!(moment.abs_diff(world.now()) <= 1, "{}", moment - NOW);
    });
}

#[test]
fn a_replica_an_hour_ahead_locks_no_client_out() {
    paused(async {
        let world = end_an_hour_ahead(RevocationStore::revoke_client).await;
        for client in ["before", "within", "after"] {
            assert_is_past(&world, client, |table| table.client(client));
        }
        for phase in ["before", "within", "after"] {
            let world = end_an_hour_ahead(|ahead, now| {
                if now == phase {
                    ahead.revoke_issued_before(UNIX_EPOCH + Duration::from_secs(NOW + LEAD));
                }
            })
            .await;
            assert_is_past(&world, phase, |table| Some(table.all_issued_before()));
        }
    });
}

/// An entry from the future counts as of its own time in all replicas, and is no longer pending.
#[test]
fn an_entry_of_the_future_counts_as_of_its_own_time() {
    paused(async {
        let mut world = World::new();
        for poison in [
            Poison::End {
                ended: Ended::User(0),
                ahead: 3_600,
            },
            Poison::End {
                ended: Ended::Client(1),
                ahead: 3_600,
            },
            Poison::End {
                ended: Ended::All,
                ahead: 3_600,
            },
            Poison::Event {
                user: 1,
                seq: 7,
                ahead: 3_600,
            },
            Poison::End {
                ended: Ended::User(2),
                ahead: 0,
            },
        ] {
            world.step(Step::Poison(Some(poison))).await;
            world.step(Step::Poison(None)).await;
        }
        sleep(Duration::from_secs(5)).await;
        for replica in &world.replicas {
            for user in 0..USERS {
                let table = &replica.revocations.store().table;
                assert_eq!(table.user(&name(user), NOW + 9_000), Some(NOW));
            }
            let table = &replica.revocations.store().table;
            assert_eq!(table.client(&name(1)), Some(NOW));
            assert_eq!(table.client(&name(0)), None);
            assert_eq!(table.all_issued_before(), NOW + 1);
        }
        assert_eq!(world.log.server().asked, 0, "nothing is told once more");
    });
}
