//! The background tasks of an `Authgear`, which end with the runtime of `build()`.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::telemetry;

/// A task that never returns. It stops when the last clone of this handle is dropped.
#[derive(Clone, Debug)]
pub(crate) struct BackgroundTask(Arc<AbortOnDrop>);

#[derive(Debug)]
struct AbortOnDrop(AbortHandle);

impl BackgroundTask {
    pub(crate) fn spawn(runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Arc::new(AbortOnDrop(runtime.spawn(task).abort_handle())))
    }

    /// # Errors
    /// The task has stopped, because its runtime has ended.
    pub(crate) fn check(&self) -> Result<(), RuntimeEnded> {
        if self.0.0.is_finished() {
            telemetry::runtime_ended();
            Err(RuntimeEnded)
        } else {
            Ok(())
        }
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The runtime of `build()` has ended, and with it all fetches and calls.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "the runtime on which the Authgear was built has ended (call `build()` on the runtime that \
     serves requests)"
)]
pub(crate) struct RuntimeEnded;
