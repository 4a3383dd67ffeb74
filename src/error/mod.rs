//! The errors: of the set-up ([`ConfigError`]), and of one request
//! ([`AuthError`]).

mod config;
mod cure;
mod kind;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::config::ConfigError;
pub(crate) use self::cure::cure;
pub use self::kind::AuthErrorKind;
pub(crate) use self::kind::PerKind;

/// Why a request, or a token, was refused.
///
/// It contains nothing of the credential, so it is safe to log.
#[derive(Clone)]
pub struct AuthError {
    kind: AuthErrorKind,
    retry_after: Option<Duration>,
    challenge_hints: Option<Arc<ChallengeHints>>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What a refused caller needs, for the challenge.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ChallengeHints {
    /// Separated by spaces (RFC 6749 §3.3).
    pub(crate) scope: Option<String>,
    /// In whole seconds (RFC 9470 §3).
    pub(crate) max_age: Option<u64>,
    /// Separated by spaces.
    pub(crate) acr_values: Option<String>,
}

impl AuthError {
    pub(crate) fn unavailable(
        kind: AuthErrorKind,
        retry_after: Duration,
        source: Option<Arc<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            retry_after: Some(retry_after),
            challenge_hints: None,
            source,
        }
    }

    /// The caller is known, but does not meet a requirement.
    pub(crate) fn denied(kind: AuthErrorKind, challenge_hints: ChallengeHints) -> Self {
        Self {
            challenge_hints: (challenge_hints != ChallengeHints::default())
                .then(|| Arc::new(challenge_hints)),
            ..kind.into()
        }
    }

    pub(crate) fn caused_by(
        kind: AuthErrorKind,
        source: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            source: Some(Arc::new(source)),
            ..kind.into()
        }
    }

    /// Adds these hints, unless the error has some.
    pub(crate) fn with_hints(mut self, hints: Option<&Arc<ChallengeHints>>) -> Self {
        if self.challenge_hints.is_none() {
            self.challenge_hints = hints.cloned();
        }
        self
    }

    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> AuthErrorKind {
        self.kind
    }

    /// How long the caller should wait before it tries again. Only for errors of this service, not of
    /// the request.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The missing scopes, separated by spaces, as in the challenge. Without a
    /// credential: the scopes that the route is known to require.
    #[must_use]
    pub fn required_scope(&self) -> Option<&str> {
        self.challenge_hints.as_ref()?.scope.as_deref()
    }

    /// The maximum time since the authentication, if the user authenticated too long ago.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.challenge_hints
            .as_ref()?
            .max_age
            .map(Duration::from_secs)
    }

    /// The authentication context classes of the requirement, separated by spaces, if
    /// the authentication was too old or too weak.
    #[must_use]
    pub fn acr_values(&self) -> Option<&str> {
        self.challenge_hints.as_ref()?.acr_values.as_deref()
    }

    pub(crate) fn challenge_hints(&self) -> Option<&ChallengeHints> {
        self.challenge_hints.as_deref()
    }
}

impl From<AuthErrorKind> for AuthError {
    fn from(kind: AuthErrorKind) -> Self {
        Self {
            kind,
            retry_after: None,
            challenge_hints: None,
            source: None,
        }
    }
}

impl fmt::Debug for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthError")
            .field("kind", &self.kind)
            .field("retry_after", &self.retry_after)
            .field("demand", &self.challenge_hints)
            .field("source", &self.source.as_deref().map(|error| Causes(error)))
            .finish()
    }
}

/// An error and its causes, as one text: a `main` that returns an error prints its `Debug`.
pub(crate) struct Causes<'e>(pub(crate) &'e (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.description())
    }
}

impl Error for AuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}
