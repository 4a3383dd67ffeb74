//! Users, and what their tokens say about them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::testkit::random;

/// A user to add to a [`FakeAuthgear`](crate::testkit::FakeAuthgear), and the handle of one that was added.
///
/// As a handle only its [`id`](Self::id) counts. The fake's methods change the user, and each token
/// and answer shows the user as it is then.
#[derive(Clone, Debug)]
#[must_use]
pub struct User {
    id: String,
    name: String,
    email: Option<String>,
    pub(in crate::testkit) roles: Vec<String>,
    pub(in crate::testkit) verified: bool,
    pub(in crate::testkit) anonymous: bool,
    pub(in crate::testkit) can_reauthenticate: bool,
}

impl User {
    /// A user with this username and a random UUID as id. The user is not anonymous and not
    /// verified, can reauthenticate, and has neither roles nor an email address.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            id: random::uuid(),
            name: name.into(),
            email: None,
            roles: Vec::new(),
            verified: false,
            anonymous: false,
            can_reauthenticate: true,
        }
    }

    /// Replaces the random id.
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Sets the roles. They replace those set before.
    pub fn roles<I>(mut self, roles: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Whether the user has a verified identity. Default: false.
    pub fn verified(mut self, verified: bool) -> Self {
        self.verified = verified;
        self
    }

    /// Whether the user is anonymous. Default: false. An anonymous user's tokens have no `amr`,
    /// and such a user cannot reauthenticate (unless
    /// [`can_reauthenticate`](Self::can_reauthenticate) says so afterwards).
    pub fn anonymous(mut self, anonymous: bool) -> Self {
        self.anonymous = anonymous;
        self.can_reauthenticate = !anonymous;
        self
    }

    /// Whether the user can authenticate again, for example with a password. Default: true.
    pub fn can_reauthenticate(mut self, can_reauthenticate: bool) -> Self {
        self.can_reauthenticate = can_reauthenticate;
        self
    }

    /// The user's email address. The tokens of third-party clients and webhooks contain it. Default:
    /// none.
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// The user id: the `sub` of tokens.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The username.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `https://authgear.com/claims/user/…` claims.
    pub(in crate::testkit) fn claims(&self) -> impl Iterator<Item = (String, Value)> {
        let claims = [
            ("can_reauthenticate", json!(self.can_reauthenticate)),
            ("is_anonymous", json!(self.anonymous)),
            ("is_verified", json!(self.verified)),
            ("roles", json!(self.roles)),
        ];
        let claims = claims.into_iter();
        claims.map(|(name, value)| (format!("https://authgear.com/claims/user/{name}"), value))
    }

    /// The resolver's headers about the user.
    pub(in crate::testkit) fn headers(&self) -> Vec<(String, String)> {
        let roles = Some(self.roles.join(",")).filter(|roles| !roles.is_empty());
        let headers = [
            ("anonymous", Some(self.anonymous.to_string())),
            (
                "can-reauthenticate",
                Some(self.can_reauthenticate.to_string()),
            ),
            ("id", Some(self.id.clone())),
            ("roles", roles),
            ("verified", Some(self.verified.to_string())),
        ];
        let headers = headers.into_iter();
        headers
            .filter_map(|(name, value)| Some((format!("x-authgear-user-{name}"), value?)))
            .collect()
    }

    /// The standard attributes that the user has.
    pub(in crate::testkit) fn standard_attributes(&self, updated_at: u64) -> Map<String, Value> {
        let mut attributes = Map::new();
        if let Some(email) = &self.email {
            attributes.insert("email".to_owned(), json!(email));
            attributes.insert("email_verified".to_owned(), json!(self.verified));
        }
        if !self.anonymous {
            attributes.insert("preferred_username".to_owned(), json!(self.name));
        }
        attributes.insert("updated_at".to_owned(), json!(updated_at));
        attributes
    }
}

/// A user and the state of its account. Times are Unix seconds, or durations since the Unix epoch.
#[derive(Clone, Debug)]
pub(in crate::testkit) struct Account {
    pub(in crate::testkit) user: User,
    pub(in crate::testkit) created_at: Duration,
    pub(in crate::testkit) updated_at: Duration,
    pub(in crate::testkit) last_login_at: Option<Duration>,
    pub(in crate::testkit) disabled: bool,
    pub(in crate::testkit) anonymized: bool,
    pub(in crate::testkit) delete_at: Option<Duration>,
    pub(in crate::testkit) anonymize_at: Option<Duration>,
    /// Disabled for a time: `from..until`.
    pub(in crate::testkit) disabled_window: Option<(u64, u64)>,
    /// Not before, and not from then on.
    pub(in crate::testkit) valid_from: Option<u64>,
    pub(in crate::testkit) valid_until: Option<u64>,
}

impl Account {
    pub(in crate::testkit) fn new(user: User, now: Duration) -> Self {
        Self {
            user,
            created_at: now,
            updated_at: now,
            last_login_at: None,
            disabled: false,
            anonymized: false,
            delete_at: None,
            anonymize_at: None,
            disabled_window: None,
            valid_from: None,
            valid_until: None,
        }
    }

    /// What Authgear calls `is_disabled`: disabled now, for any reason.
    pub(in crate::testkit) fn is_disabled(&self, now: u64) -> bool {
        self.disabled
            || self.anonymized
            || self.delete_at.is_some()
            || self.anonymize_at.is_some()
            || self
                .disabled_window
                .is_some_and(|(from, until)| from <= now && now < until)
            || self.valid_from.is_some_and(|from| now < from)
            || self.valid_until.is_some_and(|until| until <= now)
    }
}
