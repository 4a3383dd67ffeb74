//! The log as a stream in Redis or Valkey.
//!
//! Each project has a stream (`stream`). All streams are read and written over the two connections of a
//! `link`, which `server` opens and replaces. On one of these, `news` waits.

mod address;
mod connection;
mod entry;
mod errors;
mod link;
mod news;
mod server;
mod stream;
mod tls;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::server::RedisServer;
use self::stream::{PageSize, StreamConnection};
use super::log::{Log, LogError};
use crate::secret::Secret;
use crate::telemetry::LogName;

/// A Redis (6.2 or later) or Valkey server that all replicas of an API share. A revocation in one replica
/// reaches all others.
///
/// ```
/// use std::time::Duration;
/// use axum_authgear::{Authgear, RedisConfig};
///
/// # fn build() -> Result<(), axum_authgear::ConfigError> {
/// let authgear = Authgear::builder("https://my-project.authgear.cloud")
///     .redis(
///         RedisConfig::new("rediss://shop:a-password@redis.internal:6380/0")
///             .key_prefix("shop:")
///             .max_staleness(Duration::from_secs(300)),
///     );
/// # Ok(())
/// # }
/// ```
///
/// The server is trusted: everyone who can write to it can revoke users. All replicas of an API must use the
/// same [`revocation_retention`](crate::AuthgearBuilder::revocation_retention).
#[derive(Clone)]
#[must_use = "this does nothing until it is given to a builder"]
pub struct RedisConfig {
    url: Secret,
    username: Option<String>,
    password: Option<Secret>,
    key_prefix: String,
    root_certificates: Vec<Vec<u8>>,
    max_staleness: Option<Duration>,
}

impl RedisConfig {
    /// The server at `redis://[user:password@]host[:port][/database]`, or with `rediss` for TLS. The default
    /// port is 6379, and the default database is 0.
    ///
    /// Without TLS, an attacker on the network can read the password and revoke users.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url.into()),
            username: None,
            password: None,
            key_prefix: "axum-authgear:".to_owned(),
            root_certificates: Vec::new(),
            max_staleness: None,
        }
    }

    /// Uses this user name instead of the URL's. Default: the URL's, or the server's default user.
    pub fn username(mut self, name: impl Into<String>) -> Self {
        self.username = Some(name.into());
        self
    }

    /// Uses this password instead of the URL's. Default: the URL's, or none.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Secret::new(password.into()));
        self
    }

    /// The prefix of the stream's key; the project's endpoint follows. Default: `axum-authgear:`. Replicas
    /// that share revocations must have the same prefix.
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.key_prefix = prefix.into();
        self
    }

    /// Trusts the root certificates in this PEM text instead of the system's. Can be called several times.
    pub fn root_certificates(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.root_certificates.push(pem.as_ref().to_owned());
        self
    }

    /// Refuses tokens with 503 if the server has been unreachable for this long, until it is reachable
    /// again. At least 10 seconds. Default: never. Then known revocations still apply, and other requests
    /// continue.
    ///
    /// The server is reachable if the stream can be read, also if the server refuses writes.
    pub fn max_staleness(mut self, time: Duration) -> Self {
        self.max_staleness = Some(time);
        self
    }
}

impl From<&str> for RedisConfig {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for RedisConfig {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}

/// Shows no secret, because the URL can contain one.
impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("key_prefix", &self.key_prefix)
            .field("max_staleness", &self.max_staleness)
            .finish_non_exhaustive()
    }
}

/// The stream of one project.
pub(crate) struct RedisLog {
    server: Arc<RedisServer>,
    issuer: Box<str>,
    key: Arc<str>,
    page: Arc<PageSize>,
}

impl RedisLog {
    pub(crate) fn new(server: &Arc<RedisServer>, issuer: &str) -> Self {
        Self {
            server: Arc::clone(server),
            issuer: issuer.into(),
            key: server.key(issuer).into(),
            page: Arc::new(PageSize::new()),
        }
    }
}

impl Log for RedisLog {
    type Connection = StreamConnection;

    fn name(&self) -> LogName<'_> {
        LogName {
            issuer: &self.issuer,
            stream: &self.key,
        }
    }

    fn max_staleness(&self) -> Option<Duration> {
        self.server.max_staleness()
    }

    async fn connect(&self) -> Result<StreamConnection, LogError> {
        let link = self.server.link().await?;
        Ok(StreamConnection::new(link, &self.key, &self.page))
    }
}
