//! Stage 6: the response to a refused request.
//!
//! [`AuthRejection`] is the refusal as a value. A [`RejectionResponse`] turns it into a response. The
//! default is [`JsonRejectionResponse`]; set another one, or a closure, with
//! [`respond_with`](crate::AuthenticateLayer::respond_with).

mod challenge;
mod grpc;
mod original;
mod responder;
mod response;
mod template;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};

pub(crate) use self::challenge::ChallengeParameters;
pub(crate) use self::grpc::is_grpc;
pub(crate) use self::responder::Responder;
pub use self::response::{EmptyRejectionResponse, JsonRejectionResponse, RejectionResponse};
use self::template::FixedTexts;
use self::template::template;
use crate::error::{AuthError, AuthErrorKind, ChallengeHints, ConfigError};
use crate::telemetry;

/// A refused request: the error, and its response.
///
/// This crate's extractors reject with it, and the extensions of each refusal's response contain it.
#[derive(Clone)]
pub struct AuthRejection {
    error: AuthError,
    challenge: Option<Arc<ChallengeParameters>>,
    /// Whether a layer has built the final response.
    is_final: bool,
    /// Whether telemetry has recorded it.
    is_recorded: bool,
    /// The requirement that was not met, for an account.
    requirement: Option<RequirementText>,
}

/// Formats a requirement as its expression.
pub(crate) type RequirementText = Arc<dyn fmt::Debug + Send + Sync>;

impl AuthRejection {
    pub(crate) fn new(
        error: impl Into<AuthError>,
        challenge: Option<Arc<ChallengeParameters>>,
    ) -> Self {
        let rejection = Self::unlogged(error, challenge);
        if rejection.status() == StatusCode::INTERNAL_SERVER_ERROR {
            telemetry::wired_wrongly(&rejection.error);
        }
        rejection
    }

    /// A rejection without the log line about a wiring mistake.
    pub(crate) fn unlogged(
        error: impl Into<AuthError>,
        challenge: Option<Arc<ChallengeParameters>>,
    ) -> Self {
        Self {
            error: error.into(),
            challenge,
            is_final: false,
            is_recorded: false,
            requirement: None,
        }
    }

    pub(crate) fn of_requirement(self, requirement: RequirementText) -> Self {
        Self {
            requirement: Some(requirement),
            ..self
        }
    }

    pub(crate) fn requirement(&self) -> Option<&RequirementText> {
        self.requirement.as_ref()
    }

    /// Adds these hints, unless the error has some.
    pub(crate) fn with_hints(mut self, hints: Option<&Arc<ChallengeHints>>) -> Self {
        self.error = self.error.with_hints(hints);
        self
    }

    /// Why the request was refused.
    #[must_use]
    pub fn error(&self) -> &AuthError {
        &self.error
    }

    /// Why the request was refused, for a `match`.
    #[must_use]
    pub fn kind(&self) -> AuthErrorKind {
        self.error.kind()
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        template(self.kind()).status
    }

    /// The gRPC status code: 3, 7, 13, 14 or 16.
    #[must_use]
    pub fn grpc_code(&self) -> u16 {
        grpc::code(self.status())
    }

    /// The code in the body's `error`: one of RFC 6750 §3.1, `insufficient_user_authentication`
    /// (RFC 9470), or `missing_credential`, `forbidden`, `cross_origin_request`,
    /// `temporarily_unavailable`, `server_error`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        template(self.kind()).code
    }

    /// The sentence in the body's `error_description`. It is the same for every request.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.kind().description()
    }

    /// The value of `WWW-Authenticate` (RFC 6750 §3), if the refusal has one.
    #[must_use]
    pub fn challenge(&self) -> Option<HeaderValue> {
        let (challenge_hints, configured) =
            (self.error.challenge_hints(), self.challenge.as_deref());
        if challenge_hints.is_none() && configured.is_none() {
            return FixedTexts::of(self.kind(), |texts| texts.challenge.clone());
        }
        let form = template(self.kind()).challenge?;
        challenge::value(form, self.description(), challenge_hints, configured)
    }

    /// The value of `Retry-After`, in whole seconds, if the refusal has one.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.error
            .retry_after()
            .map(|wait| Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)))
    }
}

/// For `?` in a handler that calls [`recheck`](crate::Authgear::recheck) or
/// [`verify`](crate::Authgear::verify). The layer around the handler adds the configured parameters of
/// challenges.
impl From<AuthError> for AuthRejection {
    fn from(error: AuthError) -> Self {
        Self::new(error, None)
    }
}

/// A handler builds an invalid requirement: `all_scopes(["a\"b"])?`.
impl From<ConfigError> for AuthRejection {
    fn from(error: ConfigError) -> Self {
        let error = AuthError::caused_by(AuthErrorKind::InvalidRequirement, error);
        Self::new(error, None)
    }
}

impl fmt::Debug for AuthRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthRejection")
            .field("error", &self.error)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for AuthRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for AuthRejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}
