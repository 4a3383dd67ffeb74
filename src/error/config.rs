//! [`ConfigError`]: what can go wrong when an `Authgear` is set up.

use std::fmt;
use std::time::Duration;

use super::Causes;

/// A configuration that cannot work, found by `build()`.
///
/// It names the option and the offending value, never a secret.
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
    /// Two options contradict one another.
    #[error("{option}: {reason}")]
    Conflict {
        /// The builder method whose use conflicts.
        option: &'static str,
        /// What it conflicts with, and what to do.
        reason: &'static str,
    },
    /// `build()` was called outside of a tokio runtime with its drivers enabled, which the background
    /// refresher needs.
    #[error(
        "build() must be called within a tokio runtime whose timers are enabled: in an async fn \
         below #[tokio::main], or after Runtime::enter"
    )]
    NoRuntime,
    /// The HTTP client could not be made; most often the system has no store of root certificates.
    #[error(
        "the HTTP client could not be set up (without a store of root certificates on the system, \
         add one or name your own with `root_certificate`)"
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

    /// The builder method that the error is about, where there is one.
    #[must_use]
    pub fn option(&self) -> Option<&'static str> {
        match self {
            Self::Invalid { option, .. } | Self::Conflict { option, .. } => Some(option),
            Self::NoRuntime | Self::Http(_) => None,
        }
    }
}

/// The whole sentence, with its causes: a `main` that returns an error prints its `Debug`.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigError: {}", Causes(self))
    }
}

/// Leaves user name and password out of what should have been a URL. Whether it is one is not
/// known here, and parsers take `https:user@host` for one, too: everything between the scheme and
/// the last `@` goes.
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
