//! Webhook deliveries.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::state::accounts::Account;
use super::{random, time};

/// The events after which a user may not sign in, or may sign in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WebhookEvent {
    /// `user.disabled`. It is also sent for a window that opens later.
    UserDisabled,
    /// `user.reenabled`.
    UserReenabled,
    /// `user.deleted`.
    UserDeleted,
    /// `user.anonymized`.
    UserAnonymized,
    /// `user.deletion_scheduled`.
    UserDeletionScheduled,
    /// `user.deletion_unscheduled`.
    UserDeletionUnscheduled,
    /// `user.anonymization_scheduled`.
    UserAnonymizationScheduled,
    /// `user.anonymization_unscheduled`.
    UserAnonymizationUnscheduled,
    /// Any other event, which changes nothing (`user.created`, `user.authenticated`, …).
    Other(&'static str),
}

impl WebhookEvent {
    /// The delivery's `type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UserDisabled => "user.disabled",
            Self::UserReenabled => "user.reenabled",
            Self::UserDeleted => "user.deleted",
            Self::UserAnonymized => "user.anonymized",
            Self::UserDeletionScheduled => "user.deletion_scheduled",
            Self::UserDeletionUnscheduled => "user.deletion_unscheduled",
            Self::UserAnonymizationScheduled => "user.anonymization_scheduled",
            Self::UserAnonymizationUnscheduled => "user.anonymization_unscheduled",
            Self::Other(name) => name,
        }
    }

    /// Changes the account to what the event's payload shows.
    pub(super) fn apply(self, account: &mut Account, now: Duration) {
        match self {
            Self::UserDisabled => account.disabled |= account.disabled_window.is_none(),
            Self::UserReenabled => {
                account.disabled = false;
                account.disabled_window = None;
            }
            // Otherwise the payload shows the user as it was before.
            Self::UserDeleted | Self::UserAnonymized => {
                account.user = account.user.clone().can_reauthenticate(false);
            }
            Self::UserDeletionScheduled => {
                account.delete_at.get_or_insert(now + GRACE_PERIOD);
            }
            Self::UserDeletionUnscheduled => account.delete_at = None,
            Self::UserAnonymizationScheduled => {
                account.anonymize_at.get_or_insert(now + GRACE_PERIOD);
            }
            Self::UserAnonymizationUnscheduled => account.anonymize_at = None,
            Self::Other(_) => {}
        }
        account.updated_at = now;
    }
}

/// One delivery of a webhook.
///
/// Its members are those of a real delivery and can be changed. The signature always fits the body.
#[derive(Clone)]
#[must_use]
pub struct Webhook {
    secret: String,
    delivery: Value,
    body: Option<String>,
}

impl Webhook {
    /// The delivery of an event about this account. The event changes a copy of the account.
    pub(super) fn new(
        secret: String,
        seq: u64,
        event: WebhookEvent,
        mut account: Account,
        now: Duration,
    ) -> Self {
        event.apply(&mut account, now);
        let mut payload = json!({ "user": user_json(&account, now.as_secs()) });
        if let (WebhookEvent::UserDisabled, Some((from, until))) = (event, account.disabled_window)
        {
            payload["temporarily_disabled_from"] = json!(date(from));
            payload["temporarily_disabled_until"] = json!(date(until));
        }
        let context = json!({
            "timestamp": now.as_secs(),
            "user_id": account.user.id(),
            "triggered_by": "admin_api",
            "audit_context": {},
            "preferred_languages": [],
            "language": "en",
            "ip_address": "127.0.0.1",
            "geo_location_code": null,
            "user_agent": "fake-authgear",
            "app_id": "fake",
            "tracking_id": random::hash(&random::token()),
        });
        Self {
            secret,
            delivery: json!({
                "id": format!("{seq:016x}"),
                "seq": seq,
                "type": event.name(),
                "payload": payload,
                "context": context,
            }),
            body: None,
        }
    }

    /// Sets `context.timestamp`, in Unix seconds.
    pub fn with_timestamp(self, unix_seconds: u64) -> Self {
        self.set("/context/timestamp", unix_seconds)
    }

    /// Sets the member at a JSON pointer (RFC 6901), such as `/payload/user/id`.
    ///
    /// # Panics
    ///
    /// When the parent of the member is not an object of the delivery.
    pub fn set(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let (members, name) = self.members(pointer);
        members.insert(name, value.into());
        self
    }

    /// Removes the member at a JSON pointer.
    ///
    /// # Panics
    ///
    /// When the parent of the member is not an object of the delivery.
    pub fn remove(mut self, pointer: &str) -> Self {
        let (members, name) = self.members(pointer);
        members.remove(&name);
        self
    }

    /// Replaces the body with these bytes.
    pub fn with_body(mut self, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Signs with this secret.
    pub fn signed_with(mut self, secret: impl Into<String>) -> Self {
        self.secret = secret.into();
        self
    }

    /// The `seq` that orders deliveries.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.delivery["seq"].as_u64().unwrap_or_default()
    }

    /// The body: the bytes that are signed.
    #[must_use]
    pub fn body(&self) -> String {
        let written = || self.delivery.to_string();
        self.body.clone().unwrap_or_else(written)
    }

    /// The value of the header `x-authgear-body-signature`: HMAC-SHA256 of the body, in hex.
    #[must_use]
    pub fn signature(&self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        random::hex(hmac::sign(&key, self.body().as_bytes()).as_ref())
    }

    fn members(&mut self, pointer: &str) -> (&mut serde_json::Map<String, Value>, String) {
        let (parent, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
        let members = self.delivery.pointer_mut(parent);
        let members = members.and_then(Value::as_object_mut);
        let members = members.unwrap_or_else(|| panic!("{pointer} is not in a delivery"));
        (members, name.replace("~1", "/").replace("~0", "~"))
    }
}

/// Prints only the type and `seq`.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("type", &self.delivery["type"])
            .field("seq", &self.delivery["seq"])
            .finish_non_exhaustive()
    }
}

fn user_json(account: &Account, now: u64) -> Value {
    let user = &account.user;
    let mut json = json!({
        "id": user.id(),
        "created_at": time::rfc3339(account.created_at),
        "updated_at": time::rfc3339(account.updated_at),
        "is_anonymous": user.anonymous,
        "is_verified": user.verified,
        "is_disabled": account.is_disabled(now),
        "is_deactivated": false,
        "is_anonymized": account.anonymized,
        "can_reauthenticate": user.can_reauthenticate,
        "standard_attributes": user.standard_attributes(account.updated_at.as_secs()),
        "custom_attributes": {},
        "x_web3": {},
        "roles": user.roles,
        "groups": [],
    });
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            json[name] = json!(value);
        }
    };
    set("last_login_at", account.last_login_at.map(time::rfc3339));
    set("delete_at", account.delete_at.map(time::rfc3339));
    set("delete_reason", account.delete_at.map(|_| String::new()));
    set("anonymize_at", account.anonymize_at.map(time::rfc3339));
    let (from, until) = account.disabled_window.unzip();
    set("temporarily_disabled_from", from.map(date));
    set("temporarily_disabled_until", until.map(date));
    set("account_valid_from", account.valid_from.map(date));
    set("account_valid_until", account.valid_until.map(date));
    json
}

fn date(unix_seconds: u64) -> String {
    time::rfc3339(Duration::from_secs(unix_seconds))
}

/// From the scheduling to the deletion: 30 days.
const GRACE_PERIOD: Duration = Duration::from_secs(30 * 86_400);
