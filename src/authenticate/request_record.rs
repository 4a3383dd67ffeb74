//! The one entry that this crate leaves in a request's extensions.

use std::sync::Arc;

use http::Extensions;

use super::authentication::{Authentication, AuthgearId};
use super::seal::{Judgement, SealedRequest};

/// The crate's data about a request: the seal around it, and the caller.
///
/// It is private to the crate, so no other code can insert it.
#[derive(Clone, Default)]
pub(crate) struct RequestRecord {
    seal: Option<Arc<SealedRequest>>,
    authentication: Option<Authentication>,
}

impl RequestRecord {
    pub(super) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The caller, as the innermost layer found it. `None` if no layer ran.
    pub(super) fn authentication(&self) -> Option<&Authentication> {
        self.authentication.as_ref()
    }

    /// Reports to the seals of this `Authgear` what happened to the request.
    pub(super) fn judge(&self, authgear_id: &AuthgearId, judgement: Judgement) {
        if let Some(seal) = &self.seal {
            seal.judge(authgear_id.family(), judgement);
        }
    }

    /// Puts another seal around the request. An outer layer can have judged it before.
    pub(crate) fn seal(
        extensions: &mut Extensions,
        seal: impl FnOnce(Option<Arc<SealedRequest>>) -> SealedRequest,
    ) -> Arc<SealedRequest> {
        let Some(record) = extensions.get_mut::<Self>() else {
            let seal = Arc::new(seal(None));
            extensions.insert(Self {
                seal: Some(Arc::clone(&seal)),
                authentication: None,
            });
            return seal;
        };
        let seal = Arc::new(seal(record.seal.take()));
        if let Some(known) = &record.authentication {
            let judgement = if known.is_unauthenticated() {
                Judgement::Optional
            } else {
                Judgement::Judged
            };
            seal.judge(known.authgear_id().family(), judgement);
        }
        record.seal = Some(Arc::clone(&seal));
        seal
    }

    /// Signs a request in without a layer, for every seal around it.
    #[cfg(feature = "testkit")]
    pub(crate) fn sign_in(extensions: &mut Extensions, authentication: Authentication) {
        if let Some(record) = Self::of(extensions) {
            record.judge(authentication.authgear_id(), Judgement::Judged);
        }
        authentication.keep_in(extensions);
    }

    /// Removes the caller, because the request to verify is another one.
    pub(super) fn forget_authentication(extensions: &mut Extensions) {
        if let Some(record) = extensions.get_mut::<Self>() {
            record.authentication = None;
        }
    }
}

impl Authentication {
    /// The result of the innermost layer around the caller of this function, `None` if no layer ran.
    ///
    /// A seal records this call.
    pub(crate) fn of_request(extensions: &Extensions) -> Option<&Self> {
        let record = RequestRecord::of(extensions)?;
        let authentication = record.authentication.as_ref()?;
        if let Some(seal) = &record.seal {
            seal.judge(authentication.authgear_id().family(), Judgement::Asked);
        }
        Some(authentication)
    }

    /// Stores it for the inner services.
    pub(crate) fn keep_in(self, extensions: &mut Extensions) {
        match extensions.get_mut::<RequestRecord>() {
            Some(record) => record.authentication = Some(self),
            None => {
                extensions.insert(RequestRecord {
                    seal: None,
                    authentication: Some(self),
                });
            }
        }
    }
}
