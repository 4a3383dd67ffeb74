//! [`RedisServer`]: the server that all projects of one API share.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::super::log::LogError;
use super::RedisConfig;
use super::address::Address;
use super::link::Link;
use crate::error::ConfigError;

/// The server, and the connections to it while a project needs them.
pub(crate) struct RedisServer {
    address: Arc<Address>,
    key_prefix: String,
    max_staleness: Option<Duration>,
    link: Mutex<Weak<Link>>,
    /// One project connects at a time, and the others get its result.
    connecting: Semaphore,
}

impl RedisServer {
    pub(crate) fn new(redis: &RedisConfig) -> Result<Arc<Self>, ConfigError> {
        if let Some(time) = redis.max_staleness
            && time < MIN_STALENESS
        {
            return Err(ConfigError::invalid(
                "max_staleness",
                format!("{time:?}"),
                "is shorter than 10 seconds",
            ));
        }
        Ok(Arc::new(Self {
            address: Arc::new(Address::new(redis)?),
            key_prefix: redis.key_prefix.clone(),
            max_staleness: redis.max_staleness,
            link: Mutex::default(),
            connecting: Semaphore::new(1),
        }))
    }

    pub(super) fn key(&self, issuer: &str) -> String {
        format!("{}{issuer}", self.key_prefix)
    }

    pub(super) fn max_staleness(&self) -> Option<Duration> {
        self.max_staleness
    }

    /// The connections of all projects. They close when no project uses them: a removed project does while
    /// its revocations are remembered.
    pub(super) async fn link(&self) -> Result<Arc<Link>, LogError> {
        let turn = self.connecting.acquire().await;
        let _turn = turn.map_err(|_| LogError::Closed)?;
        if let Some(link) = self.open_link() {
            return Ok(link);
        }
        let link = Arc::new(Link::open(&self.address).await?);
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&link);
        Ok(link)
    }

    fn open_link(&self) -> Option<Arc<Link>> {
        let link = self
            .link
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .upgrade();
        link.filter(|link| !link.news.is_over())
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisServer")
            .field("key_prefix", &self.key_prefix)
            .finish_non_exhaustive()
    }
}

const MIN_STALENESS: Duration = Duration::from_secs(10);
