//! Stage 1: which credential does a request carry?
//!
//! The sources are an ordered list, `Authorization: Bearer` first. The first one that has a
//! credential decides; whether that credential is any good is not asked here, and nothing falls
//! through to the next source afterwards.

mod bearer;
mod cookie;
mod source;

use std::fmt;

use http::HeaderMap;

use crate::error::AuthErrorKind;

pub(crate) use self::cookie::CookieName;
pub use self::source::TokenSource;

/// A credential as it came: nothing about it has been checked.
pub(crate) struct Credential<'r> {
    token: std::borrow::Cow<'r, str>,
    /// Whether the browser sends it by itself, so that it proves no intent.
    is_ambient: bool,
}

impl Credential<'_> {
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn is_ambient(&self) -> bool {
        self.is_ambient
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("is_ambient", &self.is_ambient)
            .finish_non_exhaustive()
    }
}

/// Where credentials are looked for, after the `Authorization` header.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) others: Vec<Source>,
}

/// One place to look, after the `Authorization` header.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Cookie(CookieName),
    Custom(TokenSource),
}

impl Sources {
    /// The request's credential, if it has one.
    ///
    /// # Errors
    /// A malformed `Authorization` header, or more than one credential of the deciding source.
    pub(crate) fn find<'r>(
        &self,
        headers: &'r HeaderMap,
    ) -> Result<Option<Credential<'r>>, AuthErrorKind> {
        if let Some(token) = bearer::find(headers)? {
            return Ok(Some(Credential {
                token: token.into(),
                is_ambient: false,
            }));
        }
        for source in &self.others {
            let found = match source {
                Source::Cookie(name) => cookie::find(headers, name)?.map(|token| Credential {
                    token,
                    is_ambient: true,
                }),
                Source::Custom(custom) => custom.find(headers).map(|token| Credential {
                    token: token.into(),
                    is_ambient: false,
                }),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}
