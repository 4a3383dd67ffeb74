//! Nothing to share with, where the crate is built without a log to share through.

use std::convert::Infallible;
use std::future::Ready;
use std::sync::Arc;

use crate::clock::Moment;
use crate::revocation::record::Record;

/// There is none.
#[derive(Debug)]
pub(in crate::revocation) enum Shared {}

impl Shared {
    pub(in crate::revocation) fn is_settled(&self) -> bool {
        match *self {}
    }

    pub(in crate::revocation) fn settled(&self) -> Ready<()> {
        match *self {}
    }

    pub(in crate::revocation) fn error(&self) -> Option<Arc<Infallible>> {
        match *self {}
    }

    pub(in crate::revocation) fn is_too_old(&self, _: Moment) -> bool {
        match *self {}
    }

    pub(in crate::revocation) fn log_time(&self, _: Moment) -> Option<u64> {
        match *self {}
    }

    pub(in crate::revocation) fn owe(&self, _: Record) {
        match *self {}
    }
}
