//! [`FetchSpread`]: many projects do not fetch all at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::jwks::store::KeyStore;

/// Bounds how many fetches go on at one time that no request waits for.
#[derive(Clone, Debug)]
pub(crate) struct FetchSpread(Arc<Semaphore>);

impl FetchSpread {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_UNATTENDED)))
    }

    /// Waits for a turn, or for a request that waits for the attempt which has begun: then there is no
    /// turn to wait for, and none is taken.
    pub(super) async fn turn(&self, store: &KeyStore) -> Option<OwnedSemaphorePermit> {
        let attempt = store.state().attempt;
        let wanted = async {
            while !store.is_wanted(attempt) {
                store.demand().await;
            }
        };
        tokio::select! {
            biased;
            () = wanted => None,
            turn = Arc::clone(&self.0).acquire_owned() => turn.ok(),
        }
    }
}

const MAX_UNATTENDED: usize = 16;
