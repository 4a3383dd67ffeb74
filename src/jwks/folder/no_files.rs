//! On systems where files have no owner and no mode, no file is used. `build()` refuses the option there.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::FolderError;
use crate::jwks::snapshot::KeySnapshot;

#[derive(Debug)]
pub(super) struct KeyFiles;

impl KeyFiles {
    pub(super) fn new(_: PathBuf, _: &str) -> Self {
        Self
    }

    pub(super) fn read(&self) -> Result<Option<KeySnapshot>, FolderError> {
        Err(unsupported())
    }

    pub(super) fn write(&self, _: &KeySnapshot, _: Duration) -> Result<(), FolderError> {
        Err(unsupported())
    }
}

fn unsupported() -> FolderError {
    io::Error::from(io::ErrorKind::Unsupported).into()
}
