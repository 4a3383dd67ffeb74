//! Users, and what their tokens say of them.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::testkit::random;

/// A user to add to a [`FakeAuthgear`](crate::testkit::FakeAuthgear), and the handle of one that was added.
///
/// As a handle only its [`id`](Self::id) counts: a change is made by the fake's methods, and each
/// token and answer shows the user as it then is.
#[derive(Clone, Debug)]
#[must_use]
pub struct User {
    id: String,
    name: String,
    email: Option<String>,
    pub(in crate::testkit) roles: Vec<String>,
    groups: Vec<(String, Vec<String>)>,
    pub(in crate::testkit) verified: bool,
    pub(in crate::testkit) anonymous: bool,
    can_reauthenticate: bool,
}

impl User {
    /// A user of that username, with a random UUID as id: not anonymous, not verified, able to
    /// reauthenticate, without roles, groups and email address.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            id: random::uuid(),
            name: name.into(),
            email: None,
            roles: Vec::new(),
            groups: Vec::new(),
            verified: false,
            anonymous: false,
            can_reauthenticate: true,
        }
    }

    /// Another id than the random one.
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The roles that the user has directly, in place of those set before.
    pub fn roles<I>(mut self, roles: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Adds the user to a group and so gives it the group's roles: in tokens and at the resolver,
    /// not in webhooks.
    pub fn group<I>(mut self, group: impl Into<String>, roles: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let roles = roles.into_iter().map(Into::into).collect();
        self.groups.push((group.into(), roles));
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

    /// Whether the user has a password or the like to authenticate with again. Default: true.
    pub fn can_reauthenticate(mut self, can_reauthenticate: bool) -> Self {
        self.can_reauthenticate = can_reauthenticate;
        self
    }

    /// The user's email address, which third-party clients and webhooks are told. Default: none.
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

    /// Group roles first, then direct ones, each once.
    pub(in crate::testkit) fn effective_roles(&self) -> Vec<&str> {
        let groups = self.groups.iter().flat_map(|(_, roles)| roles);
        let mut effective: Vec<&str> = Vec::new();
        for role in groups.chain(&self.roles) {
            if !effective.contains(&role.as_str()) {
                effective.push(role);
            }
        }
        effective
    }

    /// The `https://authgear.com/claims/user/…` claims.
    pub(in crate::testkit) fn claims(&self) -> [(&'static str, Value); 4] {
        [
            (
                "https://authgear.com/claims/user/can_reauthenticate",
                json!(self.can_reauthenticate),
            ),
            (
                "https://authgear.com/claims/user/is_anonymous",
                json!(self.anonymous),
            ),
            (
                "https://authgear.com/claims/user/is_verified",
                json!(self.verified),
            ),
            (
                "https://authgear.com/claims/user/roles",
                json!(self.effective_roles()),
            ),
        ]
    }

    /// The resolver's headers about the user.
    pub(in crate::testkit) fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("x-authgear-user-anonymous", self.anonymous.to_string()),
            (
                "x-authgear-user-can-reauthenticate",
                self.can_reauthenticate.to_string(),
            ),
            ("x-authgear-user-id", self.id.clone()),
        ];
        let roles = self.effective_roles();
        if !roles.is_empty() {
            headers.push(("x-authgear-user-roles", roles.join(",")));
        }
        headers.push(("x-authgear-user-verified", self.verified.to_string()));
        headers
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

    pub(in crate::testkit) fn group_keys(&self) -> Vec<&str> {
        self.groups
            .iter()
            .map(|(group, _)| group.as_str())
            .collect()
    }

    pub(in crate::testkit) fn may_reauthenticate(&self) -> bool {
        self.can_reauthenticate
    }
}

/// A user and what became of its account. Times are Unix seconds unless they are durations.
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

    /// What Authgear calls `is_disabled`: now, for whatever reason.
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

/// The users, by id.
#[derive(Default)]
pub(in crate::testkit) struct Accounts(HashMap<String, Account>);

impl Accounts {
    pub(in crate::testkit) fn add(&mut self, user: User, now: Duration) {
        let id = user.id.clone();
        self.0.insert(id, Account::new(user, now));
    }

    pub(in crate::testkit) fn find(&self, id: &str) -> Option<&Account> {
        self.0.get(id)
    }

    pub(in crate::testkit) fn find_mut(&mut self, id: &str) -> Option<&mut Account> {
        self.0.get_mut(id)
    }

    pub(in crate::testkit) fn remove(&mut self, id: &str) -> Option<Account> {
        self.0.remove(id)
    }

    /// The ids of the users who may have no session now.
    pub(in crate::testkit) fn closed(&self, now: u64) -> impl Iterator<Item = String> {
        let closed = move |(_, account): &(&String, &Account)| account.is_disabled(now);
        self.0.iter().filter(closed).map(|(id, _)| id.clone())
    }
}
