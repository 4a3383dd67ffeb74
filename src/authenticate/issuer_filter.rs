//! [`IssuerFilter`]: the accepted issuers of a request.

use std::sync::Arc;

use http::Request;
use http::request::Parts;

use super::account::AccountGuard;
use super::authentication::Authentication;
use super::authenticator::Decision;
use super::request_record::RequestRecord;
use crate::error::AuthErrorKind;
use crate::macros::redacted_debug;

/// The accepted issuers of a request. It is called after the credential was verified.
#[derive(Clone)]
pub(super) struct IssuerFilter(Arc<Filter>);

type Filter = dyn Fn(&Parts, &str) -> bool + Send + Sync;

impl IssuerFilter {
    /// A filter that accepts what `filter` and the `outer` one accept.
    pub(super) fn new(
        outer: Option<Self>,
        filter: impl Fn(&Parts, &str) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self(match outer {
            None => Arc::new(filter),
            Some(Self(outer)) => {
                Arc::new(move |parts, issuer| outer(parts, issuer) && filter(parts, issuer))
            }
        })
    }

    /// The request and its decision, which is a refusal if the issuer of the caller is not accepted.
    pub(super) fn apply<B, C: Send + Sync + 'static>(
        &self,
        request: Request<B>,
        decision: Decision<C>,
        account: Option<&mut AccountGuard>,
    ) -> (Request<B>, Decision<C>) {
        let (parts, body) = request.into_parts();
        let record = RequestRecord::of(&parts.extensions);
        let authentication = match &decision {
            Decision::Pass(authentication) => Some(authentication),
            // An outer layer has accepted the caller, and can accept other issuers.
            Decision::Known => record.and_then(RequestRecord::authentication),
            Decision::Reject(_) | Decision::Wait(..) => None,
        };
        let outcome = authentication.map(|own| self.check::<C>(&parts, own));
        if let (Some(Err(_)), Decision::Pass(own), Some(account)) = (&outcome, &decision, account) {
            account.identify::<C>(own);
        }
        let request = Request::from_parts(parts, body);
        match outcome {
            Some(Err(kind)) => (request, Decision::Reject(kind.into())),
            Some(Ok(())) | None => (request, decision),
        }
    }

    fn check<C: Send + Sync + 'static>(
        &self,
        parts: &Parts,
        authentication: &Authentication,
    ) -> Result<(), AuthErrorKind> {
        match authentication.principal::<C>()? {
            Some(principal) if !(self.0)(parts, principal.issuer()) => {
                Err(AuthErrorKind::IssuerNotAllowed)
            }
            // The layer decides whether a request without a credential passes.
            Some(_) | None => Ok(()),
        }
    }
}

redacted_debug!(IssuerFilter);
