//! Locks of data that a panic elsewhere cannot have left half-changed.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for the lock, whatever became of those who had it before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
