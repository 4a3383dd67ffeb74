//! [`KeyFolder`]: keeps the last good keys of an issuer in a folder, for a start while the issuer is
//! unreachable.
//!
//! A disk can be slow, full, read-only or absent. So all file operations run off the runtime's threads, for
//! a bounded time. A failure is logged, and affects no request.

#[cfg(unix)]
mod files;
#[cfg(not(unix))]
#[path = "no_files.rs"]
mod files;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use self::files::KeyFiles;
use super::snapshot::{KeySnapshot, SnapshotError};
use crate::clock::Clock;
use crate::telemetry;

/// The folder, for one issuer.
#[derive(Debug)]
pub(crate) struct KeyFolder {
    files: Arc<KeyFiles>,
    clock: Clock,
    /// The allowed difference between the clocks of the processes that share the folder.
    leeway: Duration,
    /// At most one thread writes (or hangs).
    writer: Arc<Semaphore>,
    /// Whether the log already says that the folder cannot be used.
    fails: Arc<AtomicBool>,
}

impl KeyFolder {
    pub(crate) fn new(folder: PathBuf, issuer: &str, clock: Clock, leeway: Duration) -> Self {
        Self {
            files: Arc::new(KeyFiles::new(folder, issuer)),
            clock,
            leeway,
            writer: Arc::new(Semaphore::new(1)),
            fails: Arc::new(AtomicBool::new(false)),
        }
    }

    /// The kept keys, if there are any and they pass the checks.
    pub(crate) async fn load(&self) -> Option<KeySnapshot> {
        let files = Arc::clone(&self.files);
        let reading = timeout(READ_TIMEOUT, spawn_blocking(move || files.read()));
        let error = match reading.await {
            Ok(Ok(Ok(snapshot))) => return snapshot,
            Ok(Ok(Err(error))) => error,
            // The runtime ends.
            Ok(Err(_)) => return None,
            Err(_) => FolderError::Slow,
        };
        // Writing will probably fail for the same reason, and one log line is enough.
        let is_of_the_disk = !matches!(error, FolderError::Snapshot(_));
        self.fails.store(is_of_the_disk, Ordering::Relaxed);
        telemetry::kept_keys_unused(&error);
        None
    }

    /// Writes these keys, unless the folder has younger ones. It does not wait. While an earlier write
    /// runs, it skips these keys, because a later write follows soon.
    pub(super) fn save(&self, snapshot: KeySnapshot) {
        let Ok(permit) = Arc::clone(&self.writer).try_acquire_owned() else {
            return;
        };
        let files = Arc::clone(&self.files);
        let fails = Arc::clone(&self.fails);
        let latest = self.clock.now().unix() + self.leeway;
        let writing = spawn_blocking(move || {
            let _permit = permit;
            files.write(&snapshot, latest)
        });
        tokio::spawn(async move {
            match writing.await {
                Ok(Ok(())) if fails.swap(false, Ordering::Relaxed) => telemetry::keys_kept_again(),
                Ok(Err(error)) if error.is_trouble() && !fails.swap(true, Ordering::Relaxed) => {
                    telemetry::keys_not_kept(&error);
                }
                // No change; or the runtime ends.
                Ok(_) | Err(_) => {}
            }
        });
    }
}

/// How long the first fetch waits for the folder.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Why keys were not read or not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("the folder or its file cannot be used")]
    Io(#[from] io::Error),
    #[error("the folder does not answer")]
    Slow,
    #[error("another process holds the lock of the file")]
    Locked,
    #[error("the file or the folder is a link, a pipe or something else")]
    WrongType,
    #[error("another user owns the file or the folder")]
    WrongOwner,
    #[error("the file or the folder is world-writable")]
    WorldWritable,
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl FolderError {
    /// Whether it needs a log line. A locked file does not: another replica is writing it.
    fn is_trouble(&self) -> bool {
        !matches!(self, Self::Locked)
    }
}

#[cfg(all(test, unix))]
#[allow(
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used,
    reason = "a test may panic"
)]
mod tests;
