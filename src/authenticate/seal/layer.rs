//! [`SealLayer`].

use std::sync::Arc;

use tower::Layer;

use super::service::Seal;
use super::settings::SealSettings;
use crate::macros::redacted_debug;
use crate::rejection::JsonRejectionResponse;

/// Replaces a response that no layer has judged, from [`Authgear::seal`](crate::Authgear::seal).
///
/// **It is a safety net for tests, for staging and for the first request in production. It does not protect
/// a route**: when it finds an unprotected route, the handler has already run, with all its effects. Only
/// the response is withheld.
///
/// It must be around all routes of an application:
///
/// ```
/// use axum::{Router, routing::get};
/// use axum_authgear::{AuthUser, Authgear};
///
/// fn app(authgear: &Authgear) -> Router {
///     Router::new()
///         .route("/me", get(|user: AuthUser| async move { user.id().to_owned() }))
///         .route_layer(authgear.layer())
///         // Open on purpose:
///         .route("/healthz", get(|| async { "ok" }).layer(authgear.open()))
///         // Forgotten: its answer is a 500, and the log names `/reports`.
///         .route("/reports", get(|| async { "all reports" }))
///         // The last one: a route that is added after it is outside of it.
///         .layer(authgear.seal())
/// }
/// ```
///
/// # What it lets out
///
/// | what happened to the request | the answer |
/// |---|---|
/// | a layer of this `Authgear` let it pass or refused it | goes out |
/// | the same, and the layer is [`optional`](crate::AuthenticateLayer::optional) | goes out if an extractor or a requirement asked who is calling, or if the status is 300 or more; else 500 |
/// | its route was named open | goes out |
/// | it met [`forward_auth`](crate::Authgear::forward_auth), a webhook's route, the metadata of the resource | goes out |
/// | no route matched: the router's own 404, without a body | goes out: nothing was served |
/// | the method did not match: the router's own 405, without a body | goes out |
/// | anything else: no layer, or only one of another `Authgear` | 500 |
///
/// The 500 is an [`AuthRejection`](crate::AuthRejection) of the kind
/// [`UnprotectedRoute`](crate::AuthErrorKind::UnprotectedRoute). An event at ERROR names the route once,
/// as the router writes it (`/users/{id}`).
///
/// # Marking routes as open
///
/// - a route, a router, or a handler that is a fallback: `.layer(authgear.open())`;
/// - several routes in one list: [`open_routes`](Self::open_routes);
/// - preflights of a CORS layer further inside: [`open_preflights`](Self::open_preflights).
///
/// A layer that responds without serving a route, such as rate limiting, load shedding and CORS, can also be
/// outside of the seal: add it after the seal.
///
/// The mark is in the request's extensions. A middleware between the seal and the layer that makes a new
/// request must keep them.
///
/// # What it costs
///
/// It adds two small allocations and some look-ups to each request: about 600 instructions. A request with a
/// known token takes 13,200 (`benches/instructions.txt`). As a layer of a `Router`, it is boxed once more by
/// axum for each route, like any other layer.
///
/// Around a whole service (`ServiceBuilder`, tonic), it also covers routes that are added later, but does
/// not know the names of routes. Then [`open_routes`](Self::open_routes) has no effect, and the log names no
/// route.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is added to a router or a service"]
pub struct SealLayer<R = JsonRejectionResponse> {
    // axum can make the service of a route again for each request, so a layer is cheap to apply.
    settings: Arc<SealSettings>,
    responder: R,
}

impl SealLayer {
    pub(crate) fn new(authgear: u64) -> Self {
        Self {
            settings: Arc::new(SealSettings {
                authgear,
                open_routes: Vec::new(),
                opens_preflights: false,
                reported: Arc::default(),
            }),
            responder: JsonRejectionResponse,
        }
    }
}

impl<R> SealLayer<R> {
    /// Marks these routes as open. Default: none.
    ///
    /// A route is written as in the router, with the path that it is nested in: `/users/{id}`,
    /// `/admin/health`. It is compared with the route that axum has matched, and never with the path of a
    /// request. A fallback and a nested service (`nest_service`) have no such name: use
    /// `.layer(authgear.open())`.
    pub fn open_routes<I: IntoIterator<Item: Into<String>>>(mut self, routes: I) -> Self {
        let routes = routes.into_iter().map(Into::into);
        Arc::make_mut(&mut self.settings).open_routes.extend(routes);
        self
    }

    /// Marks preflights as open (`OPTIONS` with `Origin` and `Access-Control-Request-Method`), if their
    /// response has no body. Default: they are like any other request.
    ///
    /// Use it if a CORS layer is inside of the seal.
    pub fn open_preflights(mut self) -> Self {
        Arc::make_mut(&mut self.settings).opens_preflights = true;
        self
    }

    /// Makes the response to an unprotected route with `responder`, which may be a closure; see
    /// [`RejectionResponse`](crate::RejectionResponse).
    pub fn respond_with<T>(self, responder: T) -> SealLayer<T> {
        SealLayer {
            settings: self.settings,
            responder,
        }
    }
}

impl<S, R: Clone> Layer<S> for SealLayer<R> {
    type Service = Seal<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Seal {
            inner,
            settings: Arc::clone(&self.settings),
            responder: self.responder.clone(),
        }
    }
}

redacted_debug!(<R> SealLayer<R> { settings });
