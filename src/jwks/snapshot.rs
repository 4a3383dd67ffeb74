//! [`KeySnapshot`]: the text and the fetch time of a key set, for a start without the network.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::key_set::KeySetError;
use crate::outbound::MAX_BODY;

/// A key set, as the server sent it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeySnapshot {
    pub(crate) text: Bytes,
    /// The start of the fetch, since the Unix epoch, by the wall clock of the process that fetched.
    pub(crate) fetched_at: Duration,
}

/// The part of a file before the text.
#[derive(Deserialize, Serialize)]
struct Head<'h> {
    #[serde(borrow)]
    issuer: Cow<'h, str>,
    fetched_at_millis: u64,
}

impl KeySnapshot {
    /// A file of three parts: a line with the SHA-256 of the rest, a line with the issuer and the fetch
    /// time, and the text.
    ///
    /// The digest detects damage, so that a damaged key refuses no valid token. It does not authenticate
    /// the file: a process that can write in the folder chooses the keys.
    pub(super) fn to_file(&self, issuer: &str) -> Vec<u8> {
        let head = Head {
            issuer: issuer.into(),
            fetched_at_millis: u64::try_from(self.fetched_at.as_millis()).unwrap_or(u64::MAX),
        };
        let mut content = serde_json::to_vec(&head).unwrap_or_default();
        content.push(b'\n');
        content.extend_from_slice(&self.text);
        let mut file = sha256(&content).into_bytes();
        file.push(b'\n');
        file.append(&mut content);
        file
    }

    /// Reads a file that was written for exactly this issuer.
    pub(super) fn from_file(file: &[u8], issuer: &str) -> Result<Self, SnapshotError> {
        let (checksum, content) = split_line(file).ok_or(SnapshotError::Damaged)?;
        if checksum != sha256(content).as_bytes() {
            return Err(SnapshotError::Damaged);
        }
        let (head, text) = split_line(content).ok_or(SnapshotError::Damaged)?;
        let head: Head = serde_json::from_slice(head).map_err(|_| SnapshotError::Damaged)?;
        if head.issuer != issuer {
            return Err(SnapshotError::WrongIssuer);
        }
        if text.len() > MAX_BODY {
            return Err(SnapshotError::TooLong);
        }
        Ok(Self {
            text: Bytes::copy_from_slice(text),
            fetched_at: Duration::from_millis(head.fetched_at_millis),
        })
    }
}

/// The longest file: the text, and room for a digest, an issuer and a time.
pub(super) const MAX_FILE: usize = MAX_BODY + 8 * 1024;

/// In lower-case hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in digest(&SHA256, bytes).as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

/// The text is left out, because it has the names of keys.
impl fmt::Debug for KeySnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySnapshot")
            .field("length", &self.text.len())
            .field("fetched_at", &self.fetched_at)
            .finish()
    }
}

/// Why kept keys are not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("the file is damaged")]
    Damaged,
    #[error("the keys are of another issuer")]
    WrongIssuer,
    #[error("the keys are longer than 256 KiB")]
    TooLong,
    #[error(transparent)]
    Keys(#[from] KeySetError),
    #[error("the keys were fetched in the future, by this machine's clock")]
    InFuture,
    #[error("the keys are older than jwks_max_stale")]
    Stale,
}
