//! Stage 1: which credential does a request carry?
//!
//! The sources are an ordered list, `Authorization: Bearer` first. The first one that has a
//! credential decides; whether that credential is any good is not asked here, and nothing falls
//! through to the next source afterwards.

mod access_token;
mod bearer;
pub(crate) mod cookie;
mod placeholder;
pub(crate) mod session_cookies;
mod source;

use std::borrow::Cow;

use http::HeaderMap;

use crate::error::AuthErrorKind;
use crate::macros::redacted_debug;
use crate::user::CredentialForm;

pub use self::access_token::AccessToken;
pub(crate) use self::access_token::KeptToken;
pub(crate) use self::bearer::is_b64token;
pub(crate) use self::cookie::CookieName;
pub(crate) use self::placeholder::is_placeholder;
pub(crate) use self::session_cookies::SessionCookies;
pub use self::source::TokenSource;

/// A credential as it came: nothing about it has been checked, not even its characters.
pub(crate) struct Credential<'r> {
    bytes: Cow<'r, [u8]>,
    kind: CredentialKind,
}

/// Which kind of source a credential came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    /// `Authorization: Bearer`.
    Bearer,
    /// A cookie of the API's own, which holds a token.
    TokenCookie,
    /// A source that the application added.
    Custom,
    /// Authgear's own cookies.
    SessionCookies,
}

impl Credential<'_> {
    /// What came. Whoever knows these very bytes as good need not look at them one by one.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is wrong with it as a credential of its source, whatever it is as a token.
    pub(crate) fn fault(&self) -> Option<AuthErrorKind> {
        let is_malformed = self.kind == CredentialKind::Bearer && !bearer::is_b64token(&self.bytes);
        if is_malformed {
            Some(AuthErrorKind::MalformedAuthorizationHeader)
        } else {
            is_placeholder(&self.bytes).then_some(AuthErrorKind::PlaceholderToken)
        }
    }

    /// What came, as text.
    ///
    /// # Errors
    /// `MalformedAuthorizationHeader` if it is a bearer whose characters are not those of a token,
    /// `PlaceholderToken` if it is a word such as `undefined`.
    pub(crate) fn text(&self) -> Result<&str, AuthErrorKind> {
        match self.fault() {
            Some(fault) => Err(fault),
            None => str::from_utf8(&self.bytes).map_err(|_| AuthErrorKind::MalformedToken),
        }
    }

    /// What an application that asked for tokens may have of it.
    pub(crate) fn keep(&self) -> KeptToken {
        match self.form() {
            CredentialForm::SessionCookies => KeptToken::None,
            // Where it is no text, it is refused.
            CredentialForm::Bearer => self.text().map_or(KeptToken::None, |token| {
                KeptToken::Token(AccessToken::new(token))
            }),
        }
    }

    /// Whether the browser sends it by itself, so that it proves no intent.
    pub(crate) fn is_ambient(&self) -> bool {
        matches!(
            self.kind,
            CredentialKind::TokenCookie | CredentialKind::SessionCookies
        )
    }

    /// How it is shown to the resolver: a token is a bearer, wherever it came from.
    pub(crate) fn form(&self) -> CredentialForm {
        match self.kind {
            CredentialKind::SessionCookies => CredentialForm::SessionCookies,
            CredentialKind::Bearer | CredentialKind::TokenCookie | CredentialKind::Custom => {
                CredentialForm::Bearer
            }
        }
    }
}

redacted_debug!(Credential<'_> { kind });

/// Where credentials are looked for, after the `Authorization` header.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) others: Vec<CredentialSource>,
}

/// One place to look, after the `Authorization` header.
#[derive(Clone, Debug)]
pub(crate) enum CredentialSource {
    /// A cookie of the API's own.
    Cookie(CookieName),
    SessionCookies(SessionCookies),
    Custom(TokenSource),
}

/// Whether a request has a well-formed bearer credential, a good one or not.
pub(crate) fn has_bearer(headers: &HeaderMap) -> bool {
    bearer::find(headers).is_ok_and(|token| token.is_some_and(is_b64token))
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
                bytes: token.into(),
                kind: CredentialKind::Bearer,
            }));
        }
        for source in &self.others {
            let found = match source {
                CredentialSource::Cookie(name) => {
                    cookie::find(headers, name)?.map(|token| Credential {
                        bytes: token.into(),
                        kind: CredentialKind::TokenCookie,
                    })
                }
                CredentialSource::SessionCookies(names) => {
                    names.find(headers)?.map(|field| Credential {
                        bytes: field.into(),
                        kind: CredentialKind::SessionCookies,
                    })
                }
                CredentialSource::Custom(custom) => custom.find(headers).map(|token| Credential {
                    bytes: token.into_bytes().into(),
                    kind: CredentialKind::Custom,
                }),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}
