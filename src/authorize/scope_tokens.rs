//! Lists of words in a challenge: scopes and authentication context classes.

use std::fmt;

use crate::error::ConfigError;

/// One or more scope tokens (RFC 6749 §3.3), in the order of the configuration.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ScopeTokens(Vec<String>);

impl ScopeTokens {
    pub(super) fn new<I>(option: &'static str, words: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let words: Vec<String> = words.into_iter().map(Into::into).collect();
        if words.is_empty() {
            return Err(ConfigError::invalid(option, "", "names nothing"));
        }
        if let Some(word) = words.iter().find(|word| !is_scope_token(word)) {
            return Err(ConfigError::invalid(
                option,
                word.clone(),
                "is empty, or has a space, a quote, a backslash, or a character outside of \
                 printable ASCII",
            ));
        }
        Ok(Self(words))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Debug for ScopeTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `scope-token` of RFC 6749 §3.3: `1*( %x21 / %x23-5B / %x5D-7E )`.
pub(crate) const fn is_scope_token(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        if !matches!(bytes[index], 0x21 | 0x23..=0x5b | 0x5d..=0x7e) {
            return false;
        }
        index += 1;
    }
    !bytes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_what_needs_no_escape() {
        for good in ["a", "read:orders", "https://a.example/b?c=d", "!#~", "[]"] {
            assert!(is_scope_token(good), "{good}");
        }
        for bad in [
            "", " ", "a b", "a\"b", "a\\b", "a\tb", "a\u{7f}", "é", "a\r\nb",
        ] {
            assert!(!is_scope_token(bad), "{bad:?}");
            let error = ScopeTokens::new("all_scopes", ["fine", bad]).unwrap_err();
            assert_eq!(error.option(), Some("all_scopes"));
            assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
        }
        assert!(ScopeTokens::new("all_scopes", [""; 0]).is_err());
    }
}
