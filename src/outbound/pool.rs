//! [`OutboundPool`]: one HTTP client for all projects with the same options.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use url::Url;

use super::{HttpOptions, Outbound, client, ignored_proxy};
use crate::error::ConfigError;
use crate::telemetry;

/// The clients for one set of options, made when the first project needs them.
pub(crate) struct OutboundPool {
    options: HttpOptions,
    /// One for http only, which needs no root certificates, and one for https.
    made: Mutex<[Option<reqwest::Client>; 2]>,
}

impl OutboundPool {
    pub(crate) fn new(options: HttpOptions) -> Self {
        Self {
            options,
            made: Mutex::default(),
        }
    }

    /// A client for `targets` (those known so far). It does no I/O.
    pub(crate) fn client(
        &self,
        allow_http: bool,
        targets: &[&Url],
    ) -> Result<Outbound, ConfigError> {
        if self.options.client.is_none()
            && self.options.proxy.is_none()
            && let Some(variable) = ignored_proxy::variable(targets)
        {
            telemetry::proxy_ignored(variable);
        }
        let https = targets.iter().any(|url| url.scheme() == "https");
        Ok(Outbound {
            client: self.of_scheme(https)?,
            total: self.options.timeouts.total,
            allow_http,
        })
    }

    fn of_scheme(&self, https: bool) -> Result<reqwest::Client, ConfigError> {
        if let Some(client) = &self.options.client {
            return Ok(client.clone());
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let [http_only, any] = &mut *made;
        let place = if https { any } else { http_only };
        if let Some(client) = place {
            return Ok(client.clone());
        }
        let client = client::new(self.options.clone(), https)?;
        Ok(place.insert(client).clone())
    }
}

impl fmt::Debug for OutboundPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundPool").finish_non_exhaustive()
    }
}
