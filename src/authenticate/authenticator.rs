//! Calls the stages before the layer, in order.

use std::fmt;
use std::sync::Arc;

use http::{Extensions, Request};

use super::account::AccountGuard;
use super::authentication::{Authentication, AuthgearId};
use super::client_info;
use super::identity_headers;
use super::request_record::RequestRecord;
use super::seal::Judgement;
use super::shared::{Audit, SharedAuthenticator};
use crate::clock::Timestamp;
use crate::credential::{self, KeptToken};
use crate::error::{AuthError, AuthErrorKind};
use crate::rejection::{AuthRejection, ChallengeParameters};
use crate::revocation::RevocationLedger;
use crate::telemetry::{AuthenticationSpan, RequestOutcome};
use crate::user::Principal;
use crate::verify::{
    Audiences, GatewayIdentity, PendingVerification, Requester, SetCookies, Verification, Verifier,
};

/// Authenticates requests. There is one for each resource of an `Authgear`, shared by its layers.
pub(crate) struct Authenticator<C> {
    pub(crate) shared: Arc<SharedAuthenticator<C>>,
    pub(crate) authgear_id: AuthgearId,
    /// The required audience, instead of the options' own.
    pub(crate) audiences: Option<Audiences>,
}

/// The next step for a request.
pub(super) enum Decision<C> {
    /// An outer layer of the same `Authgear` has already authenticated the request.
    Known,
    /// The caller is known.
    Pass(Authentication),
    /// The request is refused.
    Reject(AuthError),
    /// The result needs a wait. The token is kept for it.
    Wait(PendingVerification<C>, KeptToken),
}

impl<C: Send + Sync + 'static> Authenticator<C> {
    pub(crate) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// The authentication of a request that arrives now.
    pub(super) fn start_span(&self) -> AuthenticationSpan {
        AuthenticationSpan::begin(self.now())
    }

    pub(crate) fn verifier(&self) -> &Verifier<C> {
        &self.shared.verifier
    }

    pub(crate) fn audiences(&self) -> Option<&Audiences> {
        self.audiences.as_ref()
    }

    /// The revocations of each project.
    pub(crate) fn ledger(&self) -> &Arc<RevocationLedger> {
        &self.shared.ledger
    }

    #[cfg(feature = "webhook")]
    pub(crate) fn webhook_secrets(&self) -> &Arc<crate::webhook::ProjectSecrets> {
        &self.shared.webhook_secrets
    }

    /// The issuers of all projects.
    pub(crate) fn issuers(&self) -> Vec<String> {
        match self.verifier().projects() {
            None => self.shared.fixed_issuers.clone(),
            Some(projects) => {
                let all = projects.all();
                all.iter().map(|own| own.issuer().to_owned()).collect()
            }
        }
    }

    /// Whether this is the issuer of one of the projects, and not a former one.
    pub(crate) fn has_issuer(&self, issuer: &str) -> bool {
        match self.verifier().projects() {
            None => self.shared.fixed_issuers.iter().any(|own| own == issuer),
            Some(projects) => {
                let project = projects.find(issuer);
                project.is_some_and(|own| own.issuer() == issuer)
            }
        }
    }

    /// Removes the headers that only a gateway may send, and returns their content if the sender is the
    /// gateway.
    pub(super) fn take_gateway_identity<B>(&self, request: &mut Request<B>) -> GatewayIdentity {
        let gateway_identity = match &self.shared.verifier {
            Verifier::Gateway(gateway) => {
                let peer = client_info::connection(request.extensions());
                gateway.take_gateway_identity(request.headers_mut(), peer)
            }
            Verifier::Projects(_) | Verifier::Resolver(_) => None,
        };
        // On every route: only the gateway may send these headers to the inner services.
        identity_headers::remove(request.headers_mut());
        gateway_identity
    }

    /// The destination of the cookies in the resolver's answer, if they are forwarded.
    pub(super) fn set_cookies(&self) -> Option<Arc<SetCookies>> {
        self.shared.forward_set_cookie.then(Arc::default)
    }

    /// Authenticates the request. Call [`take_gateway_identity`](Self::take_gateway_identity) before.
    pub(super) fn begin<B>(
        &self,
        request: &Request<B>,
        gateway_identity: GatewayIdentity,
        now: Timestamp,
        is_optional: bool,
        set_cookies: Option<&Arc<SetCookies>>,
    ) -> Decision<C> {
        let without_credential =
            || (!is_optional).then_some(Decision::Reject(AuthErrorKind::MissingCredential.into()));
        if let Some(record) = RequestRecord::of(request.extensions()) {
            let judgement = if is_optional {
                Judgement::Optional
            } else {
                Judgement::Judged
            };
            record.judge(&self.authgear_id, judgement);
            if let Some(known) = self.known(record) {
                return known
                    .is_unauthenticated()
                    .then(without_credential)
                    .flatten()
                    .unwrap_or(Decision::Known);
            }
        }
        let unauthenticated = || {
            without_credential().unwrap_or_else(|| {
                let token = self.keep(|| KeptToken::None);
                Decision::Pass(Authentication::unauthenticated(
                    self.authgear_id.clone(),
                    token,
                ))
            })
        };
        if let Verifier::Gateway(gateway) = &self.shared.verifier {
            let Some(gateway_identity) = gateway_identity else {
                return unauthenticated();
            };
            // The gateway does not report whether the user has a cookie.
            if !credential::has_bearer(request.headers()) && !self.shared.csrf.allows(request) {
                return Decision::Reject(AuthErrorKind::CrossOriginRequest.into());
            }
            return self.conclude(gateway.verify(gateway_identity), || KeptToken::None);
        }
        let credential = match self.shared.sources.find(request.headers()) {
            Ok(Some(credential)) => credential,
            Ok(None) => return unauthenticated(),
            Err(kind) => return Decision::Reject(kind.into()),
        };
        if credential.is_ambient() && !self.shared.csrf.allows(request) {
            return Decision::Reject(AuthErrorKind::CrossOriginRequest.into());
        }
        let requester = || Requester {
            client: self.shared.client_info_rules.client(request),
            set_cookies: set_cookies.cloned(),
        };
        let audiences = self.audiences.as_ref();
        match self
            .shared
            .verifier
            .verify(&credential, now, audiences, requester)
        {
            Verification::Ready(outcome) => self.conclude(outcome, || credential.keep()),
            Verification::Pending(pending) => {
                Decision::Wait(pending, self.keep(|| credential.keep()))
            }
        }
    }

    /// The result of an outer layer of the same `Authgear`.
    fn known<'r>(&self, record: &'r RequestRecord) -> Option<&'r Authentication> {
        record
            .authentication()
            .filter(|known| known.is_by(&self.authgear_id))
    }

    /// The account of this request, if accounts are on. An outer layer of the same `Authgear` logs it for
    /// the inner layers.
    pub(super) fn account<B>(&self, request: &Request<B>) -> Option<AccountGuard> {
        if self.shared.audit == Audit::Off {
            return None;
        }
        let record = RequestRecord::of(request.extensions());
        if record.is_some_and(|record| self.known(record).is_some()) {
            return None;
        }
        Some(AccountGuard::new(
            request,
            self.shared.audit == Audit::WithUsers,
            self.shared.is_union,
        ))
    }

    /// The request is refused here. Its seal and its account are notified.
    fn note_refusal(
        &self,
        extensions: &Extensions,
        account: Option<&mut AccountGuard>,
        kind: AuthErrorKind,
    ) {
        let record = RequestRecord::of(extensions);
        if let Some(record) = record {
            record.judge(&self.authgear_id, Judgement::Judged);
        }
        if let Some(account) = account {
            account.refused(kind);
        } else if let Some(known) = record.and_then(|record| self.known(record))
            && let Some(notes) = known.notes()
        {
            notes.refused(kind);
        }
    }

    /// The result of verifying a credential that has this token.
    pub(super) fn conclude(
        &self,
        outcome: Result<Principal<C>, AuthError>,
        token: impl FnOnce() -> KeptToken,
    ) -> Decision<C> {
        match outcome {
            Ok(principal) => Decision::Pass(Authentication::of(
                principal,
                self.authgear_id.clone(),
                self.keep(token),
            )),
            Err(error) => Decision::Reject(error),
        }
    }

    fn keep(&self, token: impl FnOnce() -> KeptToken) -> KeptToken {
        if self.shared.keep_access_tokens {
            token()
        } else {
            KeptToken::Off
        }
    }

    /// Stores the caller in the request's extensions, or refuses the request.
    pub(super) fn admit<B>(
        &self,
        request: &mut Request<B>,
        outcome: Result<Authentication, AuthError>,
        span: AuthenticationSpan,
        account: Option<&mut AccountGuard>,
    ) -> Result<RequestOutcome, AuthError> {
        match outcome {
            Ok(mut authentication) => {
                let outcome = self.record(span, &authentication);
                if let Some(account) = account {
                    authentication = account.passed::<C>(authentication);
                }
                authentication.keep_in(request.extensions_mut());
                Ok(outcome)
            }
            Err(error) => {
                span.end(RequestOutcome::Rejected(error.kind()));
                self.note_refusal(request.extensions(), account, error.kind());
                Err(error)
            }
        }
    }

    /// Reports the caller to telemetry.
    pub(super) fn record(
        &self,
        span: AuthenticationSpan,
        authentication: &Authentication,
    ) -> RequestOutcome {
        let outcome = authentication.outcome();
        if span.is_traced()
            && let Ok(Some(Principal::User(user))) = authentication.principal::<C>()
        {
            span.method(user.verified_by().as_str());
            if self.shared.trace_user_ids {
                span.user_id(user.id());
            }
        }
        span.end(outcome);
        outcome
    }

    pub(crate) fn authgear_id(&self) -> &AuthgearId {
        &self.authgear_id
    }

    /// The issuer of the tokens, if there is only one project.
    pub(crate) fn issuer(&self) -> Option<&Arc<str>> {
        self.shared.issuer.as_ref()
    }

    pub(super) fn challenge(&self) -> Option<Arc<ChallengeParameters>> {
        self.authgear_id.challenge()
    }

    pub(super) fn reject(&self, error: AuthError) -> AuthRejection {
        self.authgear_id.reject(error)
    }
}

impl<C> fmt::Debug for Authenticator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("sources", &self.shared.sources)
            .field("csrf", &self.shared.csrf)
            .field("verifier", &self.shared.verifier)
            .finish_non_exhaustive()
    }
}
