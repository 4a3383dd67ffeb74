//! Callers made by hand: for a unit test of one handler, without a server and without a token.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::credential::AccessToken;
use crate::user::{
    AuthClient, AuthUser, Identity, NoClaims, NumericDate, TextReader, TimeContext, VerifiedBy,
    VerifiedUser,
};

/// A signed-in user with this id, made by hand.
///
/// The defaults are the least that a user can be: no role, no scope, not verified; not anonymous,
/// of the client `spa`, authenticated just now with a password, for another 1,800 s.
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
    let now = Clock::default().now().unix().as_secs();
    UserBuilder {
        facts: Facts {
            subject: id.into(),
            issuer: ISSUER.to_owned(),
            client_id: Some("spa".to_owned()),
            scopes: Vec::new(),
            audiences: vec![ISSUER.to_owned()],
            roles: Vec::new(),
            amr: vec!["pwd".to_owned(), "x_primary_password".to_owned()],
            is_anonymous: false,
            is_verified: false,
            can_reauthenticate: true,
            auth_time: Some(now),
            issued_at: Some(now),
            expires_at: Some(now + LIFETIME),
        },
        claims: NoClaims,
        verified_by: VerifiedBy::Jwt,
    }
}

/// A machine, the OAuth client of this id, made by hand: without a scope, for another 1,800 s.
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
    let now = Clock::default().now().unix().as_secs();
    ClientBuilder {
        facts: Facts {
            subject: format!("client_id_{id}"),
            issuer: ISSUER.to_owned(),
            client_id: Some(id),
            audiences: vec!["https://api.example.com".to_owned()],
            is_anonymous: true,
            issued_at: Some(now),
            expires_at: Some(now + LIFETIME),
            ..Facts::default()
        },
    }
}

/// An access token made by hand, for a handler that takes an [`AccessToken`]. Nothing checks it.
///
/// ```
/// use axum_authgear::testkit;
///
/// assert_eq!(testkit::access_token("a.b.c").expose(), "a.b.c");
/// ```
pub fn access_token(text: impl AsRef<str>) -> AccessToken {
    AccessToken::new(text.as_ref())
}

/// An [`AuthUser`] in the making, from [`auth_user`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build()` is called"]
pub struct UserBuilder<C = NoClaims> {
    facts: Facts,
    claims: C,
    verified_by: VerifiedBy,
}

impl<C> UserBuilder<C> {
    /// Adds a role.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.facts.roles.push(role.into());
        self
    }

    /// Adds a scope, or several separated by spaces. It includes no other: what a builder declares with
    /// [`scope_includes`](crate::AuthgearBuilder::scope_includes) is known to verified tokens alone.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.facts.scopes.push(scope.into());
        self
    }

    /// Whether the user has a verified identity. Default: false.
    pub fn verified(mut self, verified: bool) -> Self {
        self.facts.is_verified = verified;
        self
    }

    /// Whether the user is anonymous. Default: false. An anonymous user has no `amr` and cannot
    /// reauthenticate, unless [`amr`](Self::amr) and
    /// [`can_reauthenticate`](Self::can_reauthenticate) say so afterwards.
    pub fn anonymous(mut self, anonymous: bool) -> Self {
        self.facts.is_anonymous = anonymous;
        self.facts.can_reauthenticate = !anonymous;
        if anonymous {
            self.facts.amr.clear();
        }
        self
    }

    /// Whether the user could be asked to authenticate again. Default: true.
    pub fn can_reauthenticate(mut self, can_reauthenticate: bool) -> Self {
        self.facts.can_reauthenticate = can_reauthenticate;
        self
    }

    /// How the user authenticated. Default: `pwd`, `x_primary_password`.
    pub fn amr<I: IntoIterator<Item: Into<String>>>(mut self, methods: I) -> Self {
        self.facts.amr = methods.into_iter().map(Into::into).collect();
        self
    }

    /// When the user authenticated, in Unix seconds, or `None`. Default: now, by the system's
    /// clock.
    pub fn auth_time(mut self, unix_seconds: impl Into<Option<u64>>) -> Self {
        self.facts.auth_time = unix_seconds.into();
        self
    }

    /// The OAuth client, or `None`. Default: `spa`.
    pub fn client_id<'i>(mut self, id: impl Into<Option<&'i str>>) -> Self {
        self.facts.client_id = id.into().map(str::to_owned);
        self
    }

    /// When the token was issued, in Unix seconds, or `None`. Default: now, by the system's clock.
    pub fn issued_at(mut self, unix_seconds: impl Into<Option<u64>>) -> Self {
        self.facts.issued_at = unix_seconds.into();
        self
    }

    /// When the token expires, in Unix seconds, or `None`. Default: in 1,800 s. Nothing checks it.
    pub fn expires_at(mut self, unix_seconds: impl Into<Option<u64>>) -> Self {
        self.facts.expires_at = unix_seconds.into();
        self
    }

    /// How the user was verified. Default: [`VerifiedBy::Jwt`].
    pub fn verified_by(mut self, method: VerifiedBy) -> Self {
        self.verified_by = method;
        self
    }

    /// The custom claims, of a type of your own: the result is an `AuthUser<T>`.
    pub fn claims<T>(self, claims: T) -> UserBuilder<T> {
        UserBuilder {
            facts: self.facts,
            claims,
            verified_by: self.verified_by,
        }
    }

    /// The user.
    #[must_use]
    pub fn build(self) -> AuthUser<C> {
        AuthUser::new(Arc::new(VerifiedUser {
            signed_by: None,
            identity: self.facts.into_identity(),
            claims: self.claims,
            method: self.verified_by,
            time: TimeContext {
                clock: Clock::default(),
                leeway: LEEWAY,
            },
        }))
    }
}

/// An [`AuthClient`] in the making, from [`auth_client`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build()` is called"]
pub struct ClientBuilder {
    facts: Facts,
}

impl ClientBuilder {
    /// Adds a scope, or several separated by spaces.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.facts.scopes.push(scope.into());
        self
    }

    /// The resource that the token is for. Default: `https://api.example.com`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.facts.audiences = vec![audience.into()];
        self
    }

    /// When the token expires, in Unix seconds, or `None`. Default: in 1,800 s. Nothing checks it.
    pub fn expires_at(mut self, unix_seconds: impl Into<Option<u64>>) -> Self {
        self.facts.expires_at = unix_seconds.into();
        self
    }

    /// The machine.
    #[must_use]
    pub fn build(self) -> AuthClient {
        AuthClient::new(Arc::new(self.facts.into_identity()))
    }
}

/// What a credential would have said.
#[derive(Clone, Debug, Default)]
struct Facts {
    subject: String,
    issuer: String,
    client_id: Option<String>,
    scopes: Vec<String>,
    audiences: Vec<String>,
    roles: Vec<String>,
    amr: Vec<String>,
    is_anonymous: bool,
    is_verified: bool,
    can_reauthenticate: bool,
    auth_time: Option<u64>,
    issued_at: Option<u64>,
    expires_at: Option<u64>,
}

impl Facts {
    fn into_identity(self) -> Identity {
        // There is no token: each text is appended to an empty one.
        let text = String::new();
        let mut reader = TextReader::new(&text);
        let mut identity = Identity {
            subject: reader.span(&self.subject),
            issuer: reader.span(&self.issuer),
            client_id: self.client_id.map(|id| reader.span(&id)),
            scope: reader.span(&self.scopes.join(" ")),
            is_identified: !self.is_anonymous,
            is_verified: self.is_verified,
            can_reauthenticate: self.can_reauthenticate,
            auth_time: self.auth_time.map(numeric_date),
            issued_at: self.issued_at.map(numeric_date),
            expires_at: self.expires_at.map(numeric_date),
            ..Identity::default()
        };
        for (list, members) in [
            (&mut identity.audiences, &self.audiences),
            (&mut identity.roles, &self.roles),
            (&mut identity.amr, &self.amr),
        ] {
            let mark = reader.mark();
            for member in members {
                reader.push(member);
            }
            *list = reader.list_since(mark);
        }
        identity.text = reader.finish(text);
        identity
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact for some hundred million years"
)]
fn numeric_date(unix_seconds: u64) -> NumericDate {
    NumericDate(unix_seconds as f64)
}

const ISSUER: &str = "https://project.authgear.test";
const LIFETIME: u64 = 1_800;
/// The builder's default.
const LEEWAY: Duration = Duration::from_secs(60);
