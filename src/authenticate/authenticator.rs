//! The stages before the layer, in order.

use std::fmt;
use std::sync::Arc;

use http::Request;

use super::authentication::{Authentication, Authority};
use super::client_info;
use super::client_info::PeerRules;
use super::csrf::CsrfCheck;
use super::identity_headers;
use crate::clock::{Clock, Moment};
use crate::credential::{self, Sources};
use crate::error::{AuthError, AuthErrorKind};
use crate::rejection::{AuthRejection, ChallengeParameters};
use crate::revocation::Revocations;
use crate::telemetry::{Attempt, Outcome};
use crate::user::Principal;
use crate::verify::{PendingVerification, Requester, SetCookies, Verification, Verifier, Word};

/// Finds out who is calling. One for each `Authgear`, shared by its layers.
pub(crate) struct Authenticator<C> {
    sources: Sources,
    csrf: CsrfCheck,
    verifier: Verifier<C>,
    revocations: Arc<Revocations>,
    peer_rules: PeerRules,
    pass_set_cookie: bool,
    authority: Authority,
    clock: Clock,
    trace_user_ids: bool,
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
    #[expect(clippy::too_many_arguments, reason = "called once, by the builder")]
    pub(crate) fn new(
        sources: Sources,
        csrf: CsrfCheck,
        verifier: Verifier<C>,
        revocations: Arc<Revocations>,
        peer_rules: PeerRules,
        pass_set_cookie: bool,
        authority: Authority,
        clock: Clock,
        trace_user_ids: bool,
    ) -> Self {
        Self {
            sources,
            csrf,
            verifier,
            revocations,
            peer_rules,
            pass_set_cookie,
            authority,
            clock,
            trace_user_ids,
        }
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// The authentication of a request that comes now.
    pub(super) fn attempt(&self) -> Attempt {
        Attempt::begin(self.now())
    }

    pub(crate) fn verifier(&self) -> &Verifier<C> {
        &self.verifier
    }

    pub(crate) fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// Takes what only a gateway may say out of the request, and gives what it says if it is one.
    pub(super) fn hear<B>(&self, request: &mut Request<B>) -> Word {
        let word = match &self.verifier {
            Verifier::Gateway(gateway) => {
                let peer = client_info::connection(request.extensions());
                gateway.hear(request.headers_mut(), peer)
            }
            Verifier::Jwt(_) | Verifier::Resolver(_) | Verifier::Live(_) => None,
        };
        // On every route: nobody else may say who the user is, to whatever is further inside.
        identity_headers::remove(request.headers_mut());
        word
    }

    /// Where the cookies of the resolver's answer to a request go, if they are passed on.
    pub(super) fn set_cookies(&self) -> Option<Arc<SetCookies>> {
        self.pass_set_cookie.then(Arc::default)
    }

    /// Finds out who is calling. The request must have been [heard](Self::hear) before.
    pub(super) fn begin<B>(
        &self,
        request: &Request<B>,
        word: Word,
        now: Moment,
        is_optional: bool,
        set_cookies: Option<&Arc<SetCookies>>,
    ) -> Step<C> {
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
        let nobody = || {
            without_credential()
                .unwrap_or_else(|| Step::Pass(Authentication::nobody(self.authority.clone())))
        };
        if let Verifier::Gateway(gateway) = &self.verifier {
            let Some(word) = word else {
                return nobody();
            };
            // The gateway does not say whether the user came by a cookie.
            if !credential::has_bearer(request.headers()) && !self.csrf.allows(request) {
                return Step::Refuse(AuthErrorKind::CrossOrigin.into());
            }
            return self.conclude(gateway.verify(word));
        }
        let credential = match self.sources.find(request.headers()) {
            Ok(Some(credential)) => credential,
            Ok(None) => return nobody(),
            Err(kind) => return Step::Refuse(kind.into()),
        };
        if credential.is_ambient() && !self.csrf.allows(request) {
            return Step::Refuse(AuthErrorKind::CrossOrigin.into());
        }
        let requester = || Requester {
            client: self.peer_rules.client(request),
            set_cookies: set_cookies.cloned(),
        };
        match self.verifier.verify(&credential, now, requester) {
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

    /// Tells telemetry who the request comes from.
    pub(super) fn tell(&self, attempt: Attempt, authentication: &Authentication) -> Outcome {
        let outcome = authentication.outcome();
        if attempt.is_traced()
            && let Ok(Some(Principal::User(user))) = authentication.principal::<C>()
        {
            attempt.method(user.verified_by().as_str());
            if self.trace_user_ids {
                attempt.user_id(user.id());
            }
        }
        attempt.end(outcome);
        outcome
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
