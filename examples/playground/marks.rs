//! The last marks: one for each request.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One request.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) row: usize,
    /// When it was sent, in milliseconds since the start.
    pub(crate) at: u64,
    /// The duration until the response, in milliseconds.
    pub(crate) took: f64,
    /// The status of the response; 0 without one.
    pub(crate) status: u16,
}

impl Mark {
    pub(crate) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the status is a refusal.
    pub(crate) fn is_refused(&self) -> bool {
        (400..500).contains(&self.status)
    }
}

/// The last marks of all rows.
pub(crate) struct Marks {
    start: Instant,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    marks: VecDeque<Mark>,
    /// How many were removed at the front.
    dropped: u64,
}

impl Marks {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            kept: Mutex::default(),
        }
    }

    /// Milliseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn add(&self, mark: Mark) {
        let mut kept = lock(&self.kept);
        kept.marks.push_back(mark);
        if kept.marks.len() > MAX_MARKS {
            kept.marks.pop_front();
            kept.dropped += 1;
        }
    }

    /// The marks that were added since `cursor`, and the next cursor.
    pub(crate) fn since(&self, cursor: u64) -> (Vec<Mark>, u64) {
        let kept = lock(&self.kept);
        let skip = usize::try_from(cursor.saturating_sub(kept.dropped)).unwrap_or(usize::MAX);
        let marks = kept.marks.iter().skip(skip).copied().collect();
        (marks, kept.dropped + kept.marks.len() as u64)
    }

    /// The marks of requests that were sent at `at` or later.
    pub(crate) fn sent_since(&self, at: u64) -> Vec<Mark> {
        let kept = lock(&self.kept);
        kept.marks
            .iter()
            .filter(|mark| mark.at >= at)
            .copied()
            .collect()
    }

    /// The last status of each row; 0 without one.
    pub(crate) fn last_statuses(&self, rows: usize) -> Vec<u16> {
        let mut statuses = vec![0; rows];
        for mark in &lock(&self.kept).marks {
            statuses[mark.row] = mark.status;
        }
        statuses
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// About two minutes.
const MAX_MARKS: usize = 8_192;
