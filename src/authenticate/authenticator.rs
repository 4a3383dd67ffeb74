//! The stages before the layer, in order.

use std::fmt;
use std::sync::Arc;

use http::Request;

use super::csrf::CsrfCheck;
use super::outcome::{Authentication, Authority};
use crate::credential::Sources;
use crate::error::{AuthError, AuthErrorKind};
use crate::rejection::{AuthRejection, ChallengeParameters};
use crate::user::Principal;
use crate::verify::{JwtVerifier, PendingVerification, Verification};

/// Finds out who is calling. One for each `Authgear`, shared by its layers.
pub(crate) struct Authenticator<C> {
    sources: Sources,
    csrf: CsrfCheck,
    verifier: Arc<JwtVerifier<C>>,
    authority: Authority,
}

/// What is to be done with a request.
pub(super) enum Step<C> {
    /// An outer layer of the same `Authgear` has done it all.
    Known,
    /// It is known who is calling.
    Pass(Authentication),
    /// The request is refused.
    Refuse(AuthError),
    /// Ask again when this is done.
    Wait(PendingVerification<C>),
}

impl<C: Send + Sync + 'static> Authenticator<C> {
    pub(crate) fn new(
        sources: Sources,
        csrf: CsrfCheck,
        verifier: Arc<JwtVerifier<C>>,
        authority: Authority,
    ) -> Self {
        Self {
            sources,
            csrf,
            verifier,
            authority,
        }
    }

    pub(crate) fn verifier(&self) -> &Arc<JwtVerifier<C>> {
        &self.verifier
    }

    pub(super) fn begin<B>(&self, request: &Request<B>, is_optional: bool) -> Step<C> {
        let without_credential =
            || (!is_optional).then_some(Step::Refuse(AuthErrorKind::MissingCredential.into()));
        if let Some(known) = request.extensions().get::<Authentication>()
            && known.is_by(&self.authority)
        {
            return known
                .is_nobody()
                .then(without_credential)
                .flatten()
                .unwrap_or(Step::Known);
        }
        let credential = match self.sources.find(request.headers()) {
            Ok(Some(credential)) => credential,
            Ok(None) => {
                return without_credential()
                    .unwrap_or_else(|| Step::Pass(Authentication::nobody(self.authority.clone())));
            }
            Err(kind) => return Step::Refuse(kind.into()),
        };
        if credential.is_ambient() && !self.csrf.allows(request) {
            return Step::Refuse(AuthErrorKind::CrossOrigin.into());
        }
        match self.verifier.verify(credential.token()) {
            Verification::Done(outcome) => self.conclude(outcome),
            Verification::Waiting(pending) => Step::Wait(pending),
        }
    }

    pub(super) fn conclude(&self, outcome: Result<Principal<C>, AuthError>) -> Step<C> {
        match outcome {
            Ok(principal) => Step::Pass(Authentication::of(principal, self.authority.clone())),
            Err(error) => Step::Refuse(error),
        }
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(super) fn challenge(&self) -> Option<Arc<ChallengeParameters>> {
        self.authority.challenge()
    }

    pub(super) fn reject(&self, error: AuthError) -> AuthRejection {
        self.authority.reject(error)
    }
}

impl<C> fmt::Debug for Authenticator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("sources", &self.sources)
            .field("csrf", &self.csrf)
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}
