//! [`IssuerFilter`]: which issuers count for a request.

use std::sync::Arc;

use http::Request;
use http::request::Parts;

use super::authentication::Authentication;
use super::authenticator::Decision;
use super::request_record::RequestRecord;
use crate::error::AuthErrorKind;
use crate::macros::redacted_debug;

/// Which issuers count for a request. It is asked once the credential was verified.
#[derive(Clone)]
pub(super) struct IssuerFilter(Arc<Filter>);

type Filter = dyn Fn(&Parts, &str) -> bool + Send + Sync;

impl IssuerFilter {
    pub(super) fn new(filter: impl Fn(&Parts, &str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(filter))
    }

    /// The request, and the decision about it unless the issuer of the caller does not count.
    pub(super) fn apply<B, C: Send + Sync + 'static>(
        &self,
        request: Request<B>,
        decision: Decision<C>,
    ) -> (Request<B>, Decision<C>) {
        let (parts, body) = request.into_parts();
        let record = RequestRecord::of(&parts.extensions);
        let authentication = match &decision {
            Decision::Pass(authentication) => Some(authentication),
            // An outer layer has let the caller pass, and may count other issuers.
            Decision::Known => record.and_then(RequestRecord::authentication),
            Decision::Reject(_) | Decision::Wait(..) => None,
        };
        let outcome = authentication.map(|own| self.check::<C>(&parts, own));
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
            // Whether no credential is enough is for the layer to say.
            Some(_) | None => Ok(()),
        }
    }
}

redacted_debug!(IssuerFilter);
