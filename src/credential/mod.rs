//! Stage 1: finds the credential of a request.
//!
//! The sources are an ordered list, with `Authorization: Bearer` first. The first source with a credential
//! decides. If that credential is invalid, later sources are not tried.

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

/// An unverified credential: not even its characters have been checked.
pub(crate) struct Credential<'r> {
    bytes: Cow<'r, [u8]>,
    kind: CredentialKind,
}

/// The kind of a credential's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    /// `Authorization: Bearer`.
    Bearer,
    /// A cookie of the API, which contains a token.
    TokenCookie,
    /// A source of the application.
    Custom,
    /// Authgear's own cookies.
    SessionCookies,
}

impl Credential<'_> {
    /// The bytes of the credential. A cache that knows them as valid need not check their characters.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Why it is no credential of its source. Its value as a token is not checked.
    pub(crate) fn fault(&self) -> Option<AuthErrorKind> {
        let is_malformed = self.kind == CredentialKind::Bearer && !bearer::is_b64token(&self.bytes);
        if is_malformed {
            Some(AuthErrorKind::MalformedAuthorizationHeader)
        } else {
            is_placeholder(&self.bytes).then_some(AuthErrorKind::PlaceholderToken)
        }
    }

    /// The credential, as text.
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

    /// The token for an application that turned `keep_access_tokens` on.
    pub(crate) fn keep(&self) -> KeptToken {
        match self.form() {
            CredentialForm::SessionCookies => KeptToken::None,
            // A credential that is no text is refused later.
            CredentialForm::Bearer => self.text().map_or(KeptToken::None, |token| {
                KeptToken::Token(AccessToken::new(token))
            }),
        }
    }

    /// Whether a browser sends it automatically, so that it shows no intent of the page.
    pub(crate) fn is_ambient(&self) -> bool {
        matches!(
            self.kind,
            CredentialKind::TokenCookie | CredentialKind::SessionCookies
        )
    }

    /// The form in which the resolver gets it: a token from any source is a bearer token.
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

/// The sources of credentials after the `Authorization` header.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) others: Vec<CredentialSource>,
}

/// One source of credentials after the `Authorization` header.
#[derive(Clone, Debug)]
pub(crate) enum CredentialSource {
    /// A cookie of the API.
    Cookie(CookieName),
    SessionCookies(SessionCookies),
    Custom(TokenSource),
}

/// Whether a request has a well-formed bearer credential, valid or not.
pub(crate) fn has_bearer(headers: &HeaderMap) -> bool {
    bearer::find(headers).is_ok_and(|token| token.is_some_and(is_b64token))
}

impl Sources {
    /// The request's credential, if it has one.
    ///
    /// # Errors
    /// The `Authorization` header is malformed, or the deciding source has more than one credential.
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

#[cfg(test)]
mod property;
