//! [`WebhookService`]: deliveries for projects that are added and removed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use axum::body::Body;
use http::{Request, Response};
use tokio::sync::Semaphore;
use tower::Service;

use super::{Receiver, Refused, WebhookSecrets};
use crate::macros::redacted_debug;
use crate::revocation::RevocationLedger;

/// Receives the webhooks of all projects, from
/// [`Authgear::webhook_service`](crate::Authgear::webhook_service).
///
/// It is a tower service whose request is a pair: the issuer, and the HTTP request. It uses the secrets in
/// the project's [`webhook_secrets`](crate::AuthgearBuilder::webhook_secrets). The responses are those of
/// [`Project::webhooks`](crate::Project::webhooks), and 404 for an unknown issuer or one without secrets. The service
/// accepts deliveries of a removed project, with the secrets that it had, for as long as revocations are
/// remembered: they count when the project is added again.
///
/// ```
/// use axum::extract::{Path, Request};
/// use axum::response::Response;
/// use axum::{Router, routing::post};
/// use axum_authgear::Authgear;
/// use tower::ServiceExt;
///
/// fn app(authgear: &Authgear) -> Router {
///     let webhooks = authgear.webhook_service();
///     // The application decides how a URL names a tenant.
///     let take = async move |Path(tenant): Path<String>, request: Request| -> Response {
///         let issuer = format!("https://{tenant}.authgear.cloud");
///         match webhooks.clone().oneshot((issuer, request)).await {
///             Ok(response) => response,
///             Err(never) => match never {},
///         }
///     };
///     Router::new().route("/webhooks/{tenant}", post(take))
/// }
/// ```
#[derive(Clone)]
#[must_use = "a service does nothing until it is called"]
pub struct WebhookService {
    receiver: Arc<Receiver>,
    secrets: Arc<ProjectSecrets>,
    ledger: Arc<RevocationLedger>,
}

impl WebhookService {
    pub(crate) fn new(secrets: Arc<ProjectSecrets>, ledger: Arc<RevocationLedger>) -> Self {
        Self {
            receiver: Arc::new(Receiver::new()),
            secrets,
            ledger,
        }
    }
}

impl Service<(String, Request<Body>)> for WebhookService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (issuer, request): (String, Request<Body>)) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let Some(project) = this.secrets.find(&issuer) else {
                return Ok(super::refuse(&Refused::UnknownProject));
            };
            let Ok(_place) = project.places.try_acquire() else {
                return Ok(super::refuse(&Refused::Busy));
            };
            let receiver = &this.receiver;
            Ok(receiver
                .answer(request, &project.secrets, &issuer, &this.ledger)
                .await)
        })
    }
}

// Shows no secret.
redacted_debug!(WebhookService);

/// The secrets of each project that has some, under each of its issuers.
#[derive(Default)]
pub(crate) struct ProjectSecrets(RwLock<HashMap<Box<str>, Arc<ProjectReceiver>>>);

/// What the service needs for one project.
struct ProjectReceiver {
    secrets: Arc<WebhookSecrets>,
    places: Semaphore,
}

/// The maximum number of deliveries for one project at a time. Slow ones for a few projects leave places for
/// the others.
const MAX_DELIVERIES: usize = super::MAX_BODIES / 8;

impl ProjectSecrets {
    /// Replaces the secrets of the project with these issuers.
    pub(crate) fn set<'i>(
        &self,
        issuers: impl IntoIterator<Item = &'i str>,
        secrets: Option<&Arc<WebhookSecrets>>,
    ) {
        let receiver = secrets.map(|secrets| {
            Arc::new(ProjectReceiver {
                secrets: Arc::clone(secrets),
                places: Semaphore::new(MAX_DELIVERIES),
            })
        });
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for issuer in issuers {
            match &receiver {
                Some(receiver) => all.insert(issuer.into(), Arc::clone(receiver)),
                None => all.remove(issuer),
            };
        }
    }

    /// Forgets the secrets of all issuers but these.
    pub(crate) fn retain(&self, is_known: impl Fn(&str) -> bool) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|issuer, _| is_known(issuer));
    }

    fn find(&self, issuer: &str) -> Option<Arc<ProjectReceiver>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(issuer).cloned()
    }
}
