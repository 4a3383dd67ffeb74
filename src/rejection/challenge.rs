//! `WWW-Authenticate: Bearer` (RFC 6750 §3).

use std::fmt::Write;
use std::sync::Arc;

use http::HeaderValue;

use crate::error::{ChallengeHints, ConfigError};
use crate::user::ScopeInclusions;

/// The parameters of a challenge.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// Without an error.
    Bare,
    InvalidRequest,
    InvalidToken,
    InsufficientScope,
    InsufficientAuthentication,
}

/// The parameters of every challenge, from the configuration and never from the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChallengeParameters {
    pub(crate) realm: Option<String>,
    pub(crate) resource_metadata: Option<String>,
    /// The scopes for a client without a token, if the route names none.
    pub(crate) initial_scope: Option<String>,
    /// Scopes that a challenge leaves out because another scope includes them.
    pub(crate) scope_inclusions: Option<Arc<ScopeInclusions>>,
}

impl ChallengeParameters {
    /// `None` if nothing is configured.
    pub(crate) fn check(self) -> Result<Option<Self>, ConfigError> {
        for (option, value) in [
            ("realm", &self.realm),
            ("resource_metadata", &self.resource_metadata),
        ] {
            if let Some(value) = value
                && !value.bytes().all(is_plain)
            {
                return Err(ConfigError::invalid(
                    option,
                    value.clone(),
                    "has a quote, a backslash, or a character outside of printable ASCII",
                ));
            }
        }
        let any = self.realm.is_some()
            || self.resource_metadata.is_some()
            || self.initial_scope.is_some()
            || self.scope_inclusions.is_some();
        Ok(any.then_some(self))
    }
}

/// A character that needs no escape between quotes (RFC 9110 §5.6.4).
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

pub(super) fn value(
    form: Form,
    description: &str,
    challenge_hints: Option<&ChallengeHints>,
    parameters: Option<&ChallengeParameters>,
) -> Option<HeaderValue> {
    let mut challenge = Challenge::new();
    if let Some(realm) = parameters.and_then(|parameters| parameters.realm.as_deref()) {
        challenge.add("realm", realm);
    }
    match form {
        Form::Bare => {}
        Form::InvalidRequest => challenge.add("error", "invalid_request"),
        Form::InvalidToken => {
            challenge.add("error", "invalid_token");
            challenge.add("error_description", description);
        }
        Form::InsufficientScope => challenge.add("error", "insufficient_scope"),
        // RFC 9470 §3.
        Form::InsufficientAuthentication => {
            challenge.add("error", "insufficient_user_authentication");
        }
    }
    let needed = challenge_hints.and_then(|hints| hints.scope.as_deref());
    let scope = match form {
        // RFC 6750 §3: the scopes for a client without a token.
        Form::Bare => needed.or_else(|| parameters.and_then(|own| own.initial_scope.as_deref())),
        Form::InsufficientScope => needed,
        Form::InvalidRequest | Form::InvalidToken | Form::InsufficientAuthentication => None,
    };
    if let Some(scope) = scope {
        challenge.add("scope", scope);
    }
    if let Some(challenge_hints) = challenge_hints {
        if let Some(max_age) = challenge_hints.max_age {
            challenge.add("max_age", &max_age.to_string());
        }
        if let Some(values) = &challenge_hints.acr_values {
            challenge.add("acr_values", values);
        }
    }
    // RFC 9728 §5.1.
    if let Some(url) = parameters.and_then(|parameters| parameters.resource_metadata.as_deref()) {
        challenge.add("resource_metadata", url);
    }
    HeaderValue::try_from(challenge.text).ok()
}

struct Challenge {
    text: String,
    separator: &'static str,
}

impl Challenge {
    fn new() -> Self {
        Self {
            text: "Bearer".to_owned(),
            separator: " ",
        }
    }

    /// `value` must be plain: a constant, or checked configuration.
    fn add(&mut self, name: &str, value: &str) {
        debug_assert!(value.bytes().all(is_plain));
        // Writing to a `String` cannot fail.
        let _ = write!(self.text, "{}{name}=\"{value}\"", self.separator);
        self.separator = ", ";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(realm: Option<&str>, metadata: Option<&str>) -> ChallengeParameters {
        ChallengeParameters {
            realm: realm.map(str::to_owned),
            resource_metadata: metadata.map(str::to_owned),
            ..ChallengeParameters::default()
        }
    }

    #[test]
    fn configured_parameters_stand_around_the_error() {
        let parameters = parameters(
            Some("shop"),
            Some("https://api.example/.well-known/oauth-protected-resource"),
        )
        .check()
        .unwrap();
        assert_eq!(
            value(
                Form::InvalidToken,
                "it is no good",
                None,
                parameters.as_ref()
            )
            .unwrap(),
            "Bearer realm=\"shop\", error=\"invalid_token\", error_description=\"it is no good\", \
             resource_metadata=\"https://api.example/.well-known/oauth-protected-resource\""
        );
        assert_eq!(value(Form::Bare, "x", None, None).unwrap(), "Bearer");
    }

    #[test]
    fn what_would_need_escapes_cannot_be_configured() {
        for realm in ["a\"b", "a\\b", "a\nb", "é", "a\u{7f}"] {
            assert!(parameters(Some(realm), None).check().is_err());
            assert!(parameters(None, Some(realm)).check().is_err());
        }
    }
}
