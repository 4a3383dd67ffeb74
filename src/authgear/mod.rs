//! [`Authgear`]: the handle that a service keeps.

mod project;
mod status;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;

pub use self::project::Project;
pub use self::status::{Health, ProjectStatus, Status};
use crate::authenticate::seal::{OpenLayer, SealLayer};
use crate::authenticate::{AuthenticateLayer, Authenticator, AuthgearId, ForwardAuth};
use crate::authorize::{AuthorizeLayer, Requirement};
use crate::error::{AuthError, AuthErrorKind, ConfigError};
use crate::protected_resource::{ProtectedResource, ResourceMetadata};
use crate::telemetry;
use crate::user::{AuthUser, NoClaims, Principal, VerifiedBy};
use crate::verify::Verification;

/// An Authgear project whose tokens this service takes, or [several](Authgear::any_of).
///
/// A clone is cheap and shares everything. The background refresher stops when the last clone, and
/// the last layer made of one, is dropped.
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
/// What a custom set-up can look like is in [`AuthgearBuilder`](crate::AuthgearBuilder); what is trusted, in the
/// [threat model](crate::docs::threat_model).
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

    /// The same project, or projects, as the authorization server of one resource: an `Authgear` whose layers,
    /// requirements and calls take only tokens that are for the resource, and whose challenges lead to the
    /// resource's metadata.
    ///
    /// It shares keys, cache, revocations and background tasks with this one, and costs next to nothing: a
    /// process may have thousands. A token that one resource has seen is still refused by another that it
    /// is not for. A layer or requirement of one resource does not count for another.
    ///
    /// # Errors
    /// An address or a scope that clients could not use. An audience of its own, where the session resolver
    /// or a gateway compares the endpoint and nothing else: such a resource has the
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
                reason: "the session resolver, a gateway and Authgear's own cookies know the endpoint and \
                         no other audience: take the resource's project_audience",
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

    /// A service that answers a gateway's sub-requests (nginx's `auth_request` and its like): 200 and
    /// who the user is, or a refusal by its status. See [`ForwardAuth`].
    pub fn forward_auth(&self) -> ForwardAuth<C> {
        ForwardAuth::new(Arc::clone(&self.authenticator))
    }

    /// A layer that replaces an answer which no layer of this `Authgear` has judged: it goes around all
    /// routes, and tells a forgotten one. See [`SealLayer`], which is a net and not a guard.
    pub fn seal(&self) -> SealLayer {
        SealLayer::new(self.authenticator.authgear_id().family())
    }

    /// A layer that names what it is around open, for the [`seal`](Self::seal). It does nothing else.
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

    /// A layer that lets only those callers pass who meet the requirement. It goes inside of
    /// [`layer`](Self::layer), on a route or a router; see [`authorize`](crate::authorize).
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
    /// It belongs outside of the layer, where clients without a token reach it, and at the root of
    /// the host: do not nest it. It is public: pages of any origin may read it (CORS), and a preflight
    /// is answered. It needs no CORS layer of its own.
    pub fn resource_metadata_router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let Some(resource) = &self.resource else {
            return Router::new();
        };
        let authenticator = Arc::clone(&self.authenticator);
        resource
            .router(move || authenticator.issuers())
            .layer(self.open())
    }

    /// Verifies a user's token that came by another way than HTTP.
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
    /// Whatever makes the token no good, `UserRequired` for a machine's, and `KeysUnavailable` when
    /// that cannot be said.
    pub async fn verify(&self, token: &str) -> Result<AuthUser<C>, AuthError> {
        match self.verify_principal(token).await? {
            Principal::User(user) => Ok(user),
            Principal::Client(_) => Err(AuthErrorKind::UserRequired.into()),
        }
    }

    /// Verifies a token of a user or a machine that came by another way than HTTP.
    ///
    /// # Errors
    /// Whatever makes the token no good, and `KeysUnavailable` when that cannot be said.
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

    /// Ends all tokens of this user that were issued until now, by this machine's clock: an
    /// administrator's page is the place for it. Tokens issued later are good; to keep a user out,
    /// disable the user in Authgear.
    ///
    /// It counts where a JWT is verified: without other options, and with live sessions. With the session
    /// resolver alone, and for Authgear's own cookies, it only forgets what the resolver said of the
    /// user, and the resolver's next answer counts. Behind a gateway it does nothing. In these two modes
    /// the first call logs a warning.
    ///
    /// What revocation promises and costs: [`revocation`](crate::docs::revocation).
    ///
    /// # Errors
    /// Several projects, or none: an id is then not enough to name a user. Take the project by
    /// [`projects`](Self::projects), and [`Project::revoke_user`].
    pub fn revoke_user(&self, id: &str) -> Result<(), ConfigError> {
        self.sole_project("revoke_user")?.revoke_user(id);
        Ok(())
    }

    /// Ends the token that this user was verified by, and no other: a log-out route is the place
    /// for it. It stays revoked until it expires.
    ///
    /// A user who was verified without a JWT has no token to revoke: see
    /// [`revoke_user`](Self::revoke_user) for what happens then, and end the session at Authgear. The
    /// first such call logs a warning.
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

    /// Ends all tokens of this OAuth client that were issued until now, machines' and users': for a
    /// client secret that leaked. Change the secret in Authgear first: tokens issued later are good.
    ///
    /// It counts where a JWT is verified, is shared like [`revoke_user`](Self::revoke_user), and
    /// is remembered for 30 days, for as long as one process that knows lives: a machine's token lives for
    /// 28 days at most. Elsewhere it does
    /// nothing and logs a warning: neither the resolver nor a gateway names the client.
    ///
    /// # Errors
    /// Several projects, or none: a client is one of a project, see [`Project::revoke_client`].
    pub fn revoke_client(&self, client_id: &str) -> Result<(), ConfigError> {
        self.sole_project("revoke_client")?.revoke_client(client_id);
        Ok(())
    }

    /// Ends all tokens that were issued before this time, machines' and users': for a signing key
    /// that was exposed. Remove the key in Authgear first: who has it can sign for any time.
    ///
    /// A time to come counts as now. An earlier call with a later time stays in force. It counts
    /// where [`revoke_client`](Self::revoke_client) does, and for as long.
    ///
    /// # Errors
    /// Several projects, or none: a key is one of a project, see [`Project::revoke_issued_before`].
    pub fn revoke_issued_before(&self, time: SystemTime) -> Result<(), ConfigError> {
        self.sole_project("revoke_issued_before")?
            .revoke_issued_before(time);
        Ok(())
    }

    /// A route that takes Authgear's webhooks and ends users at once. It answers POST alone; mount
    /// it outside of the layer, whose rules are not for it.
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
    /// A delivery may be signed with any of the secrets, so that one can be replaced by another.
    /// The answer is 204 once the event is stored; 401 if not exactly one good
    /// `x-authgear-body-signature` came with the body, 400 if the body is no event, 413 if it is
    /// longer than 1 MiB, 408 if it took longer than 10 seconds, 503 if 256 others are being read.
    ///
    /// Turns revocation on, see [`revocation_retention`](crate::AuthgearBuilder::revocation_retention).
    /// With the session resolver alone an event only makes it be asked again; behind a gateway it does
    /// nothing, and a warning is logged.
    ///
    /// # Errors
    /// No secret, or an empty one; and several projects, or none: each has a route of its own, see
    /// [`Project::webhooks`].
    #[cfg(feature = "webhook")]
    pub fn webhooks<S, I>(&self, secrets: I) -> Result<axum::routing::MethodRouter<S>, ConfigError>
    where
        S: Clone + Send + Sync + 'static,
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.sole_project("webhooks")?.webhooks(secrets)
    }

    /// A service that takes the webhooks of projects that come and go: see [`WebhookService`]. It belongs
    /// outside of the layer; for a [seal](Self::seal), its route is [open](Self::open).
    ///
    /// [`WebhookService`]: crate::WebhookService
    #[cfg(feature = "webhook")]
    pub fn webhook_service(&self) -> crate::WebhookService {
        let secrets = Arc::clone(self.authenticator.webhook_secrets());
        crate::WebhookService::new(secrets, Arc::clone(self.authenticator.ledger()))
    }

    /// The project of this issuer, whatever is known of it.
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
            reason: "there is not one project alone: take `projects().get(issuer)`, which names it",
        })
    }

    /// Checks a user once more who was let in some time ago: for connections that live longer than
    /// a request. It gives the user as it is now.
    ///
    /// The token must not have expired, and its key must still be in use; with live sessions, the
    /// resolver must have confirmed the session within half of the bound, and is asked where it has
    /// not; with the resolver alone, it is asked (unless its answer is kept). Behind a gateway there
    /// is nobody to ask: the user stays.
    ///
    /// # Errors
    /// Whatever would refuse the user's next request. With [resources](Self::for_resource), that is a request
    /// to this one: ask the handle whose layer has let the user in.
    pub async fn recheck(&self, user: &AuthUser<C>) -> Result<AuthUser<C>, AuthError> {
        let audiences = self.authenticator.audiences();
        let verifier = self.authenticator.verifier();
        verifier.recheck(user, audiences).await
    }

    /// Waits until the user would not be let in any more, and says why: to close a connection
    /// (WebSocket, server-sent events, a gRPC stream) that was opened for the user.
    ///
    /// With live sessions that is within their bound, with the resolver alone within some seconds;
    /// without either, when the token expires or its key is taken out of use. A purge of the user, or
    /// a webhook about it, makes this ask at once, and nobody else's connection. Behind a gateway it
    /// waits for ever.
    ///
    /// That it cannot be said any more ends the user as well, but not at once: `SessionUnavailable`
    /// comes when the last confirmation is older than a minute and the time for which answers are kept
    /// (with the resolver alone), or than the bound and a half of it, and the
    /// [grace](crate::LiveSessions::grace_period) where it is open; `KeysUnavailable` when the keys are too
    /// old. An outage that is shorter than a minute, and than the bound, ends nobody. Where the runtime
    /// of `build()` has ended, nothing can be asked, and `SessionUnavailable` comes at once.
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

    /// Forgets what the resolver has said of a user, so that it is asked again before the user is
    /// let in once more. For events that this crate does not see. With several projects, of the users
    /// with this id in any of them: see [`Project::invalidate_user`].
    ///
    /// Where no resolver is asked it does nothing, and the first call logs a warning.
    pub fn invalidate_user(&self, user_id: &str) {
        if !self.authenticator.verifier().asks_resolver() {
            telemetry::invalidated_nobody();
        }
        self.authenticator.verifier().invalidate_user(user_id);
    }

    /// Waits until credentials can be verified, for at most this long: the way to fail fast at
    /// start. Where the resolver is needed, a probe must have been answered. With several projects, the
    /// first attempt to fetch the keys of each must have ended, and one of them must be able to verify; with
    /// none, there is nothing to wait for.
    ///
    /// # Errors
    /// `KeysUnavailable` or `SessionUnavailable`, with the reason as its source; at once where the
    /// runtime of `build()` has ended.
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

    /// How this side is doing, for a readiness probe. It does no I/O.
    ///
    /// What each word means in each mode is in [operations](crate::docs::operations#readiness).
    ///
    /// Whether the resolver is there is decided by probes, and never by what one caller's request has
    /// met: one is sent after a question has failed, at most one a second, and then again and again
    /// until one is answered. It carries an invented credential, so that it takes the way of a real
    /// one. Anything but an answer of status 200 that makes sense counts as failed.
    ///
    /// Where the runtime has ended that `build()` was called on, nothing is fetched or asked any more:
    /// `last_error` says so. It is down where the resolver alone decides, and degraded elsewhere for
    /// as long as the keys serve.
    ///
    /// With several projects, it is down where none of them can verify, and degraded where some cannot or
    /// something has failed lately; [`Status::projects`] has each.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(&self.authenticator)
    }
}

impl<C> Clone for Authgear<C> {
    fn clone(&self) -> Self {
        Self {
            authenticator: Arc::clone(&self.authenticator),
            resource: self.resource.clone(),
        }
    }
}

impl<C> fmt::Debug for Authgear<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authgear")
            .field("authenticator", &self.authenticator)
            .finish_non_exhaustive()
    }
}
