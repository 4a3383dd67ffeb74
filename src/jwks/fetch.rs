//! Fetching the keys: discovery first, then the key set.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use url::Url;

use super::discovery::{self, DiscoveryError};
use super::key_set::KeySetError;
use crate::outbound::{FetchError, Outbound, Target, Upstream};
use crate::runtime::RuntimeEnded;
use crate::telemetry::ProjectTelemetry;

/// Where key sets come from: a server or, in a simulation, a function.
pub(crate) trait KeySource: Send + Sync + 'static {
    fn fetch(&mut self) -> impl Future<Output = Result<FetchedKeys, KeyFetchError>> + Send;

    /// What tells of these keys.
    fn telemetry(&self) -> &ProjectTelemetry;

    /// The fetched keys were unusable: forget the discovered address.
    fn start_over(&mut self);
}

/// A key set as received, and its `max-age`.
#[derive(Debug)]
pub(crate) struct FetchedKeys {
    pub(crate) body: Bytes,
    pub(crate) max_age: Option<Duration>,
}

/// Why the keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFetchError {
    #[error("the discovery document could not be fetched")]
    DiscoveryFetch(#[source] FetchError),
    #[error("there is no discovery document (is the endpoint that of an Authgear project?)")]
    NoDiscovery(#[source] FetchError),
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error("the key set could not be fetched")]
    KeysFetch(#[source] FetchError),
    #[error(transparent)]
    Keys(#[from] KeySetError),
    /// Keys are no longer fetched.
    #[error(transparent)]
    Ended(#[from] RuntimeEnded),
}

impl KeyFetchError {
    /// Whether the discovered address may be out of date: there was a response, but without keys.
    pub(super) fn is_wrong_answer(&self) -> bool {
        match self {
            Self::Keys(_) => true,
            Self::KeysFetch(error) => error.is_wrong_answer(),
            Self::DiscoveryFetch(_)
            | Self::NoDiscovery(_)
            | Self::Discovery(_)
            | Self::Ended(_) => false,
        }
    }
}

/// The builder's addresses for keys, besides the endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyAddresses {
    /// The internal origin of the endpoint.
    pub(crate) internal: Option<Url>,
    /// The address of the key set.
    pub(crate) jwks_uri: Option<Url>,
}

/// The keys of an issuer, over HTTP.
pub(crate) struct HttpKeySource {
    outbound: Outbound,
    upstream: Upstream,
    issuer: String,
    location: Location,
    telemetry: Arc<ProjectTelemetry>,
}

enum Location {
    /// The builder sets the address, so there is no discovery.
    Fixed(Box<Target>),
    /// Discovered, and used while it returns valid keys.
    Discovered(Option<Url>),
}

impl HttpKeySource {
    pub(crate) fn new(
        outbound: Outbound,
        upstream: Upstream,
        issuer: String,
        jwks_uri: Option<Url>,
        telemetry: Arc<ProjectTelemetry>,
    ) -> Self {
        let location = match jwks_uri {
            Some(uri) => Location::Fixed(Box::new(upstream.target(&uri))),
            None => Location::Discovered(None),
        };
        Self {
            outbound,
            upstream,
            issuer,
            location,
            telemetry,
        }
    }

    async fn discover(&self) -> Result<Url, KeyFetchError> {
        let url = discovery::document_url(self.upstream.public());
        let document = self
            .outbound
            .get(&self.upstream.target(&url))
            .await
            .map_err(|error| match error {
                FetchError::Status(StatusCode::NOT_FOUND) => KeyFetchError::NoDiscovery(error),
                _ => KeyFetchError::DiscoveryFetch(error),
            })?;
        Ok(discovery::jwks_uri(&document.body, &self.issuer)?)
    }

    async fn keys(&self, target: &Target) -> Result<FetchedKeys, KeyFetchError> {
        let document = self
            .outbound
            .get(target)
            .await
            .map_err(KeyFetchError::KeysFetch)?;
        Ok(FetchedKeys {
            body: document.body,
            max_age: document.max_age,
        })
    }
}

impl KeySource for HttpKeySource {
    async fn fetch(&mut self) -> Result<FetchedKeys, KeyFetchError> {
        let remembered = match &self.location {
            Location::Fixed(target) => return self.keys(target).await,
            Location::Discovered(uri) => uri.clone(),
        };
        let uri = match remembered {
            Some(uri) => uri,
            None => self.discover().await?,
        };
        let keys = self.keys(&self.upstream.target(&uri)).await?;
        self.location = Location::Discovered(Some(uri));
        Ok(keys)
    }

    fn telemetry(&self) -> &ProjectTelemetry {
        &self.telemetry
    }

    fn start_over(&mut self) {
        if let Location::Discovered(uri) = &mut self.location {
            *uri = None;
        }
    }
}
