//! [`Authgear`]: the handle of a service.

mod project;
mod status;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;

pub use self::project::Project;
pub use self::status::{Health, ProjectStatus, Status};
use crate::authenticate::seal::{OpenLayer, SealLayer};
use crate::authenticate::{AuthenticateLayer, Authenticator, AuthgearId, ForwardAuth};
use crate::authorize::{AuthorizeLayer, Requirement};
use crate::error::{AuthError, AuthErrorKind, ConfigError};
use crate::macros::{clone_without_bounds, redacted_debug};
use crate::protected_resource::{ProtectedResource, ResourceMetadata};
use crate::telemetry;
use crate::user::{AuthUser, NoClaims, Principal, VerifiedBy};
use crate::verify::Verification;

/// An Authgear project whose tokens this service accepts, or [several projects](Authgear::any_of).
///
/// A clone is cheap and shares everything. The background tasks stop when the last clone and the last layer
/// of it are dropped.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use axum::{Router, routing::get};
/// use axum_authgear::{AuthUser, Authgear};
///
/// let authgear = Authgear::builder("https://my-project.authgear.cloud").build()?;
/// let app: Router = Router::new()
///     .route("/me", get(|user: AuthUser| async move { user.id().to_owned() }))
///     .route_layer(authgear.layer())
///     .route("/readyz", get({
///         let authgear = authgear.clone();
///         || async move { authgear.status().health().as_str() }
///     }));
///
/// // Only where a process without keys should not start at all:
/// authgear.ready(Duration::from_secs(10)).await?;
/// # Ok(())
/// # }
/// ```
///
/// [`AuthgearBuilder`](crate::AuthgearBuilder) has an example with options. The [threat
/// model](crate::docs::threat_model) says what the crate trusts.
pub struct Authgear<C = NoClaims> {
    authenticator: Arc<Authenticator<C>>,
    resource: Option<Arc<ResourceMetadata>>,
}

impl<C: Send + Sync + 'static> Authgear<C> {
    pub(crate) fn new(authenticator: Authenticator<C>) -> Self {
        Self {
            authenticator: Arc::new(authenticator),
            resource: None,
        }
    }

    /// An `Authgear` for one protected resource of the same project, or projects. Its layers, requirements
    /// and calls accept only tokens for the resource, and its challenges lead to the resource's metadata.
    ///
    /// It shares keys, cache, revocations and background tasks with this one, so a process can have
    /// thousands. A resource refuses a token for another resource, even if the token is in the cache. A
    /// layer or requirement of one resource does not count for another.
    ///
    /// # Errors
    /// The address or a scope is invalid. Or the resource has its own audience, but the session resolver,
    /// a gateway or Authgear's own cookies know only the endpoint: give such a resource the
    /// [`project_audience`](ProtectedResource::project_audience).
    pub fn for_resource(&self, resource: ProtectedResource) -> Result<Self, ConfigError> {
        let shared = &self.authenticator.shared;
        let metadata = resource.metadata(shared.issuer.as_deref())?;
        let realm = shared.realm.clone();
        let inclusions = shared.scope_inclusions.clone();
        let challenge = resource.challenge(&metadata, realm, inclusions)?;
        let audiences = resource.into_audiences()?;
        if audiences.is_some() && !shared.verifier.compares_audiences() {
            return Err(ConfigError::Conflict {
                option: "audience",
                reason: "the session resolver, a gateway and Authgear's own cookies know only the endpoint as \
                         audience: give the resource the project_audience",
            });
        }
        Ok(Self {
            authenticator: Arc::new(Authenticator {
                shared: Arc::clone(shared),
                authgear_id: AuthgearId::new::<C>(challenge)
                    .in_family_of(&self.authenticator.authgear_id),
                audiences,
            }),
            resource: Some(Arc::new(metadata)),
        })
    }

    /// A layer that authenticates every request, and refuses those without a credential.
    pub fn layer(&self) -> AuthenticateLayer<C> {
        AuthenticateLayer::new(Arc::clone(&self.authenticator))
    }

    /// A service that answers a gateway's sub-requests (such as nginx's `auth_request`): with 200 and the
    /// user's identity, or with the status of a refusal. See [`ForwardAuth`].
    pub fn forward_auth(&self) -> ForwardAuth<C> {
        ForwardAuth::new(Arc::clone(&self.authenticator))
    }

    /// A layer that finds unprotected routes: it goes around all routes, and replaces the response if no
    /// layer of this `Authgear` decided about the request. The handler has run by then: see [`SealLayer`].
    pub fn seal(&self) -> SealLayer {
        SealLayer::new(self.authenticator.authgear_id().family())
    }

    /// A layer that marks its routes as open for the [`seal`](Self::seal). It does nothing else.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    ///
    /// # fn app(authgear: axum_authgear::Authgear) -> Router {
    /// Router::new().route("/healthz", get(|| async { "ok" }).layer(authgear.open()))
    /// # }
    /// ```
    pub fn open(&self) -> OpenLayer {
        OpenLayer::new(self.authenticator.authgear_id().clone())
    }

    /// A layer that lets only callers pass that meet the requirement. It goes inside of
    /// [`layer`](Self::layer), on a route or a router: see [`authorize`](crate::authorize).
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use axum_authgear::authorize::has_role;
    ///
    /// # fn app(authgear: axum_authgear::Authgear) -> Router {
    /// Router::new()
    ///     .route("/admin", get(|| async { "hello, admin" }))
    ///     .route_layer(authgear.require(has_role("admin")))
    ///     .layer(authgear.layer())
    /// # }
    /// ```
    pub fn require(&self, requirement: Requirement<C>) -> AuthorizeLayer<C> {
        AuthorizeLayer::new(
            requirement,
            self.authenticator.authgear_id().clone(),
            self.authenticator.issuer().cloned(),
        )
    }

    /// A router with the metadata of the [resource](Self::for_resource), at
    /// `/.well-known/oauth-protected-resource` followed by the path of its address (RFC 9728 §3.1).
    /// Without a resource it has no route.
    ///
    /// Mount it outside of the layer, because clients without a token need it, and at the root of the host:
    /// do not nest it. It is public: pages of every origin can read it, and it answers preflights. So it
    /// needs no CORS layer.
    pub fn resource_metadata_router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let Some(resource) = &self.resource else {
            return Router::new();
        };
        let authenticator = Arc::clone(&self.authenticator);
        resource
            .router(move || authenticator.issuers())
            .layer(self.open())
    }

    /// Verifies a user's token that did not come in an HTTP request.
    ///
    /// ```
    /// # async fn example(authgear: axum_authgear::Authgear, token: &str) {
    /// match authgear.verify(token).await {
    ///     Ok(user) => println!("{} may go on", user.id()),
    ///     Err(error) if error.retry_after().is_some() => println!("try again later"),
    ///     Err(error) => println!("refused: {error}"),
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// The kind that a request with this token would get, `UserRequired` for a machine's token, and
    /// `KeysUnavailable` if the keys cannot be fetched.
    pub async fn verify(&self, token: &str) -> Result<AuthUser<C>, AuthError> {
        match self.verify_principal(token).await? {
            Principal::User(user) => Ok(user),
            Principal::Client(_) => Err(AuthErrorKind::UserRequired.into()),
        }
    }

    /// Verifies a token of a user or a machine that did not come in an HTTP request.
    ///
    /// # Errors
    /// The kind that a request with this token would get, and `KeysUnavailable` if the keys cannot be
    /// fetched.
    pub async fn verify_principal(&self, token: &str) -> Result<Principal<C>, AuthError> {
        let now = self.authenticator.now();
        let audiences = self.authenticator.audiences();
        match self
            .authenticator
            .verifier()
            .verify_token(token, now, audiences)
        {
            Verification::Ready(outcome) => outcome,
            Verification::Pending(pending) => pending.await,
        }
    }

    /// Revokes all tokens of this user that were issued until now, by this machine's clock, for example
    /// from an administrator's page. Tokens issued later are valid: to keep a user out, disable the user in
    /// Authgear.
    ///
    /// It applies in the modes that verify a JWT: the default mode, and live sessions. In the mode
    /// *resolver*, and for Authgear's own cookies, it only drops the cached answer for the user, and the
    /// next answer of the resolver decides. In the mode *gateway* it does nothing. In the last two modes
    /// the first call logs a warning.
    ///
    /// [`revocation`](crate::docs::revocation) explains the guarantees and the cost.
    ///
    /// # Errors
    /// There are several projects, or none, so an id does not identify a user. Use
    /// [`projects`](Self::projects) and [`Project::revoke_user`].
    pub fn revoke_user(&self, id: &str) -> Result<(), ConfigError> {
        self.sole_project("revoke_user")?.revoke_user(id);
        Ok(())
    }

    /// Revokes only the token by which this user was verified, for example from a log-out route. It stays
    /// revoked until it expires.
    ///
    /// A user who was verified without a JWT has no token to revoke: end the session at Authgear.
    /// [`revoke_user`](Self::revoke_user) says what the call does then. The first such call logs a warning.
    pub fn revoke_token(&self, user: &AuthUser<C>) {
        if matches!(
            user.verified_by(),
            VerifiedBy::Resolver | VerifiedBy::Gateway
        ) {
            telemetry::revoked_no_token();
        }
        let identity = &user.verified().identity;
        self.authenticator.ledger().write(user.issuer(), |store| {
            store.revoke_token(identity, user.id());
        });
    }

    /// Revokes all tokens of this OAuth client that were issued until now, users' and machines'. It is for
    /// a leaked client secret. Change the secret in Authgear first, because tokens issued later are valid.
    ///
    /// It applies in the modes that verify a JWT, is shared like [`revoke_user`](Self::revoke_user), and is
    /// remembered for 30 days, in the memory of running processes (a machine's token lives at most 28
    /// days). In other modes it does nothing and logs a warning, because neither the resolver nor a gateway
    /// names the client.
    ///
    /// # Errors
    /// There are several projects, or none: use [`Project::revoke_client`].
    pub fn revoke_client(&self, client_id: &str) -> Result<(), ConfigError> {
        self.sole_project("revoke_client")?.revoke_client(client_id);
        Ok(())
    }

    /// Revokes all tokens that were issued before this time, users' and machines'. It is for an exposed
    /// signing key. Remove the key in Authgear first, because its holder can sign any time of issue.
    ///
    /// A time in the future counts as now. An earlier call with a later time stays in effect. It applies in
    /// the same modes, and for the same time, as [`revoke_client`](Self::revoke_client).
    ///
    /// # Errors
    /// There are several projects, or none: use [`Project::revoke_issued_before`].
    pub fn revoke_issued_before(&self, time: SystemTime) -> Result<(), ConfigError> {
        self.sole_project("revoke_issued_before")?
            .revoke_issued_before(time);
        Ok(())
    }

    /// A route for Authgear's webhooks, which revoke a user's tokens at once. It answers only POST. Mount
    /// it outside of the layer, because a webhook has no access token.
    ///
    /// ```
    /// # fn app(authgear: axum_authgear::Authgear) -> Result<(), axum_authgear::ConfigError> {
    /// let app: axum::Router = axum::Router::new()
    ///     // … routes, and `.layer(authgear.layer())`; then
    ///     .route("/authgear/webhook", authgear.webhooks(["the project's webhook secret"])?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Any of the secrets may sign a delivery, so that you can replace one. The response is 204 after the
    /// event is stored, 401 without exactly one valid `x-authgear-body-signature`, 400 if the body is no
    /// event, 413 if it is longer than 1 MiB, 408 if it takes longer than 10 seconds, and 503 while 256
    /// others are being read.
    ///
    /// It turns revocation on: see [`revocation_retention`](crate::AuthgearBuilder::revocation_retention).
    /// In the mode *resolver* an event only drops the cached answer. In the mode *gateway* it does nothing,
    /// and a warning is logged.
    ///
    /// # Errors
    /// There is no secret, or an empty one. Or there are several projects, or none: use
    /// [`Project::webhooks`].
    #[cfg(feature = "webhook")]
    pub fn webhooks<S, I>(&self, secrets: I) -> Result<axum::routing::MethodRouter<S>, ConfigError>
    where
        S: Clone + Send + Sync + 'static,
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.sole_project("webhooks")?.webhooks(secrets)
    }

    /// A service for the webhooks of projects that are added and removed: see [`WebhookService`]. Mount it
    /// outside of the layer. For a [seal](Self::seal), mark its route with [`open`](Self::open).
    ///
    /// [`WebhookService`]: crate::WebhookService
    #[cfg(feature = "webhook")]
    pub fn webhook_service(&self) -> crate::WebhookService {
        let secrets = Arc::clone(self.authenticator.webhook_secrets());
        crate::WebhookService::new(secrets, Arc::clone(self.authenticator.ledger()))
    }

    /// The project of this issuer, if it is configured.
    pub(crate) fn project(&self, issuer: &str) -> Option<Project<C>> {
        self.authenticator.has_issuer(issuer).then(|| Project {
            authenticator: Arc::clone(&self.authenticator),
            issuer: issuer.into(),
        })
    }

    fn sole_project(&self, option: &'static str) -> Result<Project<C>, ConfigError> {
        let issuers = self.authenticator.issuers();
        if let [issuer] = &issuers[..]
            && let Some(project) = self.project(issuer)
        {
            return Ok(project);
        }
        Err(ConfigError::Conflict {
            option,
            reason: "there is not exactly one project: select one with `projects().get(issuer)`",
        })
    }

    /// Verifies a user again, for connections that live longer than a request. It returns the user's
    /// current data.
    ///
    /// The token must not have expired, and its key must still be in use. With live sessions, the resolver
    /// must have confirmed the session within half of the bound; otherwise it is asked. In the mode
    /// *resolver* it is asked, unless its answer is cached. In the mode *gateway* nothing can be checked:
    /// the user stays valid.
    ///
    /// # Errors
    /// The error that the user's next request would get. With [resources](Self::for_resource), call this on
    /// the handle whose layer verified the user.
    pub async fn recheck(&self, user: &AuthUser<C>) -> Result<AuthUser<C>, AuthError> {
        let audiences = self.authenticator.audiences();
        let verifier = self.authenticator.verifier();
        verifier.recheck(user, audiences).await
    }

    /// Waits until the user's requests would be refused, and returns the reason. Use it to close a long
    /// connection of the user (WebSocket, server-sent events, a gRPC stream).
    ///
    /// With live sessions it returns within their bound, and in the mode *resolver* within some seconds
    /// and the cache's TTL. Otherwise it returns when the token expires, is revoked, or its key is no
    /// longer used. After [`invalidate_user`](Self::invalidate_user), or a webhook about the user, the
    /// resolver is asked at once, for this user's connections only. In the mode *gateway* it never
    /// returns.
    ///
    /// An outage also ends the wait, but not at once. `SessionUnavailable` is returned when the last
    /// confirmation is too old: in the mode *resolver* older than a minute plus the cache's TTL, with
    /// live sessions older than one and a half bounds, plus the [grace
    /// period](crate::LiveSessions::grace_period) if it has begun. (If the bound is longer than a minute:
    /// older than the bound, and than half of it and a minute.) `KeysUnavailable` is returned when the
    /// keys are too old. A shorter outage ends no connection. If the runtime of `build()` has ended,
    /// `SessionUnavailable` is returned at once.
    ///
    /// ```
    /// # use axum_authgear::{Authgear, AuthUser};
    /// # async fn serve(authgear: Authgear, user: AuthUser, mut next: impl AsyncFnMut() -> String) {
    /// let ended = authgear.ended(&user);
    /// tokio::pin!(ended);
    /// loop {
    ///     tokio::select! {
    ///         reason = &mut ended => break println!("closing: {reason}"),
    ///         message = next() => println!("{message}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub async fn ended(&self, user: &AuthUser<C>) -> AuthError {
        let audiences = self.authenticator.audiences();
        let verifier = self.authenticator.verifier();
        verifier.ended(user, audiences).await
    }

    /// Drops the resolver's cached answers for a user, so that the next request asks it again. It is for
    /// events that this crate does not see. With several projects, it affects the users with this id in all
    /// of them: see [`Project::invalidate_user`].
    ///
    /// In modes without the resolver it does nothing, and the first call logs a warning.
    pub fn invalidate_user(&self, user_id: &str) {
        if !self.authenticator.verifier().asks_resolver() {
            telemetry::invalidated_nobody();
        }
        self.authenticator.verifier().invalidate_user(user_id);
    }

    /// Waits until credentials can be verified, at most for this time, so that a program can fail at its
    /// start. In modes with the resolver, a probe must have succeeded. With several projects, the first
    /// fetch of each must have ended, and one project must be able to verify. Without projects it returns
    /// at once.
    ///
    /// # Errors
    /// `KeysUnavailable` or `SessionUnavailable`, with the reason as its source; at once if the runtime of
    /// `build()` has ended.
    pub async fn ready(&self, timeout: Duration) -> Result<(), AuthError> {
        let verifier = self.authenticator.verifier();
        if let Ok(Ok(())) = tokio::time::timeout(timeout, verifier.ready()).await {
            return Ok(());
        }
        let status = self.status();
        let kind = if status.lacks_keys {
            AuthErrorKind::KeysUnavailable
        } else {
            AuthErrorKind::SessionUnavailable
        };
        let retry_after = Duration::from_secs(1);
        Err(AuthError::unavailable(kind, retry_after, status.last_error))
    }

    /// The status of this `Authgear`, for a readiness probe. It does no I/O.
    ///
    /// [Operations](crate::docs::operations#readiness) explains each status in each mode.
    ///
    /// Probes decide about the resolver, never the request of one caller. A probe is sent after a failed
    /// call, at most one a second, and repeated until one succeeds. It carries an invented credential, so
    /// it takes the same path as a real call. Only a well-formed response with status 200 counts as
    /// success.
    ///
    /// If the runtime of `build()` has ended, the crate fetches and asks no more, and `last_error` says so.
    /// The status is then `Down` in the mode *resolver*, and `Degraded` in other modes while the keys can
    /// be used.
    ///
    /// With several projects, it is `Down` if none of them can verify, and `Degraded` if some cannot or
    /// something failed recently. [`Status::projects`] has the status of each.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(&self.authenticator)
    }
}

clone_without_bounds!(<C> Authgear<C> { authenticator, resource });

redacted_debug!(<C> Authgear<C> { authenticator });
