//! Users and clients made by hand, for a unit test of one handler without a server and a token.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::state::accounts::User;
use super::state::sessions::ACCESS_TOKEN_LIFETIME;
use crate::clock::Clock;
use crate::credential::AccessToken;
use crate::user::{
    AuthClient, AuthUser, Identity, NoClaims, TimeContext, VerifiedBy, VerifiedUser,
};
use crate::verify::unverified_identity;

/// A signed-in user with this id, made by hand.
///
/// By default the user has no role and no scope, is neither verified nor anonymous, and authenticated now
/// with a password. The client is `spa`, and the token expires in 1,800 s.
///
/// ```
/// use axum_authgear::{AuthUser, testkit};
///
/// async fn greet(user: AuthUser) -> String {
///     format!("{}, administrator: {}", user.id(), user.has_role("admin"))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let alice = testkit::auth_user("alice").role("admin").build();
/// assert_eq!(greet(alice).await, "alice, administrator: true");
/// # }
/// ```
pub fn auth_user(id: impl Into<String>) -> UserBuilder {
    let user = User::new("").with_id(id);
    let mut claims = Claims::new(user.id(), ISSUER, "spa");
    claims.set("auth_time", claims.0["iat"].clone());
    claims.set("amr", json!(["pwd", "x_primary_password"]));
    UserBuilder {
        user,
        claims,
        custom: NoClaims,
        verified_by: VerifiedBy::Jwt,
    }
}

/// An OAuth client with this id, made by hand. By default it has no scope, and its token expires in
/// 1,800 s.
///
/// ```
/// use axum_authgear::testkit;
///
/// let worker = testkit::auth_client("worker").scope("read:orders").build();
/// assert_eq!(worker.client_id(), "worker");
/// assert!(worker.has_scope("read:orders"));
/// ```
pub fn auth_client(id: impl Into<String>) -> ClientBuilder {
    let id = id.into();
    let subject = format!("client_id_{id}");
    ClientBuilder {
        claims: Claims::new(&subject, "https://api.example.com", &id),
    }
}

/// An access token made by hand, for a handler that takes an [`AccessToken`]. It is not verified.
///
/// ```
/// use axum_authgear::testkit;
///
/// assert_eq!(testkit::access_token("a.b.c").expose(), "a.b.c");
/// ```
pub fn access_token(text: impl AsRef<str>) -> AccessToken {
    AccessToken::new(text.as_ref())
}

/// Describes an [`AuthUser`]. Begin with [`auth_user`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build()` is called"]
pub struct UserBuilder<C = NoClaims> {
    user: User,
    claims: Claims,
    custom: C,
    verified_by: VerifiedBy,
}

impl<C> UserBuilder<C> {
    /// Adds a role.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.user.roles.push(role.into());
        self
    }

    /// Adds a scope, or several separated by spaces. It includes no other scope:
    /// [`scope_includes`](crate::AuthgearBuilder::scope_includes) applies only to verified tokens.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.claims.add_scope(&scope.into());
        self
    }

    /// Whether the user has a verified identity. Default: false.
    pub fn verified(mut self, verified: bool) -> Self {
        self.user.verified = verified;
        self
    }

    /// Whether the user is anonymous. Default: false. An anonymous user has no `amr` and cannot
    /// reauthenticate, unless [`amr`](Self::amr) and
    /// [`can_reauthenticate`](Self::can_reauthenticate) say so afterwards.
    pub fn anonymous(mut self, anonymous: bool) -> Self {
        self.user = self.user.anonymous(anonymous);
        if anonymous {
            self.claims.set("amr", Value::Null);
        }
        self
    }

    /// Whether the user can authenticate again. Default: true.
    pub fn can_reauthenticate(mut self, can_reauthenticate: bool) -> Self {
        self.user.can_reauthenticate = can_reauthenticate;
        self
    }

    /// How the user authenticated. Default: `pwd`, `x_primary_password`.
    pub fn amr<I: IntoIterator<Item: Into<String>>>(mut self, methods: I) -> Self {
        let methods: Vec<String> = methods.into_iter().map(Into::into).collect();
        self.claims.set("amr", methods);
        self
    }

    /// When the user authenticated, in Unix seconds, or `None`. Default: now, by the system's
    /// clock.
    pub fn auth_time(mut self, unix_seconds: impl Into<Option<u64>>) -> Self {
        self.claims.set("auth_time", unix_seconds.into());
        self
    }

    /// The OAuth client, or `None`. Default: `spa`.
    pub fn client_id<'i>(mut self, id: impl Into<Option<&'i str>>) -> Self {
        self.claims.set("client_id", id.into());
        self
    }

    /// When the token was issued, in Unix seconds, or `None`. Default: now, by the system's clock.
    pub fn issued_at(mut self, unix_seconds: impl Into<Option<u64>>) -> Self {
        self.claims.set("iat", unix_seconds.into());
        self
    }

    /// When the token expires, in Unix seconds, or `None`. Default: in 1,800 s. It is not checked.
    pub fn expires_at(mut self, unix_seconds: impl Into<Option<u64>>) -> Self {
        self.claims.set("exp", unix_seconds.into());
        self
    }

    /// How the user was verified. Default: [`VerifiedBy::Jwt`].
    pub fn verified_by(mut self, method: VerifiedBy) -> Self {
        self.verified_by = method;
        self
    }

    /// The custom claims, of your own type. The result is an `AuthUser<T>`.
    pub fn claims<T>(self, claims: T) -> UserBuilder<T> {
        UserBuilder {
            user: self.user,
            claims: self.claims,
            custom: claims,
            verified_by: self.verified_by,
        }
    }

    /// The user.
    #[must_use]
    pub fn build(mut self) -> AuthUser<C> {
        self.claims.0.extend(self.user.claims());
        AuthUser::new(Arc::new(VerifiedUser {
            signed_by: None,
            identity: self.claims.into_identity(),
            claims: self.custom,
            method: self.verified_by,
            time: TimeContext {
                clock: Clock::default(),
                leeway: LEEWAY,
            },
        }))
    }
}

/// Describes an [`AuthClient`]. Begin with [`auth_client`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build()` is called"]
pub struct ClientBuilder {
    claims: Claims,
}

impl ClientBuilder {
    /// Adds a scope, or several separated by spaces.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.claims.add_scope(&scope.into());
        self
    }

    /// The resource that the token is for. Default: `https://api.example.com`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.claims.set("aud", audience.into());
        self
    }

    /// When the token expires, in Unix seconds, or `None`. Default: in 1,800 s. It is not checked.
    pub fn expires_at(mut self, unix_seconds: impl Into<Option<u64>>) -> Self {
        self.claims.set("exp", unix_seconds.into());
        self
    }

    /// The client.
    #[must_use]
    pub fn build(self) -> AuthClient {
        AuthClient::new(Arc::new(self.claims.into_identity()))
    }
}

/// The claims that a token would have. `null` leaves one out.
#[derive(Clone, Debug)]
struct Claims(Map<String, Value>);

impl Claims {
    fn new(subject: &str, audience: &str, client_id: &str) -> Self {
        let now = Clock::default().now().unix().as_secs();
        let claims = [
            ("iss", json!(ISSUER)),
            ("sub", json!(subject)),
            ("aud", json!(audience)),
            ("client_id", json!(client_id)),
            ("iat", json!(now)),
            ("exp", json!(now + ACCESS_TOKEN_LIFETIME)),
        ];
        let claims = claims.map(|(name, value)| (name.to_owned(), value));
        Self(Map::from_iter(claims))
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn add_scope(&mut self, scope: &str) {
        let before = self.0.get("scope").and_then(Value::as_str);
        let all = format!("{} {scope}", before.unwrap_or_default());
        self.set("scope", all);
    }

    fn into_identity(mut self) -> Identity {
        self.0.retain(|_, value| !value.is_null());
        unverified_identity(Value::Object(self.0).to_string())
    }
}

const ISSUER: &str = "https://project.authgear.test";
/// The builder's default.
const LEEWAY: Duration = Duration::from_secs(60);
