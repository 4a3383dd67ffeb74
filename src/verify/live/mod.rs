//! Live sessions: a JWT that is verified here, and whose session the resolver has confirmed within a bound.

mod options;

use std::sync::Arc;
use std::time::Duration;

pub use self::options::LiveSessions;
use super::resolver::{Answer, CallError, Requester, ResolverClient, check, unavailable};
use super::verification::Verification;
use crate::clock::Timestamp;
use crate::error::{AuthError, AuthErrorKind};
use crate::macros::redacted_debug;
use crate::user::{
    AuthUser, CredentialForm, Digest, Identity, Principal, Session, SessionCredential, VerifiedBy,
    VerifiedUser,
};

/// Confirms the sessions of one project's users at its resolver.
pub(crate) struct LiveVerifier<C> {
    pub(crate) resolver: Arc<ResolverClient>,
    pub(crate) bound: Duration,
    pub(crate) grace_period: Duration,
    /// The data of a user without a token. `None`: Authgear's cookies are not accepted.
    pub(crate) cookie_base: Option<Arc<VerifiedUser<C>>>,
}

impl<C: Send + Sync + 'static> LiveVerifier<C> {
    /// The same, without caching answers.
    pub(crate) fn without_keeping(&self) -> Self {
        Self {
            resolver: Arc::new(self.resolver.without_keeping()),
            bound: self.bound,
            grace_period: self.grace_period,
            cookie_base: self.cookie_base.clone(),
        }
    }

    /// Whether Authgear's own cookies, which have no audience, are a credential.
    pub(crate) fn accepts_cookies(&self) -> bool {
        self.cookie_base.is_some()
    }

    pub(crate) fn sessions(&self) -> &Arc<ResolverClient> {
        &self.resolver
    }

    /// After this time, a session is confirmed again.
    pub(crate) fn half(&self) -> Duration {
        self.bound / 2
    }

    /// Verifies Authgear's own cookies, which represent a session without a token.
    pub(crate) fn verify_cookies(
        self: &Arc<Self>,
        form: CredentialForm,
        value: &str,
        now: Timestamp,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        match (&self.cookie_base, check(form, value)) {
            (Some(base), Ok(())) => {
                let user = AuthUser::new(Arc::clone(base));
                self.confirm(user, form, value, now, requester)
            }
            (_, Err(kind)) => Verification::Ready(Err(kind.into())),
            (None, _) => Verification::Ready(Err(AuthErrorKind::SessionInvalid.into())),
        }
    }

    /// Accepts a verified user whose session is confirmed, and calls the resolver if it is not.
    pub(super) fn confirm(
        self: &Arc<Self>,
        user: AuthUser<C>,
        form: CredentialForm,
        value: &str,
        now: Timestamp,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        let digest = form.digest(value);
        if let Some(answer) = self.resolver.current(&digest, now, self.bound) {
            if let Some(session) = answer.session()
                && let Some(credential) = &session.credential
                && answer.age(now) >= self.half()
                && self.resolver.claim_renewal(&answer)
            {
                let credential = Arc::clone(credential);
                let requester = requester();
                requester.hand_over(&answer);
                self.resolver
                    .renew(credential, requester.client, self.half());
            } else if !answer.set_cookies().is_empty() {
                requester().hand_over(&answer);
            }
            return Verification::Ready(Self::conclude(user, &answer).map(Principal::User));
        }
        let requester = requester();
        let credential = Arc::new(SessionCredential::new(form, value, digest));
        if self.is_in_grace(&user) {
            // No request waits for a resolver that is known to be unreachable; it is called in any case.
            self.resolver
                .renew(Arc::clone(&credential), requester.client, self.bound);
            let outcome = self.without_resolver(user, credential, self.resolver.error());
            return Verification::Ready(outcome.map(Principal::User));
        }
        let this = Arc::clone(self);
        Verification::Pending(Box::pin(async move {
            let user = this.confirm_now(user, credential, requester).await?;
            Ok(Principal::User(user))
        }))
    }

    /// The same for a credential without a known answer.
    pub(super) async fn confirm_later(
        &self,
        user: AuthUser<C>,
        form: CredentialForm,
        value: &str,
        requester: Requester,
    ) -> Result<AuthUser<C>, AuthError> {
        self.confirm_now(user, new_credential(form, value), requester)
            .await
    }

    async fn confirm_now(
        &self,
        user: AuthUser<C>,
        credential: Arc<SessionCredential>,
        requester: Requester,
    ) -> Result<AuthUser<C>, AuthError> {
        let client = requester.client.clone();
        let asked = self
            .resolver
            .ask(Arc::clone(&credential), client, self.bound);
        match asked.await {
            Ok(answer) => {
                requester.hand_over(&answer);
                Self::conclude(user, &answer)
            }
            Err(error) if self.grace_opens(&user, &error).await => {
                self.without_resolver(user, credential, Some(error))
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    fn conclude(user: AuthUser<C>, answer: &Answer) -> Result<AuthUser<C>, AuthError> {
        let session = answer.session().ok_or(AuthErrorKind::SessionInvalid)?;
        let is_of_token = user.verified().method == VerifiedBy::Jwt;
        let user_id = session.identity.as_deref().map(Identity::subject);
        if is_of_token && user_id != Some(user.verified().identity.subject()) {
            return Err(AuthErrorKind::SessionMismatch.into());
        }
        Ok(user.with_session(Some(Arc::clone(session))))
    }

    /// Whether the resolver has been unreachable for no longer than the grace period, and the user has a
    /// token that is enough.
    fn is_in_grace(&self, user: &AuthUser<C>) -> bool {
        self.may_have_grace(user)
            && self
                .resolver
                .away_for()
                .is_some_and(|time| time < self.grace_period)
    }

    /// The same, after a probe has found whether a call failed because of the resolver.
    async fn grace_opens(&self, user: &AuthUser<C>, error: &CallError) -> bool {
        if self.may_have_grace(user) && self.resolver.away_for().is_none() {
            self.resolver.verdict(error).await;
        }
        self.is_in_grace(user)
    }

    fn may_have_grace(&self, user: &AuthUser<C>) -> bool {
        !self.grace_period.is_zero() && user.verified().method == VerifiedBy::Jwt
    }

    /// The token and the last answer of the resolver.
    fn without_resolver(
        &self,
        user: AuthUser<C>,
        credential: Arc<SessionCredential>,
        error: Option<Arc<CallError>>,
    ) -> Result<AuthUser<C>, AuthError> {
        let last = match self.resolver.last(credential.digest()) {
            // The session had ended already. Only the resolver can report that it is valid again.
            Some(answer) if answer.session().is_none() => {
                return Err(unavailable(
                    error.unwrap_or_else(|| Arc::new(CallError::QueueTimeout)),
                ));
            }
            Some(answer) => Some(Self::conclude(user.clone(), &answer)?),
            None => None,
        };
        let last = last.as_ref().and_then(AuthUser::session);
        let session = Session {
            identity: last.and_then(|session| session.identity.clone()),
            credential: Some(credential),
            confirmed_at: None,
        };
        Ok(user.with_session(Some(Arc::new(session))))
    }

    /// Confirms a user's session again, if its confirmation is older than half of the bound.
    pub(crate) async fn recheck(&self, user: &AuthUser<C>) -> Result<AuthUser<C>, AuthError> {
        let bare = AuthUser::new(Arc::clone(user.shared()));
        // Without a token, the resolver was not called when the user was accepted: that is new.
        let credential = user
            .session()
            .and_then(|session| session.credential.clone())
            .ok_or(AuthErrorKind::SessionInvalid)?;
        let client = super::resolver::ClientInfo::default();
        let answer = match self
            .resolver
            .ask(Arc::clone(&credential), client, self.half())
            .await
        {
            Ok(answer) => answer,
            Err(error) => {
                let now = self.resolver.clock().now();
                match self.resolver.current(credential.digest(), now, self.bound) {
                    Some(answer) => answer,
                    None if self.grace_opens(user, &error).await => {
                        return self.without_resolver(bare, credential, Some(error));
                    }
                    None => return Err(unavailable(error)),
                }
            }
        };
        let again = Self::conclude(bare, &answer)?;
        // A session of a cookie has no token to compare with.
        if again.id() == user.id() {
            Ok(again)
        } else {
            Err(AuthErrorKind::SessionMismatch.into())
        }
    }
}

fn new_credential(form: CredentialForm, value: &str) -> Arc<SessionCredential> {
    let digest: Digest = form.digest(value);
    Arc::new(SessionCredential::new(form, value, digest))
}

redacted_debug!(<C> LiveVerifier<C> { resolver, bound, grace_period });
