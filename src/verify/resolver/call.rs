//! One call of the resolver, over HTTP. It sends a single credential and the sender's data, and nothing else
//! of the request.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use url::Url;

use super::options::SessionResolver;
use crate::outbound::{FetchError, Outbound, Target};
use crate::runtime::RuntimeEnded;
use crate::user::{CredentialForm, SessionCredential};

/// The source of answers: a server or, in a simulation, a function.
pub(crate) trait Ask: Send + Sync + 'static {
    /// The headers of a response with status 200.
    fn ask<'a>(&'a self, credential: &'a SessionCredential, client: &'a ClientInfo) -> Asking<'a>;
}

pub(crate) type Asking<'a> =
    Pin<Box<dyn Future<Output = Result<HeaderMap, CallError>> + Send + 'a>>;

/// The sender's data for the resolver.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientInfo {
    pub(crate) user_agent: Option<HeaderValue>,
    pub(crate) address: Option<IpAddr>,
}

/// Why the resolver gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("the resolver call failed")]
    Fetch(#[source] FetchError),
    #[error(
        "there is no resolver at this address (without Authgear's own nginx in front it has a port of \
         its own: name it with `SessionResolver::url`)"
    )]
    NotFound(#[source] FetchError),
    #[error("the response of the resolver is malformed")]
    Malformed,
    #[error("too many calls wait for the resolver")]
    QueueFull,
    #[error("the resolver call waited too long in the queue")]
    QueueTimeout,
    #[error("the resolver call was abandoned")]
    Abandoned,
    /// The runtime exists but does not run, or it is overloaded.
    #[error("the runtime on which the `Authgear` was built did not call the resolver in time")]
    Stalled,
    #[error(transparent)]
    RuntimeEnded(#[from] RuntimeEnded),
}

impl CallError {
    /// Whether no server answered, or the server reported its own failure. Only then can a token be enough.
    pub(super) fn is_away(&self) -> bool {
        matches!(self, Self::Fetch(error) if error.is_away())
    }

    /// Whether the reason can be the resolver, and not this process.
    pub(super) fn may_be_resolver(&self) -> bool {
        matches!(
            self,
            Self::Fetch(_) | Self::NotFound(_) | Self::Malformed | Self::QueueTimeout
        )
    }
}

/// The project's resolver.
#[derive(Debug)]
pub(crate) struct HttpResolver {
    outbound: Outbound,
    target: Target,
    timeout: Duration,
    forward_user_agent: bool,
    forward_address: bool,
}

impl HttpResolver {
    pub(crate) fn new(
        outbound: Outbound,
        url: Url,
        public: &Url,
        options: &SessionResolver,
    ) -> Self {
        Self {
            outbound,
            target: Target::at(url, public),
            timeout: options.timeout,
            forward_user_agent: options.forward_user_agent,
            forward_address: options.forward_client_address,
        }
    }

    fn headers(&self, credential: &SessionCredential, client: &ClientInfo) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = Self::header(credential) {
            headers.insert(name, value);
        }
        if let Some(agent) = &client.user_agent
            && self.forward_user_agent
        {
            headers.insert(header::USER_AGENT, agent.clone());
        }
        if let Some(address) = client.address
            && self.forward_address
            && let Ok(value) = HeaderValue::try_from(address.to_string())
        {
            headers.insert(HeaderName::from_static("x-forwarded-for"), value);
        }
        headers
    }

    /// The credential was checked to have plain characters before, so it fits into a header.
    fn header(credential: &SessionCredential) -> Option<(HeaderName, HeaderValue)> {
        let (name, text) = match credential.form() {
            CredentialForm::Bearer => (
                header::AUTHORIZATION,
                format!("Bearer {}", credential.value()),
            ),
            CredentialForm::SessionCookies => (header::COOKIE, credential.value().to_owned()),
        };
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }
}

impl Ask for HttpResolver {
    fn ask<'a>(&'a self, credential: &'a SessionCredential, client: &'a ClientInfo) -> Asking<'a> {
        Box::pin(async move {
            let headers = self.headers(credential, client);
            self.outbound
                .ask(&self.target, &headers, self.timeout)
                .await
                .map_err(|error| match error {
                    FetchError::Status(StatusCode::NOT_FOUND) => CallError::NotFound(error),
                    _ => CallError::Fetch(error),
                })
        })
    }
}
