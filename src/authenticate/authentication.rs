//! The one entry that the layer leaves in a request's extensions.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{AuthError, AuthErrorKind};
use crate::rejection::{AuthRejection, ChallengeParameters};
use crate::telemetry::Outcome;
use crate::user::{AuthClient, AuthUser, Principal, Session, Verified};

/// Who is calling, as a layer found out, and which layer that was.
///
/// It is private to the crate: nobody else can put it there, and its absence means that no layer
/// ran.
#[derive(Clone)]
pub(crate) struct Authentication {
    authority: Authority,
    caller: Caller,
}

/// One `Authgear`, as far as the requests that it has seen need to know.
///
/// A clone goes into every request. It shares nothing unless challenges are configured: a count of
/// references, kept by all requests of all threads, would be the one thing they contend for.
#[derive(Clone)]
pub(crate) struct Authority {
    id: u64,
    claims: TypeId,
    challenge: Option<Arc<ChallengeParameters>>,
}

impl Authority {
    /// The authority of an `Authgear` whose users have custom claims `C`.
    pub(crate) fn new<C: 'static>(challenge: Option<ChallengeParameters>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(STAND_IN + 1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            claims: TypeId::of::<C>(),
            challenge: challenge.map(Arc::new),
        }
    }

    /// An authority that every requirement takes for its own: made by hand in a test, in the place
    /// of any other.
    #[cfg(feature = "testkit")]
    pub(crate) fn stand_in<C: 'static>() -> Self {
        Self {
            id: STAND_IN,
            ..Self::new::<C>(None)
        }
    }

    pub(crate) fn challenge(&self) -> Option<Arc<ChallengeParameters>> {
        self.challenge.clone()
    }

    /// A refusal with the challenge of this authority.
    pub(super) fn reject(&self, error: impl Into<AuthError>) -> AuthRejection {
        AuthRejection::new(error, self.challenge.clone())
    }
}

/// No authority that was built has this id.
const STAND_IN: u64 = 0;

#[derive(Clone)]
enum Caller {
    /// No credential.
    Nobody,
    /// An `Arc<Verified<C>>` of the authority's `C`.
    User(Arc<dyn Any + Send + Sync>, Option<Arc<Session>>),
    Client(AuthClient),
}

impl Authentication {
    pub(crate) fn nobody(authority: Authority) -> Self {
        Self {
            authority,
            caller: Caller::Nobody,
        }
    }

    pub(crate) fn of<C: Send + Sync + 'static>(
        principal: Principal<C>,
        authority: Authority,
    ) -> Self {
        let caller = match principal {
            Principal::User(user) => {
                let (verified, session) = user.into_parts();
                Caller::User(verified, session)
            }
            Principal::Client(client) => Caller::Client(client),
        };
        Self { authority, caller }
    }

    pub(super) fn is_by(&self, authority: &Authority) -> bool {
        self.authority.id == authority.id
    }

    /// Whether a requirement of this authority may rely on it.
    pub(crate) fn counts_for(&self, authority: &Authority) -> bool {
        #[cfg(feature = "testkit")]
        if self.authority.id == STAND_IN {
            return true;
        }
        self.is_by(authority)
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self.caller {
            Caller::Nobody => Outcome::Nobody,
            Caller::User(..) => Outcome::User,
            Caller::Client(_) => Outcome::Machine,
        }
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
            Caller::User(user, session) => {
                let user = Arc::clone(user)
                    .downcast::<Verified<C>>()
                    .map_err(|_| AuthErrorKind::OtherClaims)?;
                let user = AuthUser::new(user).with_session(session.clone());
                Some(Principal::User(user))
            }
        })
    }

    /// The machine that is calling; custom claims play no part.
    pub(crate) fn client(&self) -> Result<Option<AuthClient>, AuthErrorKind> {
        match &self.caller {
            Caller::Nobody => Ok(None),
            Caller::Client(client) => Ok(Some(client.clone())),
            Caller::User(..) => Err(AuthErrorKind::MachineRequired),
        }
    }

    /// A refusal with the challenge of this authority.
    pub(crate) fn reject(&self, error: impl Into<AuthError>) -> AuthRejection {
        self.authority.reject(error)
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication").finish_non_exhaustive()
    }
}
