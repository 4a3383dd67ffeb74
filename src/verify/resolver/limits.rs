//! Limits the concurrent and the queued calls of the resolver. A share of both is reserved, so that invented
//! credentials cannot use it up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The limits of the resolver calls.
#[derive(Debug)]
pub(super) struct Limits {
    /// For all credentials.
    open: Share,
    /// For recently confirmed credentials.
    reserved: Share,
    max_wait: Duration,
}

#[derive(Debug)]
struct Share {
    permits: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

/// A place in the queue.
#[derive(Debug)]
pub(super) struct QueueSlot {
    _place: OwnedSemaphorePermit,
    is_known: bool,
}

/// The permit for a call. Dropping it releases the permit.
#[derive(Debug)]
pub(super) struct Permit {
    _turn: OwnedSemaphorePermit,
}

impl Limits {
    /// `in_flight` concurrent calls, of which a quarter is reserved; `queued` waiting calls, and a quarter
    /// as many more that can use the reserved share.
    pub(super) fn new(in_flight: usize, queued: usize, max_wait: Duration) -> Self {
        let reserved = in_flight / 4;
        let share = |permits, queue| Share {
            permits: Arc::new(Semaphore::new(permits)),
            // A call with a permit keeps its place in the queue.
            queue: Arc::new(Semaphore::new(permits + queue)),
        };
        Self {
            open: share(in_flight - reserved, queued),
            reserved: share(reserved, queued / 4),
            max_wait,
        }
    }

    /// A free place in the queue, if there is one.
    pub(super) fn place(&self, is_known: bool) -> Option<QueueSlot> {
        let place = |share: &Share| Arc::clone(&share.queue).try_acquire_owned().ok();
        let found = if is_known {
            place(&self.reserved).or_else(|| place(&self.open))
        } else {
            place(&self.open)
        };
        Some(QueueSlot {
            _place: found?,
            is_known,
        })
    }

    /// Waits for a permit, for a bounded time.
    pub(super) async fn turn(&self, place: &QueueSlot) -> Option<Permit> {
        let open = Arc::clone(&self.open.permits).acquire_owned();
        let turn = if place.is_known {
            let reserved = Arc::clone(&self.reserved.permits).acquire_owned();
            timeout(self.max_wait, async {
                tokio::select! {
                    biased;
                    turn = open => turn,
                    turn = reserved => turn,
                }
            })
            .await
        } else {
            timeout(self.max_wait, open).await
        };
        // The semaphores are never closed.
        Some(Permit {
            _turn: turn.ok()?.ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn strangers_cannot_take_the_reserved_share() {
        let limits = Limits::new(8, 4, Duration::from_secs(1));
        let strangers: Vec<_> = (0..10).filter_map(|_| limits.place(false)).collect();
        assert_eq!(strangers.len(), 10);
        assert!(limits.place(false).is_none(), "the queue is bounded");
        let mut permits = Vec::new();
        for stranger in &strangers[..6] {
            permits.push(limits.turn(stranger).await.unwrap());
        }
        assert!(limits.turn(&strangers[6]).await.is_none());

        // Two permits are left, for recently confirmed credentials.
        let friends: Vec<_> = (0..3).filter_map(|_| limits.place(true)).collect();
        assert_eq!(friends.len(), 3);
        let first = limits.turn(&friends[0]).await.unwrap();
        let _second = limits.turn(&friends[1]).await.unwrap();
        assert!(limits.turn(&friends[2]).await.is_none());
        drop(first);
        assert!(limits.turn(&friends[2]).await.is_some());
        // Recently confirmed credentials can also use a free permit of the open share.
        permits.pop();
        assert!(limits.turn(&friends[2]).await.is_some());
    }
}
