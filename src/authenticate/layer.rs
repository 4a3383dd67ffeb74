//! [`AuthenticateLayer`].

use std::sync::Arc;

use http::request::Parts;
use tower::Layer;

use super::authenticator::Authenticator;
use super::issuer_filter::IssuerFilter;
use super::service::Authenticate;
use super::service::AuthenticateSettings;
use crate::macros::{clone_without_bounds, redacted_debug};
use crate::rejection::JsonRejectionResponse;
use crate::user::NoClaims;

/// Authenticates every request, from [`Authgear::layer`](crate::Authgear::layer).
///
/// A request without a credential is refused, unless the layer is [`optional`](Self::optional). A request
/// with an invalid credential is always refused.
///
/// ```
/// # fn example(authgear: axum_authgear::Authgear) {
/// use axum::{Router, routing::get};
/// use axum_authgear::{AuthUser, EmptyRejectionResponse};
///
/// // An optional layer around all routes, a required one around some: a token is verified once.
/// let account = Router::new()
///     .route("/account", get(|user: AuthUser| async move { user.id().to_owned() }))
///     .route_layer(authgear.layer().respond_with(EmptyRejectionResponse));
/// let app: Router = Router::new()
///     .route("/", get(|user: Option<AuthUser>| async move {
///         user.map_or("hello".to_owned(), |user| format!("hello, {}", user.id()))
///     }))
///     .merge(account)
///     .route_layer(authgear.layer().optional());
/// # }
/// ```
///
/// A refusal for a missing credential names the scopes that the [requirements](crate::authorize) of inner
/// layers ask for, if the layer can find them. It cannot find the arguments of a handler.
///
/// The inner service must accept [`http::Request`]s. Its response body must be `Default` and, for the
/// default responses, `From<Bytes>`, as axum's is.
#[must_use = "a layer does nothing until it is added to a router or a service"]
pub struct AuthenticateLayer<C = NoClaims, R = JsonRejectionResponse> {
    authenticator: Arc<Authenticator<C>>,
    settings: AuthenticateSettings,
    responder: R,
}

impl<C> AuthenticateLayer<C> {
    pub(crate) fn new(authenticator: Arc<Authenticator<C>>) -> Self {
        Self {
            authenticator,
            settings: AuthenticateSettings::default(),
            responder: JsonRejectionResponse,
        }
    }
}

impl<C, R> AuthenticateLayer<C, R> {
    /// Lets requests without a credential pass: the handler takes an `Option<AuthUser>`.
    ///
    /// An *invalid* credential is still refused.
    pub fn optional(mut self) -> Self {
        self.settings.is_optional = true;
        self
    }

    /// Accepts only users and machines of the issuers for which `filter` returns `true`. With a project for
    /// each tenant, this is the project of the tenant in the request's host or path. Default: all projects
    /// of the [`Authgear`](crate::Authgear).
    ///
    /// Other callers are refused: with 403 if the credential is valid, and as usual if it is not. The
    /// function is called after the credential was verified, with the issuer of
    /// [`AuthUser::issuer`](crate::AuthUser::issuer). It should be quick and have no side effect. A
    /// second call, or an inner layer, can only narrow the choice further.
    ///
    /// ```
    /// # fn example(authgear: axum_authgear::Authgear) {
    /// use axum::http::request::Parts;
    /// use axum::{Router, routing::get};
    /// use axum_authgear::AuthUser;
    ///
    /// fn is_of_tenant(request: &Parts, issuer: &str) -> bool {
    ///     match request.uri.path().split('/').nth(1) {
    ///         Some("acme") => issuer == "https://acme.authgear.cloud",
    ///         Some("globex") => issuer == "https://auth.globex.example",
    ///         _ => false,
    ///     }
    /// }
    ///
    /// let app: Router = Router::new()
    ///     .route("/{tenant}/me", get(|user: AuthUser| async move { user.id().to_owned() }))
    ///     .layer(authgear.layer().issuers(is_of_tenant));
    /// # }
    /// ```
    pub fn issuers(
        mut self,
        filter: impl Fn(&Parts, &str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let outer = self.settings.issuers.take();
        self.settings.issuers = Some(IssuerFilter::new(outer, filter));
        self
    }

    /// Answers requests of `content-type: application/grpc…` with a trailers-only `grpc-status` (16, 7, 14,
    /// 3 or 13) instead of an HTTP status. Off by default: a client chooses its `content-type`, and a proxy
    /// in front must not read the status 200 as success.
    pub fn grpc(mut self) -> Self {
        self.settings.speaks_grpc = true;
        self
    }

    /// Makes the responses to refused requests with `responder`, which may be a closure; see
    /// [`RejectionResponse`](crate::RejectionResponse).
    ///
    /// It also makes the responses to refusals of inner extractors and handlers, unless an inner service has
    /// changed the response's *status* (`Err((StatusCode::NOT_FOUND, rejection))`) or replaced its *body*.
    /// Compressing or wrapping the body, or reading it and putting it back, does not replace it. Header
    /// fields that were added inside stay, except those that describe the old body: `Content-*`, `ETag`,
    /// `Last-Modified`, digests. Added extensions of the response stay, unless `responder` has set a value
    /// of the same type.
    pub fn respond_with<T>(self, responder: T) -> AuthenticateLayer<C, T> {
        AuthenticateLayer {
            authenticator: self.authenticator,
            settings: self.settings,
            responder,
        }
    }
}

impl<S: Clone, C, R: Clone> Layer<S> for AuthenticateLayer<C, R> {
    type Service = Authenticate<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticate {
            inner,
            authenticator: Arc::clone(&self.authenticator),
            settings: self.settings.clone(),
            responder: self.responder.clone(),
        }
    }
}

clone_without_bounds!(<C, R: Clone> AuthenticateLayer<C, R> { authenticator, settings, responder });

redacted_debug!(<C, R> AuthenticateLayer<C, R> { settings });
