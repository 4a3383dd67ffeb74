//! [`Verifier`]: the four ways to find out whose a credential is.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::gateway::GatewayVerifier;
use super::jwt::{Audiences, JwtVerifier};
use super::live::LiveVerifier;
use super::resolver::{PurgeWatch, Requester, ResolverClient, ResolverVerifier};
use super::verification::Verification;
use crate::clock::Timestamp;
use crate::credential::{Credential, is_placeholder};
use crate::error::{AuthError, AuthErrorKind};
use crate::runtime::RuntimeEnded;
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
        now: Timestamp,
        audiences: Option<&Audiences>,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        if let Self::Jwt(jwt) = self {
            return jwt.verify(credential.bytes(), now, audiences, || credential.fault());
        }
        match credential.text() {
            Ok(text) => self.verify_text(credential.form(), text, now, audiences, requester),
            Err(kind) => Verification::Ready(Err(kind.into())),
        }
    }

    /// Verifies a credential as [`verify`](Self::verify) does, for who only wants to know: what is
    /// kept is used, and neither token nor answer is kept.
    pub(crate) fn verify_without_keeping(
        &self,
        credential: &Credential<'_>,
        now: Timestamp,
        audiences: Option<&Audiences>,
    ) -> Verification<C> {
        let verifier = match self {
            Self::Jwt(jwt) => Self::Jwt(Arc::new(jwt.without_cache())),
            Self::Resolver(resolver) => Self::Resolver(Arc::new(resolver.without_keeping())),
            Self::Live(live) => Self::Live(Arc::new(live.without_keeping())),
            Self::Gateway(_) => {
                return Verification::Ready(Err(AuthErrorKind::TokensNotAccepted.into()));
            }
        };
        verifier.verify(credential, now, audiences, Requester::default)
    }

    /// Verifies a token that came by another way than HTTP.
    pub(crate) fn verify_token(
        &self,
        token: &str,
        now: Timestamp,
        audiences: Option<&Audiences>,
    ) -> Verification<C> {
        if is_placeholder(token.as_bytes()) && !self.is_gateway() {
            return Verification::Ready(Err(AuthErrorKind::PlaceholderToken.into()));
        }
        self.verify_text(
            CredentialForm::Bearer,
            token,
            now,
            audiences,
            Requester::default,
        )
    }

    fn verify_text(
        &self,
        form: CredentialForm,
        text: &str,
        now: Timestamp,
        audiences: Option<&Audiences>,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        match self {
            Self::Jwt(jwt) => jwt.verify(text.as_bytes(), now, audiences, || None),
            Self::Resolver(resolver) => resolver.verify(form, text, now, requester),
            Self::Live(live) => live.verify(form, text, now, audiences, requester),
            Self::Gateway(_) => Verification::Ready(Err(AuthErrorKind::TokensNotAccepted.into())),
        }
    }

    /// Checks once more a user who was let in some time ago.
    pub(crate) async fn recheck(
        &self,
        user: &AuthUser<C>,
        audiences: Option<&Audiences>,
    ) -> Result<AuthUser<C>, AuthError> {
        match self {
            Self::Jwt(jwt) => {
                jwt.recheck(user.verified(), audiences)?;
                Ok(user.clone())
            }
            Self::Resolver(resolver) => resolver.recheck(user).await,
            Self::Live(live) => live.recheck(user, audiences).await,
            // The gateway spoke of one request; there is nobody to ask about another.
            Self::Gateway(_) => Ok(user.clone()),
        }
    }

    /// Returns when the user would not be let in any more.
    pub(crate) async fn ended(
        &self,
        user: &AuthUser<C>,
        audiences: Option<&Audiences>,
    ) -> AuthError {
        let (pause, tolerance) = match self {
            Self::Jwt(_) => (LOCAL_PAUSE, Duration::ZERO),
            // What is kept is not asked about: an outage may begin before it is noticed.
            Self::Resolver(resolver) => (RESOLVER_PAUSE, resolver.max_age() + MAX_TOLERANCE),
            Self::Live(live) => (
                live.half().min(LOCAL_PAUSE),
                live.half() + live.bound().min(MAX_TOLERANCE),
            ),
            Self::Gateway(_) => return std::future::pending().await,
        };
        let sessions = self.sessions();
        let mut purges = sessions.map(|sessions| sessions.watch(user.id()));
        let mut confirmed_at = sessions.and_then(|sessions| {
            let credential = user.session()?.credential.as_ref()?;
            let last = sessions.confirmed_at(credential.digest());
            last.or(user.confirmed_at())
        });
        loop {
            match self.recheck(user, audiences).await {
                // Counted from when that question was sent, however often its answer is told.
                Ok(again) if again.is_confirmed() => confirmed_at = again.confirmed_at(),
                // By the token alone.
                Ok(_) => {}
                Err(error) if error.kind() != AuthErrorKind::SessionUnavailable => return error,
                Err(error) => {
                    let age = confirmed_at
                        .zip(sessions)
                        .map(|(then, sessions)| sessions.clock().now().elapsed(then));
                    // Where nothing can be asked any more there is nothing to wait for.
                    if age.is_none_or(|age| age >= tolerance) || self.check_runtime().is_err() {
                        return error;
                    }
                }
            }
            wait(pause, purges.as_mut()).await;
        }
    }

    /// Forgets what the resolver said of a user: it is asked again.
    pub(crate) fn invalidate_user(&self, user_id: &str) {
        if let Some(sessions) = self.sessions() {
            sessions.invalidate_user(user_id);
        }
    }

    /// Returns when credentials can be verified.
    ///
    /// # Errors
    /// When they cannot, and will not be.
    pub(crate) async fn ready(&self) -> Result<(), RuntimeEnded> {
        if let Some(jwt) = self.jwt() {
            if !jwt.keys().status().usable {
                jwt.check_runtime()?;
            }
            jwt.keys().ready().await;
        }
        match self.sessions() {
            Some(sessions) => sessions.ready().await,
            None => Ok(()),
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
        if let Some(jwt) = self.jwt() {
            let keys = jwt.keys().status();
            status.is_usable &= keys.usable;
            status.key_age = keys.age;
            status.error = keys.error.map(|error| error as _).or(status.error);
        }
        // It is the reason for whatever else has failed, or will.
        if let Err(ended) = self.check_runtime() {
            status.error = Some(Arc::new(ended));
        }
        status
    }

    /// Whether the tasks in the background go on.
    fn check_runtime(&self) -> Result<(), RuntimeEnded> {
        if let Some(sessions) = self.sessions() {
            sessions.check_runtime()?;
        }
        self.jwt().map_or(Ok(()), |jwt| jwt.check_runtime())
    }

    /// What is out of reach when this cannot verify.
    pub(crate) fn unavailable(&self) -> AuthErrorKind {
        match self.jwt() {
            Some(jwt) if !jwt.keys().status().usable => AuthErrorKind::KeysUnavailable,
            _ => AuthErrorKind::SessionUnavailable,
        }
    }

    /// Whether tokens are verified here.
    pub(crate) fn reads_tokens(&self) -> bool {
        self.jwt().is_some()
    }

    /// Whether the resolver is asked about users.
    pub(crate) fn asks_resolver(&self) -> bool {
        self.sessions().is_some()
    }

    /// Whether somebody in front decides.
    pub(crate) fn is_gateway(&self) -> bool {
        matches!(self, Self::Gateway(_))
    }

    /// Whether each credential that is accepted here has an audience that is compared.
    pub(crate) fn compares_audiences(&self) -> bool {
        match self {
            Self::Jwt(_) => true,
            Self::Live(live) => !live.accepts_cookies(),
            Self::Resolver(_) | Self::Gateway(_) => false,
        }
    }

    /// What verifies tokens here, if they are read.
    pub(crate) fn jwt(&self) -> Option<&Arc<JwtVerifier<C>>> {
        match self {
            Self::Jwt(jwt) => Some(jwt),
            Self::Live(live) => Some(live.jwt()),
            Self::Resolver(_) | Self::Gateway(_) => None,
        }
    }

    fn sessions(&self) -> Option<&Arc<ResolverClient>> {
        match self {
            Self::Resolver(resolver) => Some(resolver.sessions()),
            Self::Live(live) => Some(live.sessions()),
            Self::Jwt(_) | Self::Gateway(_) => None,
        }
    }
}

/// Waits, or returns earlier when the user was purged. Connections that began together do not go on
/// in step, and those of one user do not ask at the same moment.
async fn wait(pause: Duration, purges: Option<&mut PurgeWatch>) {
    let pause = sleep(pause.mul_f64(0.8 + 0.2 * fastrand::f64()));
    match purges {
        None => pause.await,
        Some(purges) => tokio::select! {
            () = pause => {}
            () = purges.purged() => sleep(PURGE_SPREAD.mul_f64(fastrand::f64())).await,
        },
    }
}

/// How often a long connection looks at the clock and at the keys.
const LOCAL_PAUSE: Duration = Duration::from_secs(1);
/// How often the resolver is asked about a long connection where it alone decides.
const RESOLVER_PAUSE: Duration = Duration::from_secs(5);
/// How long a connection goes on by its last confirmation while none can be had.
const MAX_TOLERANCE: Duration = Duration::from_secs(60);
const PURGE_SPREAD: Duration = Duration::from_millis(250);

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
