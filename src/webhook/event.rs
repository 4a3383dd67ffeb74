//! The events of webhook deliveries.
//!
//! Pure functions of the bytes. The signature covers only the body and no time, so it does not prevent a
//! replay. The way in which events are applied makes a repeated or late delivery harmless.

use serde_json::{Map, Value};

use super::date;
use crate::revocation::record::Event;

/// The events that change revocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum EventType {
    Disabled,
    Reenabled,
    Deleted,
    Anonymized,
    DeletionScheduled,
    DeletionUnscheduled,
    AnonymizationScheduled,
    AnonymizationUnscheduled,
}

impl EventType {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "user.disabled" => Self::Disabled,
            "user.reenabled" => Self::Reenabled,
            "user.deleted" => Self::Deleted,
            "user.anonymized" => Self::Anonymized,
            "user.deletion_scheduled" => Self::DeletionScheduled,
            "user.deletion_unscheduled" => Self::DeletionUnscheduled,
            "user.anonymization_scheduled" => Self::AnonymizationScheduled,
            "user.anonymization_unscheduled" => Self::AnonymizationUnscheduled,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Disabled => "user.disabled",
            Self::Reenabled => "user.reenabled",
            Self::Deleted => "user.deleted",
            Self::Anonymized => "user.anonymized",
            Self::DeletionScheduled => "user.deletion_scheduled",
            Self::DeletionUnscheduled => "user.deletion_unscheduled",
            Self::AnonymizationScheduled => "user.anonymization_scheduled",
            Self::AnonymizationUnscheduled => "user.anonymization_unscheduled",
        }
    }

    /// The effect on the user's tokens. `ahead` is the account's window after the event, if it has not
    /// begun yet.
    pub(crate) fn event(self, seq: u64, at: u64, ahead: Option<u64>) -> Event {
        let (ends, window) = match self {
            // "Will be disabled": nothing is revoked before the window.
            Self::Disabled => (ahead.is_none(), ahead),
            Self::Reenabled => (false, None),
            Self::Deleted
            | Self::Anonymized
            | Self::DeletionScheduled
            | Self::AnonymizationScheduled => (true, ahead),
            Self::DeletionUnscheduled | Self::AnonymizationUnscheduled => (false, ahead),
        };
        Event {
            seq,
            at,
            ends,
            window,
        }
    }
}

/// A delivery with a valid signature.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) event_type: EventType,
    pub(crate) user: Box<str>,
    /// Its time is that of the event, which can be in the future.
    pub(crate) event: Event,
}

/// Parses the body of a delivery. `None` for an event that changes nothing here.
///
/// # Errors
/// The body is no delivery: it is not JSON, or lacks a member that every delivery has.
pub(crate) fn read(body: &[u8]) -> Result<Option<Delivery>, Malformed> {
    let body: Value = serde_json::from_slice(body).map_err(|_| Malformed)?;
    let body = body.as_object().ok_or(Malformed)?;
    text(body, "id")?;
    let seq = number(body, "seq")?;
    let payload = object(body, "payload")?;
    let at = number(object(body, "context")?, "timestamp")?;
    if at > date::LAST_SECOND {
        return Err(Malformed);
    }
    let Some(event_type) = EventType::from_name(text(body, "type")?) else {
        return Ok(None);
    };
    let user = object(payload, "user")?;
    let id = text(user, "id")?;
    if id.is_empty() || id.len() > MAX_ID {
        return Err(Malformed);
    }
    let begin = match event_type {
        // The window of the event, or else that of the user.
        EventType::Disabled => date(payload, WINDOW)?.or(date(user, WINDOW)?),
        _ => date(user, WINDOW)?,
    };
    Ok(Some(Delivery {
        event_type,
        user: id.into(),
        event: event_type.event(seq, at, begin.filter(|begin| *begin > at)),
    }))
}

/// The body of a delivery cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

const WINDOW: &str = "temporarily_disabled_from";
/// No token can have a longer subject.
const MAX_ID: usize = 8 * 1024;

type Object = Map<String, Value>;

fn object<'o>(object: &'o Object, name: &str) -> Result<&'o Object, Malformed> {
    object.get(name).and_then(Value::as_object).ok_or(Malformed)
}

pub(super) fn text<'o>(object: &'o Object, name: &str) -> Result<&'o str, Malformed> {
    object.get(name).and_then(Value::as_str).ok_or(Malformed)
}

/// An integer that is not negative.
fn number(object: &Object, name: &str) -> Result<u64, Malformed> {
    object.get(name).and_then(Value::as_u64).ok_or(Malformed)
}

/// The second of a date or, if it has a fraction, the next second.
fn date(object: &Object, name: &str) -> Result<Option<u64>, Malformed> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => date::parse(text).map(Some).ok_or(Malformed),
        Some(_) => Err(Malformed),
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("event_type", &self.event_type)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(name: &str, payload: &str) -> String {
        format!(
            r#"{{"id":"0000000000000007","seq":7,"type":"{name}","payload":{payload},"context":{{"timestamp":1000}}}}"#
        )
    }

    fn event(name: &str, payload: &str) -> Event {
        let delivery = read(delivery(name, payload).as_bytes()).unwrap().unwrap();
        assert_eq!((&*delivery.user, delivery.event_type.name()), ("u", name));
        delivery.event
    }

    #[test]
    fn events_say_what_ends_and_which_window_lies_ahead() {
        let ahead = r#"{"user":{"id":"u","temporarily_disabled_from":"1970-01-01T00:16:41Z"}}"#;
        let begun = r#"{"user":{"id":"u","temporarily_disabled_from":"1970-01-01T00:16:40Z"}}"#;
        let own = r#"{"temporarily_disabled_from":"1970-01-01T00:16:41Z","user":{"id":"u"}}"#;
        let plain = r#"{"user":{"id":"u","temporarily_disabled_from":null}}"#;
        for (name, payload, ends, window) in [
            ("user.disabled", plain, true, None),
            ("user.disabled", begun, true, None),
            ("user.disabled", ahead, false, Some(1001)),
            ("user.disabled", own, false, Some(1001)),
            ("user.reenabled", plain, false, None),
            ("user.reenabled", ahead, false, None),
            ("user.deleted", plain, true, None),
            ("user.anonymized", plain, true, None),
            ("user.deletion_scheduled", ahead, true, Some(1001)),
            ("user.anonymization_scheduled", plain, true, None),
            ("user.deletion_unscheduled", ahead, false, Some(1001)),
            ("user.anonymization_unscheduled", plain, false, None),
        ] {
            let expected = Event {
                seq: 7,
                at: 1000,
                ends,
                window,
            };
            assert_eq!(event(name, payload), expected, "{name} {payload}");
        }
    }

    #[test]
    fn what_is_unknown_makes_no_difference_but_must_be_a_delivery() {
        let unknown = delivery("user.created", "{}");
        assert_eq!(read(unknown.as_bytes()), Ok(None));
        for (from, to) in [
            ("\"id\":\"0000000000000007\",", ""),
            ("\"seq\":7", "\"seq\":-7"),
            ("\"seq\":7", "\"seq\":\"7\""),
            ("\"seq\":7", "\"seq\":7.0"),
            ("\"type\":\"user.created\",", ""),
            ("\"payload\":{}", "\"payload\":[]"),
            ("\"payload\":{},", ""),
            ("\"timestamp\":1000", ""),
            ("\"timestamp\":1000", "\"timestamp\":-1"),
            ("\"timestamp\":1000", "\"timestamp\":1000.0"),
            ("\"timestamp\":1000", "\"timestamp\":1e3"),
            ("\"timestamp\":1000", "\"timestamp\":\"1000\""),
            ("\"timestamp\":1000", "\"timestamp\":253402300800"),
            ("\"timestamp\":1000", "\"timestamp\":18446744073709551616"),
            ("}}", "}"),
            ("}}", "}} x"),
        ] {
            let bad = unknown.replacen(from, to, 1);
            assert_ne!(bad, unknown);
            assert_eq!(read(bad.as_bytes()), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn a_known_event_needs_its_user() {
        for payload in [
            "{}",
            r#"{"user":null}"#,
            r#"{"user":{}}"#,
            r#"{"user":{"id":7}}"#,
            r#"{"user":{"id":""}}"#,
            r#"{"user":{"id":"u","temporarily_disabled_from":"tomorrow"}}"#,
            r#"{"user":{"id":"u","temporarily_disabled_from":1001}}"#,
        ] {
            for name in ["user.disabled", "user.reenabled"] {
                let body = delivery(name, payload);
                assert_eq!(read(body.as_bytes()), Err(Malformed), "{body}");
            }
        }
        assert_eq!(read(b"\"\xff\""), Err(Malformed));
        assert_eq!(read(b""), Err(Malformed));
    }
}
