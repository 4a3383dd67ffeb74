//! Nothing to share with, where the crate is built without a log to share through.

use std::convert::Infallible;
use std::future::Ready;
use std::sync::Arc;

use super::record::Record;
use crate::clock::Moment;

/// There is none.
#[derive(Debug)]
pub(super) enum Shared {}

impl Shared {
    pub(super) fn is_settled(&self) -> bool {
        match *self {}
    }

    pub(super) fn settled(&self) -> Ready<()> {
        match *self {}
    }

    pub(super) fn error(&self) -> Option<Arc<Infallible>> {
        match *self {}
    }

    pub(super) fn is_too_old(&self, _: Moment) -> bool {
        match *self {}
    }

    pub(super) fn log_time(&self, _: Moment) -> Option<u64> {
        match *self {}
    }

    pub(super) fn owe(&self, _: Record) {
        match *self {}
    }
}
