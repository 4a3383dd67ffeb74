//! The only outbound HTTP client: its targets, its timeouts, its size limits.

mod client;
mod content_coding;
mod ignored_proxy;
mod pool;
mod redacted_error;
mod upstream;

use std::error::Error;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::timeout;

use self::content_coding::ContentCoding;
pub(crate) use self::pool::OutboundPool;
pub(crate) use self::redacted_error::RedactedError;
pub(crate) use self::upstream::{Target, Upstream, is_secure};
use crate::error::ConfigError;

/// The longest body that is read: discovery documents and key sets have a few KiB.
pub(crate) const MAX_BODY: usize = 256 * 1024;

/// The options of the outbound client.
#[derive(Clone, Default)]
pub(crate) struct HttpOptions {
    pub(crate) client: Option<reqwest::Client>,
    pub(crate) root_certificates: Vec<reqwest::Certificate>,
    pub(crate) proxy: Option<reqwest::Proxy>,
    pub(crate) resolve: Vec<(String, SocketAddr)>,
    pub(crate) timeouts: Timeouts,
}

impl HttpOptions {
    /// Whether no option is set.
    pub(crate) fn is_default(&self) -> bool {
        self.client.is_none()
            && self.root_certificates.is_empty()
            && self.proxy.is_none()
            && self.resolve.is_empty()
            && self.timeouts == Timeouts::default()
    }
}

/// The time limits of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    pub(crate) total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            total: Duration::from_secs(5),
        }
    }
}

impl Timeouts {
    pub(crate) fn check(self) -> Result<(), ConfigError> {
        ConfigError::check_duration("connect_timeout", self.connect)?;
        ConfigError::check_duration("request_timeout", self.total)
    }
}

/// The outbound client.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    client: reqwest::Client,
    total: Duration,
    allow_http: bool,
}

impl Outbound {
    /// Gets a whole document within the total timeout.
    pub(crate) async fn get(&self, target: &Target) -> Result<Document, FetchError> {
        if !is_secure(&target.url) && !self.allow_http {
            return Err(FetchError::Insecure);
        }
        timeout(self.total, catch_panics(self.read(target)))
            .await
            .map_err(|_| FetchError::Timeout)?
    }

    /// Sends a GET with these headers, and returns the headers of a response with status 200. Its body is
    /// not read.
    pub(crate) async fn ask(
        &self,
        target: &Target,
        headers: &HeaderMap,
        max_wait: Duration,
    ) -> Result<HeaderMap, FetchError> {
        if !is_secure(&target.url) && !self.allow_http {
            return Err(FetchError::Insecure);
        }
        let mut response = timeout(max_wait, catch_panics(self.get_with_retry(target, headers)))
            .await
            .map_err(|_| FetchError::Timeout)??;
        Ok(std::mem::take(response.headers_mut()))
    }

    /// A response with status 200, from exactly this address.
    async fn get_with_retry(
        &self,
        target: &Target,
        headers: &HeaderMap,
    ) -> Result<reqwest::Response, FetchError> {
        let response = match self.send(target, headers).await {
            // A pooled connection that was closed before the response looks like a new one: retry once in
            // both cases.
            Err(error) if error.is_request() && !error.is_connect() && !error.is_timeout() => {
                self.send(target, headers).await
            }
            sent => sent,
        };
        let response = response.map_err(FetchError::request)?;
        // A client of the application may follow redirects: a response from another address is refused.
        if response.url() != &target.url {
            return Err(FetchError::Redirected);
        }
        match response.status() {
            StatusCode::OK => Ok(response),
            status if status.is_redirection() && target.headers.is_some() => {
                Err(FetchError::InternalRedirect(status))
            }
            status if status.is_redirection() => Err(FetchError::Redirect(status)),
            status => Err(FetchError::Status(status)),
        }
    }

    async fn read(&self, target: &Target) -> Result<Document, FetchError> {
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::ACCEPT, json);
        // Without this field, the server may choose any coding (RFC 9110 §12.5.3).
        let identity = HeaderValue::from_static("identity");
        headers.insert(header::ACCEPT_ENCODING, identity);
        let mut response = self.get_with_retry(target, &headers).await?;
        if let Some(coding) = ContentCoding::of(response.headers()) {
            return Err(FetchError::Coded(coding));
        }
        let max_age = max_age(response.headers());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(FetchError::request)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Document {
            body: body.freeze(),
            max_age,
        })
    }

    async fn send(
        &self,
        target: &Target,
        headers: &HeaderMap,
    ) -> Result<reqwest::Response, reqwest::Error> {
        let mut request = self.client.get(target.url.clone()).headers(headers.clone());
        for (name, value) in target.headers.iter().flatten() {
            request = request.header(name, value);
        }
        request.send().await
    }
}

/// Code of the application runs here: in a proxy or in its client. If it panics, the request fails, and the
/// task that waits for it continues.
async fn catch_panics<T>(
    request: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    let mut request = pin!(request);
    poll_fn(|context| {
        // The request is not used after a panic.
        let poll = AssertUnwindSafe(|| request.as_mut().poll(context));
        catch_unwind(poll).unwrap_or(Poll::Ready(Err(FetchError::Panicked)))
    })
    .await
}

/// A response with status 200.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) body: Bytes,
    pub(crate) max_age: Option<Duration>,
}

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("the request failed")]
    Request(#[source] RedactedError),
    #[error("the connection failed (check the address, and that this machine can reach it)")]
    Connection(#[source] RedactedError),
    #[error(
        "the server's certificate is not trusted (name a private authority with \
         `root_certificate`; the certificate must be for the host that is asked)"
    )]
    Certificate(#[source] RedactedError),
    #[error("the request panicked")]
    Panicked,
    #[error(
        "no answer within the timeout (check that this machine can reach the address; a proxy is \
         used only if the builder's `proxy` names it)"
    )]
    Timeout,
    #[error("the answer has status {0}")]
    Status(StatusCode),
    /// Authgear redirects requests for another host or scheme to the public origin.
    #[error(
        "the answer has status {0} (the endpoint must be the project's public origin; an internal \
         address belongs into `internal_url`)"
    )]
    Redirect(StatusCode),
    /// The same, although the request named the public host.
    #[error(
        "the answer has status {0} (the server at the internal address must accept \
         X-Forwarded-Host and X-Forwarded-Proto: Authgear's TRUST_PROXY=true)"
    )]
    InternalRedirect(StatusCode),
    #[error("the answer came from another address")]
    Redirected,
    #[error("the answer has the content coding {0}")]
    Coded(ContentCoding),
    #[error("the answer is longer than 256 KiB")]
    TooLarge,
    #[error("the address is neither https nor loopback")]
    Insecure,
}

impl FetchError {
    /// Whether there was a response, but not the expected one: the address may be wrong.
    pub(crate) fn is_wrong_answer(&self) -> bool {
        match self {
            Self::Status(status) => {
                !status.is_server_error() && *status != StatusCode::TOO_MANY_REQUESTS
            }
            Self::Redirect(_)
            | Self::InternalRedirect(_)
            | Self::Redirected
            | Self::Coded(_)
            | Self::TooLarge
            | Self::Insecure => true,
            Self::Request(_)
            | Self::Connection(_)
            | Self::Certificate(_)
            | Self::Panicked
            | Self::Timeout => false,
        }
    }

    /// Whether there was no response, or one with a server error.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Certificate(_) | Self::Timeout => true,
            Self::Status(status) => status.is_server_error(),
            Self::Request(_)
            | Self::Panicked
            | Self::Redirect(_)
            | Self::InternalRedirect(_)
            | Self::Redirected
            | Self::Coded(_)
            | Self::TooLarge
            | Self::Insecure => false,
        }
    }

    /// The URL is left out, because it can be internal.
    fn request(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        let is_connection = error.is_connect() || was_closed(&error);
        let host = error
            .url()
            .and_then(reqwest::Url::host_str)
            .unwrap_or_default();
        let host = host.to_owned();
        let error = RedactedError::new(&error.without_url(), &host);
        if error.is_about_certificate() {
            Self::Certificate(error)
        } else if is_connection {
            Self::Connection(error)
        } else {
            Self::Request(error)
        }
    }
}

/// Whether the connection ended before a response, and not because of a malformed one.
fn was_closed(error: &reqwest::Error) -> bool {
    let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.any(|cause| {
        // reqwest does not expose the type of hyper's error.
        cause.is::<std::io::Error>()
            || cause.to_string() == "connection closed before message completed"
    })
}

/// `max-age` of `Cache-Control` (RFC 9111 §5.2.2.1).
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|directive| {
            let (name, value) = directive.trim_matches([' ', '\t']).split_once('=')?;
            if !name.eq_ignore_ascii_case("max-age") {
                return None;
            }
            let quoted = || value.strip_prefix('"')?.strip_suffix('"');
            let digits = quoted().unwrap_or(value);
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            // RFC 9111 §1.2.2: a number that is too large counts as the maximum.
            is_number.then(|| digits.parse().unwrap_or(u64::MAX))
        })
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_age_is_read_in_any_case_among_others() {
        let age = |value: &'static str| {
            let mut headers = http::HeaderMap::new();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
            max_age(&headers)
        };
        assert_eq!(age("public, Max-Age=60"), Some(Duration::from_secs(60)));
        assert_eq!(age("s-maxage=60"), None);
        assert_eq!(age("max-age=never"), None);
        assert_eq!(age("max-age=-1"), None);
        assert_eq!(age("x,\tmax-age=\"60\" ,y"), Some(Duration::from_secs(60)));
        for bad in [
            "max-age=+60",
            "max-age=\"60",
            "max-age=60\"",
            "max-age=\"+60\"",
            "max-age=6 0",
            "max-age=60s",
            "max-age=",
            "max-age=\"\"",
            "max-age",
            "max-age =60",
        ] {
            assert_eq!(age(bad), None, "{bad}");
        }
        let most = Some(Duration::from_secs(u64::MAX));
        assert_eq!(age("max-age=18446744073709551616"), most);
    }
}
