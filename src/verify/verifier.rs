//! [`Verifier`]: the four ways to find out whose a credential is.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::gateway::GatewayVerifier;
use super::jwt::JwtVerifier;
use super::live::LiveVerifier;
use super::resolver::{Requester, ResolverVerifier, Sessions};
use super::verification::Verification;
use crate::clock::Moment;
use crate::credential::Credential;
use crate::error::{AuthError, AuthErrorKind};
use crate::jwks::KeyStore;
use crate::user::{AuthUser, CredentialForm};

/// The mode that was chosen.
pub(crate) enum Verifier<C> {
    Jwt(Arc<JwtVerifier<C>>),
    Resolver(Arc<ResolverVerifier<C>>),
    Live(Arc<LiveVerifier<C>>),
    Gateway(GatewayVerifier<C>),
}

/// How a verifier is doing.
pub(crate) struct VerifierStatus {
    pub(crate) is_usable: bool,
    pub(crate) key_age: Option<Duration>,
    pub(crate) error: Option<Arc<dyn Error + Send + Sync>>,
}

impl<C: Send + Sync + 'static> Verifier<C> {
    /// Verifies a request's credential. `requester` is asked for only where the resolver is.
    pub(crate) fn verify(
        &self,
        credential: &Credential<'_>,
        now: Moment,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        if let Self::Jwt(jwt) = self {
            return jwt.verify(credential.bytes(), now, || credential.fault());
        }
        match credential.text() {
            Ok(text) => self.verify_text(credential.form(), text, now, requester),
            Err(kind) => Verification::Done(Err(kind.into())),
        }
    }

    /// Verifies a token that came by another way than HTTP.
    pub(crate) fn verify_token(&self, token: &str, now: Moment) -> Verification<C> {
        self.verify_text(CredentialForm::Bearer, token, now, Requester::default)
    }

    fn verify_text(
        &self,
        form: CredentialForm,
        text: &str,
        now: Moment,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        match self {
            Self::Jwt(jwt) => jwt.verify(text.as_bytes(), now, || None),
            Self::Resolver(resolver) => resolver.verify(form, text, now, requester),
            Self::Live(live) => live.verify(form, text, now, requester),
            Self::Gateway(_) => Verification::Done(Err(AuthErrorKind::TokenNotTaken.into())),
        }
    }

    /// Checks once more a user who was let in some time ago.
    pub(crate) async fn recheck(&self, user: &AuthUser<C>) -> Result<AuthUser<C>, AuthError> {
        match self {
            Self::Jwt(jwt) => {
                jwt.recheck(user.verified())?;
                Ok(user.clone())
            }
            Self::Resolver(resolver) => resolver.recheck(user).await,
            Self::Live(live) => live.recheck(user).await,
            // The gateway spoke of one request; there is nobody to ask about another.
            Self::Gateway(_) => Ok(user.clone()),
        }
    }

    /// Returns when the user would not be let in any more.
    pub(crate) async fn ended(&self, user: &AuthUser<C>) -> AuthError {
        let (pause, mut purges) = match self {
            Self::Jwt(_) => (LOCAL_PAUSE, None),
            Self::Resolver(resolver) => (RESOLVER_PAUSE, Some(resolver.sessions().purges())),
            Self::Live(live) => (live.half().min(LOCAL_PAUSE), Some(live.sessions().purges())),
            Self::Gateway(_) => return std::future::pending().await,
        };
        loop {
            match self.recheck(user).await {
                Ok(_) => wait(pause, purges.as_mut()).await,
                Err(error) => return error,
            }
        }
    }

    /// Forgets what the resolver said of a user: it is asked again.
    pub(crate) fn purge_user(&self, user_id: &str) {
        if let Some(sessions) = self.sessions() {
            sessions.purge_user(user_id);
        }
    }

    /// Returns when credentials can be verified.
    pub(crate) async fn ready(&self) {
        if let Some(keys) = self.keys() {
            keys.ready().await;
        }
        if let Some(sessions) = self.sessions() {
            sessions.ready().await;
        }
    }

    pub(crate) fn status(&self) -> VerifierStatus {
        let mut status = VerifierStatus {
            is_usable: true,
            key_age: None,
            error: None,
        };
        if let Some(sessions) = self.sessions() {
            status.error = sessions.error().map(|error| error as _);
            // In the other mode the resolver is not needed for every request.
            status.is_usable = status.error.is_none() || matches!(self, Self::Live(_));
        }
        if let Some(keys) = self.keys() {
            let keys = keys.status();
            status.is_usable &= keys.usable;
            status.key_age = keys.age;
            status.error = keys.error.map(|error| error as _).or(status.error);
        }
        status
    }

    /// What is out of reach when this cannot verify.
    pub(crate) fn unavailable(&self) -> AuthErrorKind {
        match self.keys() {
            Some(keys) if !keys.status().usable => AuthErrorKind::KeysUnavailable,
            _ => AuthErrorKind::SessionUnavailable,
        }
    }

    /// Whether tokens are verified here.
    pub(crate) fn reads_tokens(&self) -> bool {
        self.keys().is_some()
    }

    fn keys(&self) -> Option<&KeyStore> {
        match self {
            Self::Jwt(jwt) => Some(jwt.keys()),
            Self::Live(live) => Some(live.jwt().keys()),
            Self::Resolver(_) | Self::Gateway(_) => None,
        }
    }

    fn sessions(&self) -> Option<&Arc<Sessions>> {
        match self {
            Self::Resolver(resolver) => Some(resolver.sessions()),
            Self::Live(live) => Some(live.sessions()),
            Self::Jwt(_) | Self::Gateway(_) => None,
        }
    }
}

/// Waits, or returns earlier when a user was purged.
async fn wait(pause: Duration, purges: Option<&mut watch::Receiver<()>>) {
    match purges {
        None => sleep(pause).await,
        Some(purges) => tokio::select! {
            () = sleep(pause) => {}
            Ok(()) = purges.changed() => {}
        },
    }
}

/// How often a long connection looks at the clock and at the keys.
const LOCAL_PAUSE: Duration = Duration::from_secs(1);
/// How often the resolver is asked about a long connection where it alone decides.
const RESOLVER_PAUSE: Duration = Duration::from_secs(5);

impl<C> fmt::Debug for Verifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jwt(jwt) => jwt.fmt(f),
            Self::Resolver(resolver) => resolver.fmt(f),
            Self::Live(live) => live.fmt(f),
            Self::Gateway(gateway) => gateway.fmt(f),
        }
    }
}
