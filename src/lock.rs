//! Locks for data that a panic elsewhere cannot leave half-changed.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Acquires the lock, also after a panic of an earlier holder.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
