//! Who may ask the resolver, and when: so many at once, so many who wait, and a share of both that
//! invented credentials cannot use up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bounds on the questions to the resolver.
#[derive(Debug)]
pub(super) struct Admission {
    /// For everyone.
    open: Lane,
    /// For credentials that were confirmed a short while ago.
    reserved: Lane,
    patience: Duration,
}

#[derive(Debug)]
struct Lane {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// A place in the queue.
#[derive(Debug)]
pub(super) struct Place {
    _place: OwnedSemaphorePermit,
    is_known: bool,
}

/// The turn to ask: over when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _turn: OwnedSemaphorePermit,
}

impl Admission {
    /// `in_flight` questions at once, a quarter of them reserved; `queued` that wait, and a quarter
    /// as many more that may use the reserved share.
    pub(super) fn new(in_flight: usize, queued: usize, patience: Duration) -> Self {
        let reserved = in_flight / 4;
        let lane = |turns, places| Lane {
            turns: Arc::new(Semaphore::new(turns)),
            // Whoever has its turn keeps its place.
            places: Arc::new(Semaphore::new(turns + places)),
        };
        Self {
            open: lane(in_flight - reserved, queued),
            reserved: lane(reserved, queued / 4),
            patience,
        }
    }

    /// A place to wait, if there is one.
    pub(super) fn place(&self, is_known: bool) -> Option<Place> {
        let place = |lane: &Lane| Arc::clone(&lane.places).try_acquire_owned().ok();
        let found = if is_known {
            place(&self.reserved).or_else(|| place(&self.open))
        } else {
            place(&self.open)
        };
        Some(Place {
            _place: found?,
            is_known,
        })
    }

    /// Waits for the turn to ask, for a bounded time.
    pub(super) async fn turn(&self, place: &Place) -> Option<Turn> {
        let open = Arc::clone(&self.open.turns).acquire_owned();
        let turn = if place.is_known {
            let reserved = Arc::clone(&self.reserved.turns).acquire_owned();
            timeout(self.patience, async {
                tokio::select! {
                    biased;
                    turn = open => turn,
                    turn = reserved => turn,
                }
            })
            .await
        } else {
            timeout(self.patience, open).await
        };
        // The semaphores are never closed.
        Some(Turn {
            _turn: turn.ok()?.ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn strangers_cannot_take_the_reserved_share() {
        let admission = Admission::new(8, 4, Duration::from_secs(1));
        let strangers: Vec<_> = (0..10).filter_map(|_| admission.place(false)).collect();
        assert_eq!(strangers.len(), 10);
        assert!(admission.place(false).is_none(), "the queue is bounded");
        let mut turns = Vec::new();
        for stranger in &strangers[..6] {
            turns.push(admission.turn(stranger).await.unwrap());
        }
        assert!(admission.turn(&strangers[6]).await.is_none());

        // Two turns are left, and they are for friends.
        let friends: Vec<_> = (0..3).filter_map(|_| admission.place(true)).collect();
        assert_eq!(friends.len(), 3);
        let first = admission.turn(&friends[0]).await.unwrap();
        let _second = admission.turn(&friends[1]).await.unwrap();
        assert!(admission.turn(&friends[2]).await.is_none());
        drop(first);
        assert!(admission.turn(&friends[2]).await.is_some());
        // A free turn of the open share is for friends, too.
        turns.pop();
        assert!(admission.turn(&friends[2]).await.is_some());
    }
}
