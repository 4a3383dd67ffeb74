//! A cookie does not prove intent, so cross-origin requests with a cookie are refused.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use tower::util::{ServiceFn, service_fn};
use tower::{Layer, Service};
use tower_http::csrf::{Csrf, CsrfLayer, ProtectionError};

use super::trusted_origins::TrustedOrigins;
use crate::error::ConfigError;

/// The check for requests with a credential that a browser adds by itself. It uses tower-http's
/// [`CsrfLayer`] without forwarding the request.
#[derive(Clone, Debug)]
pub(crate) struct CsrfCheck {
    /// `None`: turned off.
    probe: Option<Probe>,
    trusted_origins: TrustedOrigins,
}

impl CsrfCheck {
    pub(crate) fn new(trusted_origins: &[String]) -> Result<Self, ConfigError> {
        Ok(Self {
            probe: Some(CsrfLayer::new().layer(service_fn(|_| ready(Ok(Response::new(())))))),
            trusted_origins: TrustedOrigins::new(trusted_origins)?,
        })
    }

    pub(crate) fn off() -> Self {
        Self {
            probe: None,
            trusted_origins: TrustedOrigins::default(),
        }
    }

    /// Whether a request that carries a cookie may use it.
    pub(super) fn allows<B>(&self, request: &Request<B>) -> bool {
        let Some(probe) = &self.probe else {
            return true;
        };
        if is_safe(request.method()) && !is_upgrade(request.headers()) {
            return true;
        }
        let headers = request.headers();
        if [header::ORIGIN, header::HOST, SEC_FETCH_SITE]
            .iter()
            .any(|name| is_ambiguous(headers, name))
        {
            return false;
        }
        if let Some(origin) = headers.get(header::ORIGIN)
            && self.trusted_origins.contains(origin)
        {
            return true;
        }
        // The result is available at once. A pending result cannot happen, and would be a refusal.
        let answer = pin!(probe.clone().call(question(request)));
        match answer.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(response)) => response.extensions().get::<ProtectionError>().is_none(),
            Poll::Pending => false,
        }
    }
}

/// Whether requests with this method have no effect. `TRACE` is excluded, as in tower-http.
pub(super) fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// Whether the request asks for another protocol: a two-way channel, which CORS does not cover. An empty
/// field does not count.
fn is_upgrade(headers: &HeaderMap) -> bool {
    OF_AN_UPGRADE
        .iter()
        .any(|name| headers.get_all(name).iter().any(names_something))
}

/// Whether a list has this member (RFC 9110 §5.6.1).
pub(super) fn names_something(list: &HeaderValue) -> bool {
    let mut bytes = list.as_bytes().iter();
    bytes.any(|byte| !matches!(byte, b' ' | b'\t' | b','))
}

/// A browser sends one of these fields. If two differ, it is unknown which one counts.
fn is_ambiguous(headers: &HeaderMap, name: &HeaderName) -> bool {
    let mut fields = headers.get_all(name).iter();
    let first = fields.next();
    fields.any(|field| Some(field) != first)
}

/// The parts that tower-http reads.
fn question<B>(request: &Request<B>) -> Request<()> {
    let mut question = Request::new(());
    *question.method_mut() = Method::POST;
    let headers = request.headers();
    for name in [header::ORIGIN, SEC_FETCH_SITE] {
        if let Some(value) = headers.get(&name) {
            question.headers_mut().insert(name, value.clone());
        }
    }
    if let Some(host) = host(request) {
        question.headers_mut().insert(header::HOST, host);
    }
    question
}

/// The requested host: the authority of the request target if there is one (RFC 9112 §3.2.2), else `Host`.
/// It is written as in `Origin` if both are the same host, because tower-http compares bytes.
fn host<B>(request: &Request<B>) -> Option<HeaderValue> {
    let host = match request.uri().authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok()?,
        None => request.headers().get(header::HOST)?.clone(),
    };
    // RFC 9110 §4.2.4: a valid request has no user information.
    if host.as_bytes().contains(&b'@') {
        return None;
    }
    let origin = request.headers().get(header::ORIGIN);
    let origin = origin.and_then(|origin| origin.to_str().ok());
    let same = origin.and_then(|origin| {
        let (scheme, authority) = origin.split_once("://")?;
        let host = host.to_str().ok()?.to_ascii_lowercase();
        let is_same = host == authority || without_default_port(scheme, &host) == Some(authority);
        is_same.then(|| HeaderValue::from_str(authority).ok())?
    });
    Some(same.unwrap_or(host))
}

/// The host without the port, if it is the default port of the scheme (RFC 9110 §4.2.3). The scheme is the
/// origin's, because the request does not show it behind a proxy.
fn without_default_port<'h>(scheme: &str, host: &'h str) -> Option<&'h str> {
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let (host, port) = host.rsplit_once(':')?;
    let is_default = port.is_empty()
        || port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>() == Ok(default);
    is_default.then_some(host)
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// HTTP/2 has no `Upgrade`: the fields of a WebSocket handshake show it, too.
const OF_AN_UPGRADE: [HeaderName; 5] = [
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
];

/// The inner service of the check: a function that does nothing.
type Probe = Csrf<ServiceFn<fn(Request<()>) -> Ready<Result<Response<()>, Infallible>>>>;
