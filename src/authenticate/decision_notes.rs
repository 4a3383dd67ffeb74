//! What inner layers and extractors note for the account of a request.

use std::sync::{Mutex, MutexGuard};

use crate::error::AuthErrorKind;
use crate::lock::lock;
use crate::rejection::RequirementText;

/// The notes of inner layers and extractors for the account.
#[derive(Default)]
pub(crate) struct DecisionNotes(Mutex<Notes>);

#[derive(Default)]
pub(super) struct Notes {
    /// The checked requirements, up to the first one that was not met.
    pub(super) checked: Vec<RequirementText>,
    /// A layer has refused the request, whatever happens to its response.
    pub(super) refusal: Option<AuthErrorKind>,
}

impl DecisionNotes {
    /// A requirement is checked.
    pub(crate) fn checked(&self, requirement: RequirementText) {
        let mut notes = self.lock();
        if notes.checked.len() < MAX_REQUIREMENTS {
            notes.checked.push(requirement);
        }
    }

    /// A layer has refused the request.
    pub(crate) fn refused(&self, kind: AuthErrorKind) {
        self.lock().refusal = Some(kind);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Notes> {
        lock(&self.0)
    }
}

/// The limit of the list: a handler can check in a loop.
const MAX_REQUIREMENTS: usize = 8;
