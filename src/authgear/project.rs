//! [`Project`]: one project of an [`Authgear`].

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Authgear, Status};
use crate::authenticate::Authenticator;
#[cfg(feature = "webhook")]
use crate::authenticate::seal::OpenLayer;
#[cfg(feature = "webhook")]
use crate::error::ConfigError;
use crate::telemetry;
use crate::user::NoClaims;

/// One project of an [`Authgear`], by its issuer, from
/// [`Projects::get`](crate::Projects::get).
///
/// It stands for the issuer, not for the current options: it stays usable after the project is replaced. If
/// the project is removed, its revocations are remembered in case it is added again.
pub struct Project<C = NoClaims> {
    pub(super) authenticator: Arc<Authenticator<C>>,
    pub(super) issuer: Arc<str>,
}

impl<C: Send + Sync + 'static> Project<C> {
    /// The project's endpoint.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The status of the project. `None` if it was removed.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        let Some(projects) = self.authenticator.verifier().projects() else {
            return Some(Status::of(&self.authenticator));
        };
        let project = projects.find(&self.issuer)?;
        // Else it is a former issuer of that one.
        (project.issuer() == &*self.issuer).then(|| Status::of_project(&project))
    }

    /// Like [`Authgear::revoke_user`], for a user of this project.
    pub fn revoke_user(&self, id: &str) {
        if !self.authenticator.verifier().reads_tokens() {
            telemetry::revoked_nobody();
        }
        let ledger = self.authenticator.ledger();
        ledger.write(&self.issuer, |store| store.revoke_user(id));
    }

    /// Like [`Authgear::revoke_client`], for a client of this project.
    pub fn revoke_client(&self, client_id: &str) {
        self.warn_where_no_token_is_read();
        let ledger = self.authenticator.ledger();
        ledger.write(&self.issuer, |store| store.revoke_client(client_id));
    }

    /// Like [`Authgear::revoke_issued_before`], for the tokens of this project.
    pub fn revoke_issued_before(&self, time: SystemTime) {
        self.warn_where_no_token_is_read();
        let ledger = self.authenticator.ledger();
        ledger.write(&self.issuer, |store| store.revoke_issued_before(time));
    }

    fn warn_where_no_token_is_read(&self) {
        if !self.authenticator.verifier().reads_tokens() {
            telemetry::revoked_no_client();
        }
    }

    /// Like [`Authgear::invalidate_user`], for a user of this project.
    pub fn invalidate_user(&self, id: &str) {
        let verifier = self.authenticator.verifier();
        match verifier.projects() {
            None if verifier.is_gateway() => telemetry::invalidated_nobody(),
            None => verifier.invalidate_user(id),
            Some(projects) => {
                if let Some(project) = projects.find(&self.issuer) {
                    if project.live().is_none() {
                        telemetry::invalidated_nobody();
                    }
                    project.invalidate_user(id);
                }
            }
        }
    }

    /// Like [`Authgear::webhooks`], for deliveries of this project. Each project has its own route and
    /// secrets.
    ///
    /// # Errors
    /// There is no secret, or an empty one.
    #[cfg(feature = "webhook")]
    pub fn webhooks<S, I>(&self, secrets: I) -> Result<axum::routing::MethodRouter<S>, ConfigError>
    where
        S: Clone + Send + Sync + 'static,
        I: IntoIterator<Item: AsRef<str>>,
    {
        let secrets = crate::webhook::WebhookSecrets::new("webhooks", secrets)?;
        if self.authenticator.verifier().is_gateway() {
            telemetry::gateway_decides("webhooks");
        }
        let ledger = Arc::clone(self.authenticator.ledger());
        ledger.feed(&self.issuer);
        let issuer = Arc::clone(&self.issuer);
        // Its signature judges the request.
        let open = OpenLayer::new(self.authenticator.authgear_id().clone());
        Ok(crate::webhook::route(issuer, ledger, secrets).layer(open))
    }
}

impl<C> Clone for Project<C> {
    fn clone(&self) -> Self {
        Self {
            authenticator: Arc::clone(&self.authenticator),
            issuer: Arc::clone(&self.issuer),
        }
    }
}

impl<C> fmt::Debug for Project<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Project")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl<C> Authgear<C> {
    pub(crate) fn authenticator(&self) -> &Arc<Authenticator<C>> {
        &self.authenticator
    }
}
