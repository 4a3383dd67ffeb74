//! Forward authentication: Authgear's resolver says whose a credential is.
//!
//! [`call`] is one question, [`admission`] decides who may ask, [`answers`] keeps what was said,
//! [`probe`] knows whether the resolver is there, [`purges`] tells long connections what was
//! forgotten; [`sessions`] brings them together; [`ResolverVerifier`] is the mode that has nothing else.

mod admission;
mod answers;
mod bounded;
mod call;
mod options;
mod probe;
mod purges;
mod sessions;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderValue;

pub(crate) use self::answers::{Answer, Keep};
#[cfg(test)]
pub(crate) use self::call::{Ask, Asking};
pub(crate) use self::call::{CallError, Client, HttpResolver};
pub(crate) use self::options::MAX_COUNT;
pub use self::options::Resolver;
pub(crate) use self::purges::PurgeWatch;
pub(crate) use self::sessions::Sessions;
use super::jwt::Verification;
use crate::clock::Moment;
use crate::credential::{is_b64token, session_cookies};
use crate::error::{AuthError, AuthErrorKind};
use crate::user::{AuthUser, CredentialForm, Principal, SessionCredential, Verified};

/// Who asks: what the resolver is told of the request, and where its cookies go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requester {
    pub(crate) client: Client,
    pub(crate) set_cookies: Option<Arc<SetCookies>>,
}

/// The `Set-Cookie` fields of an answer, to be passed on.
#[derive(Debug, Default)]
pub(crate) struct SetCookies(OnceLock<Box<[HeaderValue]>>);

impl SetCookies {
    pub(crate) fn fields(&self) -> &[HeaderValue] {
        self.0.get().map(|fields| &**fields).unwrap_or_default()
    }
}

impl Requester {
    pub(super) fn hand_over(&self, answer: &Answer) {
        if let Some(cookies) = &self.set_cookies
            && !answer.set_cookies().is_empty()
        {
            // There is one answer to a request; another would change nothing.
            let _ = cookies.0.set(answer.set_cookies().into());
        }
    }
}

/// Verifies credentials by asking the resolver, and by that alone.
pub(crate) struct ResolverVerifier<C> {
    sessions: Arc<Sessions>,
    /// What there is of a user without a token.
    base: Arc<Verified<C>>,
    /// How old an answer may be.
    max_age: Duration,
}

impl<C: Send + Sync + 'static> ResolverVerifier<C> {
    pub(crate) fn new(sessions: Arc<Sessions>, base: Arc<Verified<C>>, max_age: Duration) -> Self {
        Self {
            sessions,
            base,
            max_age,
        }
    }

    pub(crate) fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// How old an answer may be.
    pub(crate) fn max_age(&self) -> Duration {
        self.max_age
    }

    pub(crate) fn verify(
        self: &Arc<Self>,
        form: CredentialForm,
        value: &str,
        now: Moment,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        if let Err(kind) = check(form, value) {
            return Verification::Done(Err(kind.into()));
        }
        let digest = form.digest(value);
        let requester = requester();
        if let Some(answer) = self.sessions.current(&digest, now, self.max_age) {
            requester.hand_over(&answer);
            return Verification::Done(self.conclude(&answer).map(Principal::User));
        }
        let credential = Arc::new(SessionCredential::new(form, value, digest));
        let this = Arc::clone(self);
        Verification::Waiting(Box::pin(async move {
            let user = this.ask(credential, &requester).await?;
            Ok(Principal::User(user))
        }))
    }

    /// Asks about a user once more.
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
            .sessions
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

/// Refuses what cannot be a credential of this form by its characters and length alone.
pub(super) fn check(form: CredentialForm, value: &str) -> Result<(), AuthErrorKind> {
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

/// The same as for tokens that are verified here; of cookies, their values together.
const MAX_CREDENTIAL: usize = 8 * 1024;

/// What a caller is told when there is no answer.
pub(super) fn unavailable(error: Arc<CallError>) -> AuthError {
    AuthError::unavailable(
        AuthErrorKind::SessionUnavailable,
        RETRY_AFTER,
        Some(error as _),
    )
}

const RETRY_AFTER: Duration = Duration::from_secs(1);

impl<C> fmt::Debug for ResolverVerifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolverVerifier")
            .field("sessions", &self.sessions)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}
