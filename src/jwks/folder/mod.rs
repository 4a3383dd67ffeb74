//! [`KeyFolder`]: keeps the last good keys of an issuer in a folder, so that they serve at the next
//! start, also while the issuer is away.
//!
//! Disks are slow, full, read-only or not there: all that is done off the runtime's threads, within a
//! bounded time, and whatever fails costs a line in the log and no request.

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
    issuer: Arc<str>,
    files: Arc<KeyFiles>,
    clock: Clock,
    /// How far the clocks of those who share the folder may differ.
    leeway: Duration,
    /// One thread at most is writing, or hangs.
    writer: Arc<Semaphore>,
    /// Whether it was told already that the folder cannot be used.
    fails: Arc<AtomicBool>,
}

impl KeyFolder {
    pub(crate) fn new(folder: PathBuf, issuer: &str, clock: Clock, leeway: Duration) -> Self {
        Self {
            issuer: issuer.into(),
            files: Arc::new(KeyFiles::new(folder, issuer)),
            clock,
            leeway,
            writer: Arc::new(Semaphore::new(1)),
            fails: Arc::new(AtomicBool::new(false)),
        }
    }

    /// The keys that were kept, if there are any and they may be believed.
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
        // Most likely they cannot be written for the same reason, which one line tells.
        let is_of_the_disk = !matches!(error, FolderError::Snapshot(_));
        self.fails.store(is_of_the_disk, Ordering::Relaxed);
        telemetry::kept_keys_unused(&self.issuer, &error);
        None
    }

    /// Keeps these keys, unless younger ones are there. It does not wait. While the last ones are
    /// still being written, it leaves these out: the next ones come soon.
    pub(super) fn save(&self, snapshot: KeySnapshot) {
        let Ok(permit) = Arc::clone(&self.writer).try_acquire_owned() else {
            return;
        };
        let issuer = Arc::clone(&self.issuer);
        let files = Arc::clone(&self.files);
        let fails = Arc::clone(&self.fails);
        let latest = self.clock.now().unix() + self.leeway;
        let writing = spawn_blocking(move || {
            let _permit = permit;
            files.write(&snapshot, latest)
        });
        tokio::spawn(async move {
            match writing.await {
                Ok(Ok(())) if fails.swap(false, Ordering::Relaxed) => {
                    telemetry::keys_kept_again(&issuer);
                }
                Ok(Err(error)) if error.is_trouble() && !fails.swap(true, Ordering::Relaxed) => {
                    telemetry::keys_not_kept(&issuer, &error);
                }
                // As last time; or the runtime ends.
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
    #[error("what should be a file or a folder is a link, a pipe or something else")]
    WrongType,
    #[error("another user owns the file or the folder")]
    WrongOwner,
    #[error("everybody may write to the file or the folder")]
    WorldWritable,
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl FolderError {
    /// Whether somebody should look after it. A file that is locked is being written by another replica.
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
