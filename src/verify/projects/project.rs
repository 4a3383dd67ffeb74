//! [`TrustedProject`]: verifies the tokens of one project, in its current configuration.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::clock::Timestamp;
use crate::error::AuthError;
use crate::secret::Secret;
use crate::telemetry::ProjectTelemetry;
use crate::user::{CredentialForm, NumericDate, Principal};
use crate::verify::jwt::{Audiences, JwtVerifier};
use crate::verify::live::LiveVerifier;
use crate::verify::resolver::Requester;
use crate::verify::verification::Verification;

/// One project in its current configuration. A change of its options, or a removal and addition, makes a new
/// one.
pub(crate) struct TrustedProject<C> {
    jwt: Arc<JwtVerifier<C>>,
    live: Option<Arc<LiveVerifier<C>>>,
    telemetry: Arc<ProjectTelemetry>,
    is_out: AtomicBool,
    taken_out: Notify,
    /// The number of this project's tokens in the cache.
    cached_tokens: AtomicUsize,
}

/// A token and the parameters of its verification, while they wait.
pub(super) struct Asked {
    pub(super) token: Secret,
    pub(super) audiences: Option<Audiences>,
    /// Whether the result is cached for later requests.
    pub(super) keeps: bool,
    pub(super) requester: Requester,
}

impl<C> TrustedProject<C> {
    pub(crate) fn new(
        jwt: Arc<JwtVerifier<C>>,
        live: Option<Arc<LiveVerifier<C>>>,
        telemetry: Arc<ProjectTelemetry>,
    ) -> Self {
        Self {
            jwt,
            live,
            telemetry,
            is_out: AtomicBool::new(false),
            taken_out: Notify::new(),
            cached_tokens: AtomicUsize::new(0),
        }
    }

    /// The project's own issuer: its endpoint.
    pub(crate) fn issuer(&self) -> &str {
        &self.jwt.validation.issuer
    }

    /// All issuers whose tokens belong to this project.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = &str> {
        self.jwt.validation.issuers()
    }

    pub(crate) fn jwt(&self) -> &Arc<JwtVerifier<C>> {
        &self.jwt
    }

    pub(crate) fn live(&self) -> Option<&Arc<LiveVerifier<C>>> {
        self.live.as_ref()
    }

    pub(super) fn cached_tokens(&self) -> &AtomicUsize {
        &self.cached_tokens
    }

    /// Removes the cached answers of the resolver about a user.
    pub(crate) fn invalidate_user(&self, user_id: &str)
    where
        C: Send + Sync + 'static,
    {
        if let Some(live) = &self.live {
            live.sessions().invalidate_user(user_id);
        }
    }

    /// Whether tokens can be verified, as far as it depends on keys.
    pub(crate) fn has_keys(&self) -> bool {
        self.jwt.keys().status().usable
    }

    /// Reports the result of one of its tokens.
    pub(super) fn tell<T>(&self, outcome: &Result<T, AuthError>) {
        let refusal = outcome.as_ref().err().map(AuthError::kind);
        self.telemetry.decided(refusal);
    }

    /// Whether its tokens are accepted.
    pub(super) fn is_in(&self) -> bool {
        !self.is_out.load(Ordering::Acquire)
    }

    /// Ends all waits for it, permanently.
    pub(super) fn take_out(&self) {
        self.is_out.store(true, Ordering::Release);
        self.taken_out.notify_waiters();
    }

    /// The outcome of this work, or `None` as soon as the project is removed: a later outcome does not
    /// count.
    pub(in crate::verify) async fn while_in<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut taken_out = pin!(self.taken_out.notified());
        // Before the check, so that no removal is missed in between.
        taken_out.as_mut().enable();
        if !self.is_in() {
            return None;
        }
        tokio::select! {
            biased;
            () = taken_out => None,
            outcome = work => self.is_in().then_some(outcome),
        }
    }
}

impl<C: Send + Sync + 'static> TrustedProject<C> {
    /// The remaining steps after the token was verified.
    pub(super) fn confirm(
        &self,
        principal: Principal<C>,
        keeps: bool,
        token: &[u8],
        now: Timestamp,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        match (&self.live, principal) {
            (Some(live), Principal::User(user)) => {
                // A valid token is plain ASCII.
                let token = str::from_utf8(token).unwrap_or_default();
                let form = CredentialForm::Bearer;
                let quiet;
                let live = if keeps {
                    live
                } else {
                    quiet = Arc::new(live.without_keeping());
                    &quiet
                };
                live.confirm(user, form, token, now, requester)
            }
            // The resolver knows no machines.
            (_, principal) => Verification::Ready(Ok(principal)),
        }
    }

    /// Verifies a token whose key or revocation is not known yet.
    pub(super) async fn verify_later(
        self: Arc<Self>,
        asked: Asked,
        kid: Secret,
        issued_at: Option<NumericDate>,
    ) -> Result<Principal<C>, AuthError> {
        let token = asked.token.expose();
        let principal = self
            .jwt
            .verify_later(token, &kid, issued_at, asked.audiences)
            .await?;
        match (&self.live, principal) {
            (Some(live), Principal::User(user)) => {
                let form = CredentialForm::Bearer;
                let requester = asked.requester;
                let user = if asked.keeps {
                    live.confirm_later(user, form, token, requester).await?
                } else {
                    let quiet = live.without_keeping();
                    quiet.confirm_later(user, form, token, requester).await?
                };
                Ok(Principal::User(user))
            }
            (_, principal) => Ok(principal),
        }
    }
}

impl<C> fmt::Debug for TrustedProject<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedProject")
            .field("jwt", &self.jwt)
            .field("live", &self.live)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;
    use jsonwebtoken::Algorithm;

    use super::*;
    use crate::user::NoClaims;
    use crate::verify::jwt::stub;

    impl TrustedProject<NoClaims> {
        /// A project that never gets keys.
        pub(in crate::verify::projects) fn for_tests(issuer: &str) -> Arc<Self> {
            let jwt = stub::verifier(issuer, Algorithm::RS256);
            Arc::new(Self::new(Arc::new(jwt), None, stub::telemetry(issuer)))
        }
    }

    #[test]
    fn what_comes_of_a_project_that_went_does_not_count() {
        let project = TrustedProject::for_tests("https://auth.example");
        assert_eq!(project.while_in(ready(1)).now_or_never(), Some(Some(1)));
        // The project is removed during the work.
        let work = async {
            project.take_out();
            1
        };
        assert_eq!(project.while_in(work).now_or_never(), Some(None));
        // The project is removed before the wait, which would then miss the signal.
        let waiting = project.while_in(pending::<()>());
        assert_eq!(waiting.now_or_never(), Some(None));
    }

    #[test]
    fn who_waits_is_woken() {
        let project = TrustedProject::for_tests("https://auth.example");
        let mut waiting = Box::pin(project.while_in(pending::<()>()));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        project.take_out();
        assert_eq!(waiting.now_or_never(), Some(None));
    }
}
