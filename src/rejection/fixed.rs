//! What is the same in every refusal of a kind, made once: a flood of bad tokens should not cost more
//! than it must.

use bytes::Bytes;
use http::HeaderValue;
use serde::Serialize;

use super::challenge;
use super::template::refusal;
use crate::error::{AuthErrorKind, PerKind};

static TEXTS: PerKind<FixedTexts> = PerKind::new();

/// The texts of one kind.
pub(super) struct FixedTexts {
    /// The JSON of the body.
    pub(super) body: Bytes,
    /// The challenge without what is configured and without what would be enough.
    pub(super) challenge: Option<HeaderValue>,
}

impl FixedTexts {
    /// What `pick` takes of the texts of this kind.
    pub(super) fn of<T>(kind: AuthErrorKind, pick: impl FnOnce(&Self) -> T) -> T {
        TEXTS.with(kind, Self::new, pick)
    }

    fn new(kind: AuthErrorKind) -> Self {
        #[derive(Serialize)]
        struct Content {
            error: &'static str,
            error_description: &'static str,
        }

        let refusal = refusal(kind);
        let content = Content {
            error: refusal.code,
            error_description: kind.description(),
        };
        Self {
            // Two strings: this cannot fail.
            body: serde_json::to_vec(&content).unwrap_or_default().into(),
            challenge: refusal
                .challenge
                .and_then(|form| challenge::value(form, kind.description(), None, None)),
        }
    }
}
