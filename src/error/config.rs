//! [`ConfigError`]: the errors of the set-up.

use std::fmt;
use std::time::Duration;

use super::Causes;

/// `build()` found a configuration that cannot work.
///
/// It names the option and its value, but never a secret.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An option has a value that cannot be used.
    #[error("{option}: {value:?} {reason}")]
    Invalid {
        /// The builder method that took the value.
        option: &'static str,
        /// The value as it was given.
        value: String,
        /// What is wrong with it, as the end of a sentence.
        reason: &'static str,
    },
    /// Two options contradict each other.
    #[error("{option}: {reason}")]
    Conflict {
        /// The builder method whose use conflicts.
        option: &'static str,
        /// What it conflicts with, and what to do.
        reason: &'static str,
    },
    /// `build()` was called outside of a tokio runtime with enabled timers, which the background tasks
    /// need.
    #[error(
        "build() must be called within a tokio runtime whose timers are enabled: in an async fn \
         below #[tokio::main], or after Runtime::enter"
    )]
    NoRuntime,
    /// The HTTP client could not be made. Usually the system has no store of root certificates.
    #[error(
        "the HTTP client could not be set up (if the system has no store of root certificates, \
         install one or name your own with `root_certificate`)"
    )]
    Http(#[source] reqwest::Error),
}

impl ConfigError {
    pub(crate) fn invalid(
        option: &'static str,
        value: impl Into<String>,
        reason: &'static str,
    ) -> Self {
        Self::Invalid {
            option,
            value: without_user_info(value.into()),
            reason,
        }
    }

    pub(crate) fn invalid_duration(
        option: &'static str,
        value: Duration,
        reason: &'static str,
    ) -> Self {
        Self::invalid(option, format!("{value:?}"), reason)
    }

    /// Refuses a time that is zero, or longer than 30 days.
    pub(crate) fn check_duration(option: &'static str, value: Duration) -> Result<(), Self> {
        if value.is_zero() {
            return Err(Self::invalid_duration(option, value, "is zero"));
        }
        if value > MAX_DURATION {
            return Err(Self::invalid_duration(
                option,
                value,
                "is longer than 30 days",
            ));
        }
        Ok(())
    }

    /// The builder method that the error is about, if there is one.
    #[must_use]
    pub fn option(&self) -> Option<&'static str> {
        match self {
            Self::Invalid { option, .. } | Self::Conflict { option, .. } => Some(option),
            Self::NoRuntime | Self::Http(_) => None,
        }
    }
}

/// The `Display` text with its causes: a `main` that returns an error prints its `Debug`.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigError: {}", Causes(self))
    }
}

/// Removes user name and password from a value that should be a URL. It may be none, and parsers
/// accept `https:user@host`, too: so everything between the scheme and
/// the last `@` is removed.
fn without_user_info(value: String) -> String {
    let Some((before, rest)) = value.rsplit_once('@') else {
        return value;
    };
    match before.split_once(':') {
        Some((scheme, after)) if after.starts_with("//") => format!("{scheme}://{rest}"),
        Some((scheme, _)) => format!("{scheme}:{rest}"),
        None => rest.to_owned(),
    }
}

const MAX_DURATION: Duration = Duration::from_secs(30 * 24 * 60 * 60);
