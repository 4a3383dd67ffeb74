//! A cookie is not proof of intent: cross-origin requests with one are refused.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{Method, Request, Response, header};
use tower::{Layer, Service};
use tower_http::csrf::{Csrf, CsrfLayer, ProtectionError, ResponseForProtectionError};
use url::Url;

use crate::error::ConfigError;

/// The check for requests whose credential a browser sends by itself: tower-http's
/// [`CsrfLayer`], asked about a request without sending it on.
#[derive(Clone, Debug)]
pub(crate) struct CsrfCheck {
    /// `None`: turned off.
    probe: Option<Csrf<Passed, Refused>>,
}

impl CsrfCheck {
    pub(crate) fn new(trusted_origins: &[String]) -> Result<Self, ConfigError> {
        let mut layer = CsrfLayer::new();
        for origin in trusted_origins {
            layer = is_origin(origin)
                .then_some(layer)
                .and_then(|layer| layer.add_trusted_origin(origin).ok())
                .ok_or_else(|| {
                    ConfigError::invalid(
                        "trusted_origins",
                        origin.clone(),
                        "is not an origin as a browser sends it: scheme, host and port, in lower \
                         case, without the scheme's own port, a path or a wildcard",
                    )
                })?;
        }
        Ok(Self {
            probe: Some(layer.with_rejection_response(Refused).layer(Passed)),
        })
    }

    pub(crate) fn off() -> Self {
        Self { probe: None }
    }

    /// Whether a request that carries a cookie may use it.
    pub(super) fn allows<B>(&self, request: &Request<B>) -> bool {
        let Some(probe) = &self.probe else {
            return true;
        };
        // The answer is there at once; a pending one, which cannot be, is a refusal.
        let answer = pin!(probe.clone().call(question(request)));
        match answer.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(response)) => response.extensions().get::<ProtectionError>().is_none(),
            Poll::Pending => false,
        }
    }
}

/// What the check looks at.
fn question<B>(request: &Request<B>) -> Request<()> {
    let mut question = Request::new(());
    *question.uri_mut() = request.uri().clone();
    // An upgrade opens a channel in both directions, and CORS does not watch over it.
    *question.method_mut() = if is_upgrade(request) {
        Method::POST
    } else {
        request.method().clone()
    };
    for name in [
        header::ORIGIN,
        header::HOST,
        header::HeaderName::from_static("sec-fetch-site"),
    ] {
        if let Some(value) = request.headers().get(&name) {
            question.headers_mut().insert(name, value.clone());
        }
    }
    question
}

fn is_upgrade<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    headers.contains_key(header::UPGRADE) || headers.contains_key(header::SEC_WEBSOCKET_KEY)
}

/// Whether this is an origin just as a browser serializes it (RFC 6454 §6.2): anything else would
/// never match, in silence.
fn is_origin(text: &str) -> bool {
    !text.contains('*')
        && Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text
        })
}

/// Where allowed questions arrive.
#[derive(Clone, Copy, Debug)]
struct Passed;

impl Service<Request<()>> for Passed {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}

/// How refused ones are answered: tower-http adds its error to the extensions.
#[derive(Clone, Copy, Debug)]
struct Refused;

impl ResponseForProtectionError<()> for Refused {
    fn response_for_protection_error(&mut self, _: ProtectionError) -> Response<()> {
        Response::new(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_that_would_never_match_cannot_be_configured() {
        let check = |origin: &str| CsrfCheck::new(&[origin.to_owned()]);
        for good in [
            "https://app.example",
            "http://localhost:5173",
            "https://a.example:8443",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "https://*.example",
            "https://App.example",
            "https://app.example/",
            "https://app.example:443",
            "https://user@app.example",
            "https://app.example/path",
            "app.example",
            "null",
            "file:///x",
            "",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
