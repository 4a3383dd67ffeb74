//! [`SealLayer`].

use std::sync::Arc;

use tower::Layer;

use super::reported::Reported;
use super::service::Seal;
use crate::macros::redacted_debug;
use crate::rejection::JsonRejectionResponse;

/// Replaces an answer that nothing has judged, from [`Authgear::seal`](crate::Authgear::seal).
///
/// **It is a net for tests, for staging and for the first request in production. It is not a guard**:
/// when it finds an unprotected route, the handler has run, and what the handler did is done. Only its
/// answer is not sent.
///
/// It belongs around all routes of an application:
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
/// | anything else: no layer, or one of another `Authgear` alone | 500 |
///
/// The 500 is an [`AuthRejection`](crate::AuthRejection) of the kind
/// [`UnprotectedRoute`](crate::AuthErrorKind::UnprotectedRoute). An event at ERROR names the route once,
/// as the router writes it (`/users/{id}`).
///
/// # Naming open what is open
///
/// - a route, a router, or a handler that is a fallback: `.layer(authgear.open())`;
/// - several routes in one list: [`open_routes`](Self::open_routes);
/// - preflights of a CORS layer further inside: [`open_preflights`](Self::open_preflights).
///
/// What answers without serving anything, such as a limit of the rate, load shedding and CORS, can
/// also go around the seal: add it after the seal.
///
/// The mark is in the request's extensions: a middleware between the seal and the layer that makes a new
/// request must keep them.
///
/// # What it costs
///
/// Two small allocations and some look-ups for each request: about 600 instructions, where a request with a
/// known token takes 13,400 (`benches/instructions.txt`). Where it is a layer of a `Router`, axum boxes it once
/// more for each route, as any other layer.
///
/// Wrapped around a whole service instead (`ServiceBuilder`, tonic), it also covers routes that are added
/// later, but knows no names of routes: then [`open_routes`](Self::open_routes) names nothing, and the
/// log names no route.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is added to a router or a service"]
pub struct SealLayer<R = JsonRejectionResponse> {
    // axum may make the service of a route anew for each request: a layer is cheap to apply.
    settings: Arc<SealSettings>,
    responder: R,
}

/// What all seals of a layer share.
#[derive(Clone, Debug)]
pub(super) struct SealSettings {
    pub(super) authgear: u64,
    pub(super) open_routes: Vec<String>,
    pub(super) opens_preflights: bool,
    pub(super) reported: Arc<Reported>,
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
    /// Names these routes open. Default: none.
    ///
    /// A route is written as the router has it, with what it is nested in: `/users/{id}`, `/admin/health`.
    /// The route that axum has matched is compared, never the path of a request. A fallback and a service
    /// that is nested (`nest_service`) have no such name: they take `.layer(authgear.open())`.
    pub fn open_routes<I: IntoIterator<Item: Into<String>>>(mut self, routes: I) -> Self {
        let routes = routes.into_iter().map(Into::into);
        Arc::make_mut(&mut self.settings).open_routes.extend(routes);
        self
    }

    /// Names preflights open (`OPTIONS` with `Origin` and `Access-Control-Request-Method`), where they are
    /// answered without a body. Default: they are like any other request.
    ///
    /// For a CORS layer inside of the seal.
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
