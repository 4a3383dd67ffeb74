//! [`RouteWalk`]: sends every route a request without a credential.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::middleware;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::time::timeout;
use tower::Service;

use crate::authenticate::RequestRecord;
use crate::authenticate::seal::{Judgement, SealedRequest};
use crate::error::AuthErrorKind;
use crate::rejection::AuthRejection;

/// Sends each route of a router a request without a credential, and reports which routes are open. Use it
/// in a test that fails when a route is not protected.
///
/// ```
/// use axum::{Router, routing::get};
/// use axum_authgear::testkit::{FakeAuthgear, RouteWalk};
/// use axum_authgear::{AuthUser, Authgear};
///
/// fn app(authgear: &Authgear) -> Router {
///     Router::new()
///         .route("/users/{id}", get(|user: AuthUser| async move { user.id().to_owned() }))
///         .route_layer(authgear.layer())
///         .route("/healthz", get(|| async { "ok" }).layer(authgear.open()))
///         .route("/reports", get(|| async { "all reports" }))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let fake = FakeAuthgear::start().await;
/// let authgear = Authgear::builder(fake.endpoint()).build()?;
/// let routes = [("GET", "/users/{id}"), ("GET", "/healthz"), ("GET", "/reports")];
/// let report = RouteWalk::new(routes).ask(&app(&authgear)).await;
///
/// assert_eq!(report.open(), ["GET /reports"]); // forgotten
/// assert_eq!(report.named_open(), ["GET /healthz"]);
/// assert!(report.missing().is_empty());
/// # Ok(())
/// # }
/// ```
///
/// It needs no [seal](crate::SealLayer). It also finds what a seal does not see: routes behind an
/// [`optional`](crate::AuthenticateLayer::optional) layer, and routes that were added outside of the
/// seal. The handlers of open routes run, so use a router for tests.
#[derive(Clone, Debug)]
#[must_use = "a walk does nothing until it asks a router"]
pub struct RouteWalk {
    routes: Vec<(Method, String)>,
}

impl RouteWalk {
    /// A walk of these methods and paths. Write a path as in the router. Each `{parameter}` becomes `1`.
    ///
    /// # Panics
    /// When a method is not valid (RFC 9110 §9.1).
    pub fn new<M, P>(routes: impl IntoIterator<Item = (M, P)>) -> Self
    where
        M: AsRef<str>,
        P: Into<String>,
    {
        let routes = routes.into_iter().map(|(method, path)| {
            let method = method.as_ref();
            let parsed = Method::from_bytes(method.as_bytes());
            let method = parsed.unwrap_or_else(|_| panic!("{method:?} is not a method"));
            (method, path.into())
        });
        Self {
            routes: routes.collect(),
        }
    }

    /// A walk of all operations in an `OpenAPI` document (3.0 or 3.1). It reads `paths` and not `servers`.
    pub fn openapi(document: &Value) -> Self {
        let paths = document.get("paths").and_then(Value::as_object);
        let operations = paths.into_iter().flatten().flat_map(|(path, item)| {
            let names = OPERATIONS.into_iter();
            names
                .filter(|name| item.get(name).is_some())
                .map(move |name| (name.to_ascii_uppercase(), path.as_str()))
        });
        Self::new(operations)
    }

    /// Sends the requests to a router, one after the other.
    ///
    /// # Panics
    /// When a path is not valid in a request, and when a handler panics.
    pub async fn ask(&self, router: &Router) -> WalkReport {
        let mut router =
            router
                .clone()
                .layer(middleware::map_request(async |mut request: Request| {
                    Probe::begin(&mut request);
                    request
                }));
        let mut verdicts = Vec::with_capacity(self.routes.len());
        for (method, path) in &self.routes {
            let verdict = Self::verdict(&mut router, method, path).await;
            verdicts.push((format!("{method} {path}"), verdict));
        }
        WalkReport { routes: verdicts }
    }

    async fn verdict(router: &mut Router, method: &Method, path: &str) -> RouteVerdict {
        let probe = Probe::default();
        let request = Request::builder()
            .method(method)
            .uri(fill(path))
            .extension(probe.clone())
            .body(Body::empty())
            .unwrap_or_else(|error| panic!("{path:?} is not a path: {error}"));
        match timeout(ANSWER_TIMEOUT, router.call(request)).await {
            Ok(Ok(response)) => probe.verdict(&response),
            Ok(Err(never)) => match never {},
            // A route that does not answer has not rejected the request.
            Err(_) => RouteVerdict::Open,
        }
    }
}

/// The result of a [`RouteWalk`]. `Display` prints each route on a line.
#[derive(Clone, Debug)]
#[must_use = "the report says which routes are open"]
pub struct WalkReport {
    routes: Vec<(String, RouteVerdict)>,
}

impl WalkReport {
    /// The routes (`GET /users/{id}`) that answered without a credential and were not named open. Nothing
    /// protects them, or only an optional layer.
    #[must_use]
    pub fn open(&self) -> Vec<&str> {
        self.of(|verdict| matches!(verdict, RouteVerdict::Open | RouteVerdict::Optional))
    }

    /// The routes that were named open, with [`Authgear::open`](crate::Authgear::open).
    #[must_use]
    pub fn named_open(&self) -> Vec<&str> {
        self.of(|verdict| verdict == RouteVerdict::NamedOpen)
    }

    /// The routes that the router does not have: the list is old, or a prefix is missing. A path inside of
    /// a nested service (`nest_service`) counts as missing if the request was rejected. Walk the router of
    /// that service instead.
    #[must_use]
    pub fn missing(&self) -> Vec<&str> {
        self.of(|verdict| verdict == RouteVerdict::Missing)
    }

    /// All routes, each with its verdict.
    pub fn iter(&self) -> impl Iterator<Item = (&str, RouteVerdict)> {
        self.routes
            .iter()
            .map(|(route, verdict)| (route.as_str(), *verdict))
    }

    fn of(&self, is_wanted: impl Fn(RouteVerdict) -> bool) -> Vec<&str> {
        self.iter()
            .filter(|(_, verdict)| is_wanted(*verdict))
            .map(|(route, _)| route)
            .collect()
    }
}

impl fmt::Display for WalkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (route, verdict) in self.iter() {
            writeln!(f, "{route}: {verdict}")?;
        }
        Ok(())
    }
}

/// How a route answers a request without a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteVerdict {
    /// It rejects the request.
    Refused,
    /// Nothing protects it.
    Open,
    /// An optional layer and the handler accept the request.
    Optional,
    /// It was named open.
    NamedOpen,
    /// The router has no such route.
    Missing,
}

impl fmt::Display for RouteVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Open => "OPEN: nothing protects it",
            Self::Optional => "OPEN: behind an optional layer",
            Self::NamedOpen => "named open",
            Self::Missing => "MISSING: no such route",
        })
    }
}

/// Follows one request through the router.
#[derive(Clone, Default)]
struct Probe(Arc<OnceLock<Arc<SealedRequest>>>);

impl Probe {
    /// Runs where the route is known.
    fn begin(request: &mut Request) {
        let method = request.method().clone();
        let extensions = request.extensions_mut();
        let Some(Self(probe)) = extensions.remove() else {
            return;
        };
        let route = extensions.get::<MatchedPath>().cloned();
        let sealed = RequestRecord::seal(extensions, |outer| {
            SealedRequest::for_all(outer, method, route)
        });
        let _ = probe.set(sealed);
    }

    fn verdict(&self, response: &Response) -> RouteVerdict {
        let (judgement, is_matched) = self.0.get().map_or((Judgement::None, false), |sealed| {
            (sealed.judgement(), sealed.route().is_some())
        });
        let status = response.status();
        let is_refused = match response.extensions().get::<AuthRejection>() {
            Some(rejection) => rejection.kind() != AuthErrorKind::UnprotectedRoute,
            None => matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN),
        };
        let is_missing = match status {
            StatusCode::NOT_FOUND => !is_matched,
            StatusCode::METHOD_NOT_ALLOWED => true,
            _ => judgement == Judgement::Judged && !is_matched,
        };
        match judgement {
            _ if is_missing => RouteVerdict::Missing,
            Judgement::Judged => RouteVerdict::Refused,
            _ if is_refused => RouteVerdict::Refused,
            Judgement::Open => RouteVerdict::NamedOpen,
            Judgement::Optional | Judgement::Asked => RouteVerdict::Optional,
            Judgement::None => RouteVerdict::Open,
        }
    }
}

/// The path with a value for each parameter.
fn fill(path: &str) -> String {
    let mut filled = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        filled.push('1');
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    filled + rest
}

/// The names of operations in an `OpenAPI` path item.
const OPERATIONS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// A route that rejects a request does so at once.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_filled() {
        for (path, filled) in [
            ("/", "/"),
            ("/a/{b}/c", "/a/1/c"),
            ("/{*rest}", "/1"),
            ("/{a}/{b}.json", "/1/1.json"),
            ("/{a", "/1"),
        ] {
            assert_eq!(fill(path), filled);
        }
    }
}
