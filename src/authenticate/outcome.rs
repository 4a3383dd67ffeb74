//! The one entry that the layer leaves in a request's extensions.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

use crate::error::AuthErrorKind;
use crate::rejection::{AuthRejection, ChallengeParameters};
use crate::user::{AuthClient, AuthUser, Principal, Verified};

/// Who is calling, as a layer found out, and which layer that was.
///
/// It is private to the crate: nobody else can put it there, and its absence means that no layer
/// ran.
#[derive(Clone)]
pub(crate) struct Authentication {
    authority: Arc<Authority>,
    caller: Caller,
}

/// One `Authgear`, as far as the requests that it has seen need to know.
pub(crate) struct Authority {
    claims: TypeId,
    challenge: Arc<ChallengeParameters>,
}

impl Authority {
    /// The authority of an `Authgear` whose users have custom claims `C`.
    pub(crate) fn new<C: 'static>(challenge: ChallengeParameters) -> Self {
        Self {
            claims: TypeId::of::<C>(),
            challenge: Arc::new(challenge),
        }
    }

    pub(crate) fn challenge(&self) -> Arc<ChallengeParameters> {
        Arc::clone(&self.challenge)
    }
}

#[derive(Clone)]
enum Caller {
    /// No credential.
    Nobody,
    /// An `Arc<Verified<C>>` of the authority's `C`.
    User(Arc<dyn Any + Send + Sync>),
    Client(AuthClient),
}

impl Authentication {
    pub(crate) fn nobody(authority: Arc<Authority>) -> Self {
        Self {
            authority,
            caller: Caller::Nobody,
        }
    }

    pub(crate) fn of<C: Send + Sync + 'static>(
        principal: Principal<C>,
        authority: Arc<Authority>,
    ) -> Self {
        let caller = match principal {
            Principal::User(user) => Caller::User(user.into_inner()),
            Principal::Client(client) => Caller::Client(client),
        };
        Self { authority, caller }
    }

    pub(super) fn is_by(&self, authority: &Arc<Authority>) -> bool {
        Arc::ptr_eq(&self.authority, authority)
    }

    pub(super) fn is_nobody(&self) -> bool {
        matches!(self.caller, Caller::Nobody)
    }

    /// Who is calling, `None` for a request without a credential.
    ///
    /// # Errors
    /// `OtherClaims` if the layer reads other custom claims than `C`, even if nobody is calling:
    /// wrong wiring should show on the first request.
    pub(crate) fn principal<C: Send + Sync + 'static>(
        &self,
    ) -> Result<Option<Principal<C>>, AuthErrorKind> {
        if self.authority.claims != TypeId::of::<C>() {
            return Err(AuthErrorKind::OtherClaims);
        }
        Ok(match &self.caller {
            Caller::Nobody => None,
            Caller::Client(client) => Some(Principal::Client(client.clone())),
            Caller::User(user) => {
                let user = Arc::clone(user)
                    .downcast::<Verified<C>>()
                    .map_err(|_| AuthErrorKind::OtherClaims)?;
                Some(Principal::User(AuthUser::new(user)))
            }
        })
    }

    /// The machine that is calling; custom claims play no part.
    pub(crate) fn client(&self) -> Result<Option<AuthClient>, AuthErrorKind> {
        match &self.caller {
            Caller::Nobody => Ok(None),
            Caller::Client(client) => Ok(Some(client.clone())),
            Caller::User(_) => Err(AuthErrorKind::MachineRequired),
        }
    }

    /// A refusal with the challenge of this authority.
    pub(crate) fn reject(&self, kind: AuthErrorKind) -> AuthRejection {
        AuthRejection::new(kind, Some(self.authority.challenge()))
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication").finish_non_exhaustive()
    }
}
