//! [`FetchSpread`]: limits the concurrent fetches of many projects.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::jwks::store::KeyStore;

/// Limits the number of concurrent fetches for which no request waits.
#[derive(Clone, Debug)]
pub(crate) struct FetchSpread(Arc<Semaphore>);

impl FetchSpread {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_UNATTENDED)))
    }

    /// Waits for a permit, or until a request waits for this attempt: then the attempt needs no permit.
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
