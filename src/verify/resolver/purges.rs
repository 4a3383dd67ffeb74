//! Notifies long connections that the answers about their user were removed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;

use crate::lock::lock;

/// The users with waiting connections, and these connections.
#[derive(Default)]
pub(super) struct Purges(Mutex<Watched>);

type Watched = HashMap<Box<str>, watch::Sender<()>>;

/// Waits for purges of one user. The user has an entry only while such a wait exists.
pub(crate) struct PurgeWatch {
    purges: Arc<Purges>,
    user: Box<str>,
    purged: watch::Receiver<()>,
}

impl Purges {
    /// From now on.
    pub(super) fn watch(self: &Arc<Self>, user: &str) -> PurgeWatch {
        let purged = {
            let mut watched = self.watched();
            watched.entry(user.into()).or_default().subscribe()
        };
        PurgeWatch {
            purges: Arc::clone(self),
            user: user.into(),
            purged,
        }
    }

    /// Wakes only the connections of this user.
    pub(super) fn tell(&self, user: &str) {
        let sender = self.watched().get(user).cloned();
        if let Some(sender) = sender {
            sender.send_replace(());
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        lock(&self.0)
    }
}

impl PurgeWatch {
    /// Returns when the user was purged since the last call.
    pub(crate) async fn purged(&mut self) {
        if self.purged.changed().await.is_err() {
            // This cannot happen: the entry exists as long as this value.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for PurgeWatch {
    fn drop(&mut self) {
        let mut watched = self.purges.watched();
        // This value is included in the count.
        let is_last = watched
            .get(&self.user)
            .is_some_and(|sender| sender.receiver_count() <= 1);
        let removed = is_last.then(|| watched.remove(&self.user));
        drop(watched);
        drop(removed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_purge_wakes_those_who_wait_for_that_user_and_nothing_is_left_of_them() {
        let purges = Arc::new(Purges::default());
        let mut alice = purges.watch("alice");
        let mut again = purges.watch("alice");
        let mut bob = purges.watch("bob");
        purges.tell("alice");
        purges.tell("carol");
        assert!(alice.purged().now_or_never().is_some());
        assert!(alice.purged().now_or_never().is_none());
        assert!(bob.purged().now_or_never().is_none());
        drop(alice);
        assert_eq!(purges.watched().len(), 2);
        assert!(again.purged().now_or_never().is_some());
        drop((again, bob));
        assert!(purges.watched().is_empty());
    }
}
