//! [`UserKey`]: identifies a user among all projects.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::AuthUser;

/// The issuer and the id of a user. Together they identify the user, for rate limits, audits and storage.
///
/// With several projects an id is not enough: the operator of a project can choose an id that another
/// project uses. From [`AuthUser::key`]. A clone is cheap.
///
/// ```
/// use std::collections::HashMap;
///
/// use axum_authgear::{AuthUser, UserKey};
///
/// fn count(requests: &mut HashMap<UserKey, u64>, user: &AuthUser) {
///     *requests.entry(user.key()).or_default() += 1;
/// }
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserKey {
    /// The issuer, `#`, and the id. An issuer contains no `#`, so the first one is the separator.
    text: Arc<str>,
}

impl UserKey {
    pub(super) fn new(issuer: &str, id: &str) -> Self {
        Self {
            text: [issuer, "#", id].concat().into(),
        }
    }

    /// The issuer: the project's endpoint.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.parts().0
    }

    /// The user's id in that project.
    #[must_use]
    pub fn id(&self) -> &str {
        self.parts().1
    }

    /// The key as one text, for storage: `https://my-project.authgear.cloud#the-id`. Two users never have
    /// the same text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn parts(&self) -> (&str, &str) {
        self.text.split_once('#').unwrap_or_default()
    }
}

/// The hash of the text, so that a map can also be queried by the text.
impl Hash for UserKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl std::borrow::Borrow<str> for UserKey {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

/// Shows only the issuer: an accidental log line must name no user.
impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserKey")
            .field("issuer", &self.issuer())
            .finish_non_exhaustive()
    }
}

impl<C> AuthUser<C> {
    /// The key that identifies this user among all projects.
    #[must_use]
    pub fn key(&self) -> UserKey {
        UserKey::new(self.issuer(), self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_users_have_one_key() {
        let keys = [
            UserKey::new("https://a.example", "alice"),
            UserKey::new("https://b.example", "alice"),
            UserKey::new("https://a.example", "bob"),
            UserKey::new("https://a.example", "#alice"),
            UserKey::new("https://a.example", "b#alice"),
            UserKey::new("https://a.example:8443", "alice"),
        ];
        for (index, key) in keys.iter().enumerate() {
            for other in &keys[index + 1..] {
                assert_ne!(key, other);
                assert_ne!(key.as_str(), other.as_str());
            }
        }
        assert_eq!(keys[4].issuer(), "https://a.example");
        assert_eq!(keys[4].id(), "b#alice");
    }

    #[test]
    fn a_key_shows_no_id_by_accident() {
        let key = UserKey::new("https://a.example", "alice");
        assert_eq!(
            format!("{key:?}"),
            r#"UserKey { issuer: "https://a.example", .. }"#
        );
    }
}
