//! Values that must not be printed, and must not stay in memory longer than needed.

use std::fmt;

use zeroize::Zeroizing;

/// A text that `Debug` does not show and that is overwritten when dropped.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<Box<str>>);

impl Secret {
    pub(crate) fn new(text: impl Into<Box<str>>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("canary")), "<redacted>");
    }
}
