//! The caller of a request, as a layer stores it in the request.

use std::any::{Any, TypeId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::decision_notes::DecisionNotes;
use crate::credential::{AccessToken, KeptToken};
use crate::error::{AuthError, AuthErrorKind, ChallengeHints};
use crate::macros::redacted_debug;
use crate::rejection::{AuthRejection, ChallengeParameters};
use crate::telemetry::RequestOutcome;
use crate::user::{AuthClient, AuthUser, Principal, Session, VerifiedUser, join_scopes};

/// The caller of a request, and the layer that found it.
///
/// It is part of the [`RequestRecord`](super::RequestRecord). If it is absent, no layer ran.
#[derive(Clone)]
pub(crate) struct Authentication {
    authgear_id: AuthgearId,
    identified: Identified,
    token: KeptToken,
    /// Set if accounts are logged.
    notes: Option<Arc<DecisionNotes>>,
}

/// The part of an `Authgear`, or of one of its resources, that each request carries.
///
/// A clone goes into every request. It shares nothing unless challenges are configured: all requests of all
/// threads would contend for a reference count.
#[derive(Clone)]
pub(crate) struct AuthgearId {
    id: u64,
    /// The first of those that share everything except audience and challenge.
    family: u64,
    claims: TypeId,
    challenge: Option<Arc<ChallengeParameters>>,
}

impl AuthgearId {
    /// The authority of an `Authgear` whose users have custom claims `C`.
    pub(crate) fn new<C: 'static>(challenge: Option<ChallengeParameters>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(TESTKIT_ID + 1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            id,
            family: id,
            claims: TypeId::of::<C>(),
            challenge: challenge.map(Arc::new),
        }
    }

    /// An authority that every requirement accepts: for a test that makes it by hand.
    #[cfg(feature = "testkit")]
    pub(crate) fn of_testkit<C: 'static>() -> Self {
        Self {
            id: TESTKIT_ID,
            family: TESTKIT_ID,
            ..Self::new::<C>(None)
        }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }

    pub(crate) fn challenge(&self) -> Option<Arc<ChallengeParameters>> {
        self.challenge.clone()
    }

    /// The same number for an `Authgear` and all its resources.
    pub(crate) fn family(&self) -> u64 {
        self.family
    }

    /// The same authority for one of its resources.
    pub(crate) fn in_family_of(self, other: &Self) -> Self {
        Self {
            family: other.family,
            ..self
        }
    }

    /// The challenge hints for these scopes.
    pub(crate) fn challenge_hints<'s>(
        &self,
        scopes: impl Iterator<Item = &'s str>,
    ) -> Option<Arc<ChallengeHints>> {
        let inclusions = self.challenge.as_deref();
        let inclusions = inclusions.and_then(|own| own.scope_inclusions.as_deref());
        let scope = join_scopes(&scopes.collect::<Vec<_>>(), inclusions)?;
        Some(Arc::new(ChallengeHints {
            scope: Some(scope),
            ..ChallengeHints::default()
        }))
    }

    /// A refusal with the challenge of this authority.
    pub(super) fn reject(&self, error: impl Into<AuthError>) -> AuthRejection {
        AuthRejection::new(error, self.challenge.clone())
    }
}

/// No built authority has this id.
const TESTKIT_ID: u64 = 0;

#[derive(Clone)]
enum Identified {
    /// No credential.
    Unauthenticated,
    /// An `Arc<VerifiedUser<C>>` of the authority's `C`.
    User(Arc<dyn Any + Send + Sync>, Option<Arc<Session>>),
    Client(AuthClient),
}

impl Authentication {
    pub(crate) fn unauthenticated(authgear_id: AuthgearId, token: KeptToken) -> Self {
        Self {
            authgear_id,
            identified: Identified::Unauthenticated,
            token,
            notes: None,
        }
    }

    pub(crate) fn of<C: Send + Sync + 'static>(
        principal: Principal<C>,
        authgear_id: AuthgearId,
        token: KeptToken,
    ) -> Self {
        let caller = match principal {
            Principal::User(user) => {
                let (verified, session) = user.into_parts();
                Identified::User(verified, session)
            }
            Principal::Client(client) => Identified::Client(client),
        };
        Self {
            authgear_id,
            identified: caller,
            token,
            notes: None,
        }
    }

    #[cfg(feature = "testkit")]
    pub(crate) fn with_token(self, token: KeptToken) -> Self {
        Self { token, ..self }
    }

    pub(super) fn with_notes(self, notes: Arc<DecisionNotes>) -> Self {
        Self {
            notes: Some(notes),
            ..self
        }
    }

    /// Where the notes for an account go.
    pub(crate) fn notes(&self) -> Option<&DecisionNotes> {
        self.notes.as_deref()
    }

    pub(super) fn authgear_id(&self) -> &AuthgearId {
        &self.authgear_id
    }

    pub(super) fn is_by(&self, authgear_id: &AuthgearId) -> bool {
        self.authgear_id.is(authgear_id)
    }

    /// Whether a requirement of this authority can use it.
    pub(crate) fn counts_for(&self, authgear_id: &AuthgearId) -> bool {
        #[cfg(feature = "testkit")]
        if self.authgear_id.id == TESTKIT_ID {
            return true;
        }
        self.is_by(authgear_id)
    }

    pub(super) fn outcome(&self) -> RequestOutcome {
        match self.identified {
            Identified::Unauthenticated => RequestOutcome::Unauthenticated,
            Identified::User(..) => RequestOutcome::User,
            Identified::Client(_) => RequestOutcome::Machine,
        }
    }

    pub(super) fn is_unauthenticated(&self) -> bool {
        matches!(self.identified, Identified::Unauthenticated)
    }

    /// The caller, `None` for a request without a credential.
    ///
    /// # Errors
    /// `ClaimsTypeMismatch` if the layer reads other custom claims than `C`, even without a credential: a
    /// wrong type should show on the first request.
    pub(crate) fn principal<C: Send + Sync + 'static>(
        &self,
    ) -> Result<Option<Principal<C>>, AuthErrorKind> {
        if self.authgear_id.claims != TypeId::of::<C>() {
            return Err(AuthErrorKind::ClaimsTypeMismatch);
        }
        Ok(match &self.identified {
            Identified::Unauthenticated => None,
            Identified::Client(client) => Some(Principal::Client(client.clone())),
            Identified::User(user, session) => {
                let user = Arc::clone(user)
                    .downcast::<VerifiedUser<C>>()
                    .map_err(|_| AuthErrorKind::ClaimsTypeMismatch)?;
                let user = AuthUser::new(user).with_session(session.clone());
                Some(Principal::User(user))
            }
        })
    }

    /// The calling machine. It has no custom claims.
    pub(crate) fn client(&self) -> Result<Option<AuthClient>, AuthErrorKind> {
        match &self.identified {
            Identified::Unauthenticated => Ok(None),
            Identified::Client(client) => Ok(Some(client.clone())),
            Identified::User(..) => Err(AuthErrorKind::ClientRequired),
        }
    }

    /// The verified token, `None` for a request without one.
    pub(crate) fn access_token(&self) -> Result<Option<AccessToken>, AuthErrorKind> {
        match &self.token {
            KeptToken::Off => Err(AuthErrorKind::AccessTokenNotKept),
            KeptToken::None => Ok(None),
            KeptToken::Token(token) => Ok(Some(token.clone())),
        }
    }

    /// The challenge hints for this scope.
    pub(crate) fn challenge_hints(&self, scope: &str) -> Option<Arc<ChallengeHints>> {
        self.authgear_id.challenge_hints([scope].into_iter())
    }

    /// A refusal with the challenge of this authority.
    pub(crate) fn reject(&self, error: impl Into<AuthError>) -> AuthRejection {
        self.authgear_id.reject(error)
    }
}

redacted_debug!(Authentication);
