//! The route for Authgear's webhooks.

mod date;
pub(crate) mod event;
mod service;
mod signature;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, post};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub(crate) use self::service::ProjectSecrets;
pub use self::service::WebhookService;
use self::signature::Signature;
pub(crate) use self::signature::WebhookSecrets;
use crate::revocation::RevocationLedger;
use crate::telemetry;

const SIGNATURE: &str = "x-authgear-body-signature";
const MAX_BODY: usize = 1024 * 1024;
/// The time limit for a body. Authgear waits a minute for the response.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum number of bodies that are read at a time: a body must be read before its signature is
/// checked.
const MAX_BODIES: usize = 256;

/// A route that stores what deliveries say of users of this issuer.
pub(crate) fn route<S: Clone + Send + Sync + 'static>(
    issuer: Arc<str>,
    ledger: Arc<RevocationLedger>,
    secrets: WebhookSecrets,
) -> MethodRouter<S> {
    let route = Arc::new((Receiver::new(), secrets));
    post(move |request: Request| async move {
        let (receiver, secrets) = &*route;
        receiver.answer(request, secrets, &issuer, &ledger).await
    })
}

struct Receiver {
    bodies: Semaphore,
}

impl Receiver {
    fn new() -> Self {
        Self {
            bodies: Semaphore::new(MAX_BODIES),
        }
    }

    async fn answer(
        &self,
        request: Request,
        secrets: &WebhookSecrets,
        issuer: &str,
        ledger: &RevocationLedger,
    ) -> Response<Body> {
        match self.take(request, secrets, issuer, ledger).await {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(refused) => refuse(&refused),
        }
    }

    /// The body is not parsed before its signature was checked.
    async fn take(
        &self,
        request: Request,
        secrets: &WebhookSecrets,
        issuer: &str,
        ledger: &RevocationLedger,
    ) -> Result<(), Refused> {
        let (parts, body) = request.into_parts();
        let signature = signature(&parts.headers).ok_or(Refused::Signature)?;
        let body = self.read(body).await?;
        if !secrets.signed(&body, &signature) {
            return Err(Refused::Signature);
        }
        let delivery = event::read(&body).map_err(|event::Malformed| Refused::Body)?;
        if let Some(delivery) = delivery {
            telemetry::webhook_taken(delivery.event_type.name());
            let is_taken = ledger.write(issuer, |store| {
                store.take(delivery.user.clone(), delivery.event);
            });
            if !is_taken {
                return Err(Refused::Gone);
            }
        }
        Ok(())
    }

    async fn read(&self, body: Body) -> Result<Bytes, Refused> {
        let _place = self.bodies.try_acquire().map_err(|_| Refused::Busy)?;
        match timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refused::TooLong),
            Ok(Err(_)) => Err(Refused::Body),
            Err(_) => Err(Refused::TooSlow),
        }
    }
}

fn refuse(refused: &Refused) -> Response<Body> {
    let (status, reason) = refused.told();
    telemetry::webhook_refused(reason);
    (status, reason).into_response()
}

/// The only signature of a delivery.
fn signature(headers: &HeaderMap) -> Option<Signature> {
    let mut fields = headers.get_all(SIGNATURE).iter();
    match (fields.next(), fields.next()) {
        (Some(field), None) => Signature::parse(field.as_bytes()),
        _ => None,
    }
}

/// Why a delivery was refused.
enum Refused {
    Signature,
    Body,
    TooLong,
    TooSlow,
    Busy,
    Gone,
    UnknownProject,
}

impl Refused {
    fn told(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Signature => (
                StatusCode::UNAUTHORIZED,
                "the signature is missing or invalid",
            ),
            Self::Body => (StatusCode::BAD_REQUEST, "the body is not an event"),
            Self::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the body took too long"),
            Self::UnknownProject => (
                StatusCode::NOT_FOUND,
                "the project is unknown or has no secrets",
            ),
            // The project was removed, and its revocations are forgotten.
            Self::Gone => (StatusCode::GONE, "the project was removed"),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too many deliveries at a time",
            ),
        }
    }
}

#[cfg(test)]
mod property;
