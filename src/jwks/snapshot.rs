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
        // It must be an object: a derived deserializer also accepts an array.
        if !head.starts_with(b"{") {
            return Err(SnapshotError::Damaged);
        }
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

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::property::cases::cases;
    use crate::property::mutation::{any_bytes, any_json, recorded};

    const ISSUER: &str = "https://auth.shop.example";

    fn text() -> String {
        recorded("tokens.json")["jwks"].to_string()
    }

    /// A damaged file, and one that another program wrote with the right digest.
    fn any_file() -> impl Strategy<Value = Vec<u8>> {
        static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
            let file = |text: &str, seconds, issuer| {
                let text = Bytes::copy_from_slice(text.as_bytes());
                let fetched_at = Duration::from_secs(seconds);
                KeySnapshot { text, fetched_at }.to_file(issuer)
            };
            vec![
                file(&text(), 1_795_511_258, ISSUER),
                file(&text(), u64::MAX, ISSUER),
                file("", 0, ISSUER),
                file("\n\n", 1, "https://other.example"),
            ]
        });
        static HEADS: LazyLock<Vec<Value>> = LazyLock::new(|| {
            vec![
                json!({ "issuer": ISSUER, "fetched_at_millis": 1_795_511_258_000_u64 }),
                json!({ "issuer": ISSUER, "fetched_at_millis": u64::MAX, "later": [null] }),
                json!({ "issuer": format!("{ISSUER}/"), "fetched_at_millis": 5 }),
                json!([ISSUER, 5]),
            ]
        });
        let content = prop_oneof![
            any_json(&HEADS).prop_map(|head| [&head[..], b"\n", text().as_bytes()].concat()),
            any_bytes(&FILES).prop_map(|file| file.get(65..).unwrap_or_default().to_vec()),
        ];
        let signed =
            content.prop_map(|content| [sha256(&content).as_bytes(), b"\n", &content].concat());
        prop_oneof![1 => any_bytes(&FILES), 3 => signed]
    }

    #[test]
    fn a_head_that_is_no_object_is_damaged() {
        let file = |head: &str| {
            let content = format!("{head}\n{}", text());
            format!("{}\n{content}", sha256(content.as_bytes()))
        };
        let object = format!(r#"{{"fetched_at_millis":5,"issuer":"{ISSUER}"}}"#);
        assert!(KeySnapshot::from_file(file(&object).as_bytes(), ISSUER).is_ok());
        for head in [
            format!(r#"["{ISSUER}",5]"#),
            format!("[{object}]"),
            "null".to_owned(),
        ] {
            let read = KeySnapshot::from_file(file(&head).as_bytes(), ISSUER);
            assert!(matches!(read, Err(SnapshotError::Damaged)), "{head}");
        }
    }

    proptest! {
        #![proptest_config(cases(256, 100_000))]

        #[test]
        fn property_any_file_is_whole_and_of_its_issuer_or_refused(file in any_file()) {
            let mut lines = file.splitn(3, |byte| *byte == b'\n');
            let (checksum, head, text) = (lines.next(), lines.next(), lines.next());
            let content = file.get(checksum.map_or(0, <[u8]>::len) + 1..).unwrap_or_default();
            let is_whole = checksum == Some(sha256(content).as_bytes()) && text.is_some();
            let head = head.unwrap_or_default();
            // Another program wrote it: this one has no blank before it, and each member once.
            let names = ["\"issuer\"", "\"fetched_at_millis\""];
            let text_of_head = String::from_utf8_lossy(head);
            let is_usual = head.starts_with(b"{")
                && names.iter().all(|name| text_of_head.matches(name).count() == 1);
            // 1e999 may stand in a member that is not read, and cannot be held here.
            let head: Option<Value> = serde_json::from_slice(head).ok();
            let member = |name: &str| head.as_ref().and_then(|head| head.get(name));
            let issuer = member("issuer").and_then(Value::as_str);
            let millis = member("fetched_at_millis").and_then(Value::as_u64);
            match KeySnapshot::from_file(&file, ISSUER) {
                Ok(kept) => {
                    prop_assert!(is_whole);
                    let fetched_at = millis.map(Duration::from_millis);
                    let is_as_read = issuer == Some(ISSUER) && fetched_at == Some(kept.fetched_at);
                    prop_assert!(is_as_read || head.is_none());
                    prop_assert_eq!(Some(&kept.text[..]), text);
                    // Written again, it is the same.
                    let again = KeySnapshot::from_file(&kept.to_file(ISSUER), ISSUER);
                    prop_assert!(again.is_ok_and(|again| again == kept));
                    let shown = format!("{kept:?}");
                    prop_assert!(shown.len() < 100, "{}", shown);
                }
                Err(SnapshotError::WrongIssuer) => {
                    prop_assert!(is_whole && issuer != Some(ISSUER));
                }
                Err(SnapshotError::Damaged) => {
                    prop_assert!(!is_whole || !is_usual || issuer.is_none() || millis.is_none());
                }
                Err(error) => prop_assert!(false, "{error}"),
            }
        }
    }
}
