//! [`Verifier`]: the ways to verify a credential.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::gateway::GatewayVerifier;
use super::jwt::Audiences;
use super::projects::ProjectSet;
use super::resolver::{Requester, ResolverClient, ResolverVerifier};
use super::verification::Verification;
use crate::clock::Timestamp;
use crate::credential::{Credential, is_placeholder};
use crate::error::{AuthError, AuthErrorKind};
use crate::runtime::RuntimeEnded;
use crate::user::{AuthUser, CredentialForm};

/// The chosen mode.
pub(crate) enum Verifier<C> {
    /// Tokens of one project or of several are verified here, with or without live sessions.
    Projects(Arc<ProjectSet<C>>),
    Resolver(Arc<ResolverVerifier<C>>),
    Gateway(GatewayVerifier<C>),
}

/// The health of a verifier, or of one of its projects.
pub(crate) struct VerifierStatus {
    pub(crate) is_usable: bool,
    pub(crate) key_age: Option<Duration>,
    pub(crate) error: Option<Arc<dyn Error + Send + Sync>>,
}

impl<C: Send + Sync + 'static> Verifier<C> {
    /// Verifies a request's credential. `requester` is only called if the resolver is.
    pub(crate) fn verify(
        &self,
        credential: &Credential<'_>,
        now: Timestamp,
        audiences: Option<&Audiences>,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        if let Self::Projects(projects) = self
            && credential.form() == CredentialForm::Bearer
        {
            let malformed = || credential.fault();
            return projects.verify(credential.bytes(), now, audiences, malformed, requester);
        }
        match credential.text() {
            Ok(text) => self.verify_text(credential.form(), text, now, audiences, requester),
            Err(kind) => Verification::Ready(Err(kind.into())),
        }
    }

    /// Verifies a bearer token as [`verify`](Self::verify) does, for an explanation. It uses cached results,
    /// but caches neither token nor answer.
    pub(crate) fn verify_without_keeping(
        &self,
        credential: &Credential<'_>,
        now: Timestamp,
        audiences: Option<&Audiences>,
    ) -> Verification<C> {
        match self {
            Self::Projects(projects) => {
                let malformed = || credential.fault();
                projects.verify_without_keeping(credential.bytes(), now, audiences, malformed)
            }
            Self::Resolver(resolver) => {
                let quiet = Self::Resolver(Arc::new(resolver.without_keeping()));
                quiet.verify(credential, now, audiences, Requester::default)
            }
            Self::Gateway(_) => Verification::Ready(Err(AuthErrorKind::TokensNotAccepted.into())),
        }
    }

    /// Verifies a token that did not come over HTTP.
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
        match (self, form) {
            (Self::Projects(projects), CredentialForm::Bearer) => {
                projects.verify(text.as_bytes(), now, audiences, || None, requester)
            }
            (Self::Projects(projects), CredentialForm::SessionCookies) => {
                projects.verify_cookies(text, now, requester)
            }
            (Self::Resolver(resolver), _) => resolver.verify(form, text, now, requester),
            (Self::Gateway(_), _) => {
                Verification::Ready(Err(AuthErrorKind::TokensNotAccepted.into()))
            }
        }
    }

    /// Checks again a user who was accepted earlier.
    pub(crate) async fn recheck(
        &self,
        user: &AuthUser<C>,
        audiences: Option<&Audiences>,
    ) -> Result<AuthUser<C>, AuthError> {
        match self {
            Self::Projects(projects) => projects.recheck(user, audiences).await,
            Self::Resolver(resolver) => resolver.recheck(user).await,
            // The gateway's headers were about one request; there is no server to call about another.
            Self::Gateway(_) => Ok(user.clone()),
        }
    }

    /// Removes the resolver's answers about a user, so that it is called again.
    pub(crate) fn invalidate_user(&self, user_id: &str) {
        match self {
            Self::Projects(projects) => {
                for project in projects.all() {
                    project.invalidate_user(user_id);
                }
            }
            Self::Resolver(resolver) => resolver.resolver.invalidate_user(user_id),
            Self::Gateway(_) => {}
        }
    }

    /// Returns when credentials can be verified.
    ///
    /// # Errors
    /// Credentials cannot be verified, and never will be.
    pub(crate) async fn ready(&self) -> Result<(), RuntimeEnded> {
        match self {
            Self::Projects(projects) => projects.ready().await,
            Self::Resolver(resolver) => resolver.resolver.ready().await,
            Self::Gateway(_) => Ok(()),
        }
    }

    /// The health, in modes without projects.
    pub(crate) fn status(&self) -> VerifierStatus {
        let error = match self {
            Self::Resolver(resolver) => resolver_error(&resolver.resolver),
            Self::Projects(_) | Self::Gateway(_) => None,
        };
        VerifierStatus {
            is_usable: error.is_none(),
            key_age: None,
            error,
        }
    }

    /// Whether tokens are verified here.
    pub(crate) fn reads_tokens(&self) -> bool {
        self.projects().is_some()
    }

    /// Whether the resolver is called.
    pub(crate) fn asks_resolver(&self) -> bool {
        match self {
            Self::Projects(projects) => projects.all().iter().any(|own| own.live().is_some()),
            Self::Resolver(_) => true,
            Self::Gateway(_) => false,
        }
    }

    /// Whether a gateway makes the decision.
    pub(crate) fn is_gateway(&self) -> bool {
        matches!(self, Self::Gateway(_))
    }

    /// Whether the audience of every accepted credential is checked.
    pub(crate) fn compares_audiences(&self) -> bool {
        self.projects().is_some_and(|projects| {
            let all = projects.all();
            let lives = all.iter().filter_map(|project| project.live());
            lives.into_iter().all(|live| !live.accepts_cookies())
        })
    }

    /// The projects whose tokens are verified here.
    pub(crate) fn projects(&self) -> Option<&Arc<ProjectSet<C>>> {
        match self {
            Self::Projects(projects) => Some(projects),
            Self::Resolver(_) | Self::Gateway(_) => None,
        }
    }
}

/// Why the resolver cannot be called, or did not answer the last call.
pub(super) fn resolver_error(sessions: &ResolverClient) -> Option<Arc<dyn Error + Send + Sync>> {
    match sessions.check_runtime() {
        Err(ended) => Some(Arc::new(ended)),
        Ok(()) => Some(sessions.error()? as _),
    }
}

impl<C> fmt::Debug for Verifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Projects(projects) => projects.fmt(f),
            Self::Resolver(resolver) => resolver.fmt(f),
            Self::Gateway(gateway) => gateway.fmt(f),
        }
    }
}
