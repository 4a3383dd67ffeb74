//! The state that all seals of a layer share.

use std::sync::Arc;

use super::reported::Reported;

#[derive(Clone, Debug)]
pub(super) struct SealSettings {
    pub(super) authgear: u64,
    pub(super) open_routes: Vec<String>,
    pub(super) opens_preflights: bool,
    pub(super) reported: Arc<Reported>,
}
