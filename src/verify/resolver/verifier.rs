//! [`ResolverVerifier`]: the mode with only the resolver.

use std::sync::Arc;
use std::time::Duration;

use super::answers::Answer;
use super::call::CallError;
use super::client::ResolverClient;
use super::requester::Requester;
use crate::clock::Timestamp;
use crate::credential::{is_b64token, session_cookies};
use crate::error::{AuthError, AuthErrorKind};
use crate::macros::redacted_debug;
use crate::user::{AuthUser, CredentialForm, Principal, SessionCredential, VerifiedUser};
use crate::verify::verification::Verification;

/// Verifies credentials by calling the resolver.
pub(crate) struct ResolverVerifier<C> {
    pub(crate) resolver: Arc<ResolverClient>,
    /// The data of a user without a token.
    pub(crate) base: Arc<VerifiedUser<C>>,
    /// The maximum age of an answer.
    pub(crate) max_age: Duration,
}

impl<C: Send + Sync + 'static> ResolverVerifier<C> {
    /// The same verifier, without caching answers.
    pub(crate) fn without_keeping(&self) -> Self {
        Self {
            resolver: Arc::new(self.resolver.without_keeping()),
            base: Arc::clone(&self.base),
            max_age: self.max_age,
        }
    }

    pub(crate) fn verify(
        self: &Arc<Self>,
        form: CredentialForm,
        value: &str,
        now: Timestamp,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        if let Err(kind) = check(form, value) {
            return Verification::Ready(Err(kind.into()));
        }
        let digest = form.digest(value);
        let requester = requester();
        if let Some(answer) = self.resolver.current(&digest, now, self.max_age) {
            requester.hand_over(&answer);
            return Verification::Ready(self.conclude(&answer).map(Principal::User));
        }
        let credential = Arc::new(SessionCredential::new(form, value, digest));
        let this = Arc::clone(self);
        Verification::Pending(Box::pin(async move {
            let user = this.ask(credential, &requester).await?;
            Ok(Principal::User(user))
        }))
    }

    /// Calls again about a user.
    pub(crate) async fn recheck(&self, user: &AuthUser<C>) -> Result<AuthUser<C>, AuthError> {
        let credential = user
            .session()
            .and_then(|session| session.credential.clone());
        let credential = credential.ok_or(AuthErrorKind::SessionInvalid)?;
        let again = self.ask(credential, &Requester::default()).await?;
        if again.id() == user.id() {
            Ok(again)
        } else {
            Err(AuthErrorKind::SessionMismatch.into())
        }
    }

    async fn ask(
        &self,
        credential: Arc<SessionCredential>,
        requester: &Requester,
    ) -> Result<AuthUser<C>, AuthError> {
        let client = requester.client.clone();
        let answer = self
            .resolver
            .ask(credential, client, self.max_age)
            .await
            .map_err(unavailable)?;
        requester.hand_over(&answer);
        self.conclude(&answer)
    }

    fn conclude(&self, answer: &Answer) -> Result<AuthUser<C>, AuthError> {
        let session = answer.session().ok_or(AuthErrorKind::SessionInvalid)?;
        let user = AuthUser::new(Arc::clone(&self.base));
        Ok(user.with_session(Some(Arc::clone(session))))
    }
}

/// Refuses text that cannot be a credential of this form, by its characters and length.
pub(crate) fn check(form: CredentialForm, value: &str) -> Result<(), AuthErrorKind> {
    let length = match form {
        CredentialForm::Bearer => value.len(),
        CredentialForm::SessionCookies => session_cookies::values(value).map(<[u8]>::len).sum(),
    };
    if length > MAX_CREDENTIAL {
        return Err(AuthErrorKind::TokenTooLong);
    }
    let is_plain = match form {
        CredentialForm::Bearer => is_b64token(value.as_bytes()),
        // RFC 6265 §4.1.1: `cookie-octet`.
        CredentialForm::SessionCookies => session_cookies::values(value)
            .flatten()
            .all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(byte)),
    };
    if is_plain {
        Ok(())
    } else {
        Err(AuthErrorKind::MalformedToken)
    }
}

/// The same limit as for locally verified tokens; for cookies, of their values together.
const MAX_CREDENTIAL: usize = 8 * 1024;

/// The error for a request without an answer.
pub(crate) fn unavailable(error: Arc<CallError>) -> AuthError {
    AuthError::unavailable(
        AuthErrorKind::SessionUnavailable,
        RETRY_AFTER,
        Some(error as _),
    )
}

const RETRY_AFTER: Duration = Duration::from_secs(1);

redacted_debug!(<C> ResolverVerifier<C> { resolver, max_age });
