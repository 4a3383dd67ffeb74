//! Authgear's own cookies, which stand for a session.

use http::HeaderMap;

use super::cookie::{self, CookieName};
use crate::error::{AuthErrorKind, ConfigError};

/// The names of the three cookies. Together they are one credential: a browser can have a stale cookie
/// beside a valid one, and the resolver decides which one counts.
#[derive(Clone, Debug)]
pub(crate) struct SessionCookies([CookieName; 3]);

impl SessionCookies {
    pub(crate) fn new(prefix: &str) -> Result<Self, ConfigError> {
        let name = |name| CookieName::new("cookie_prefix", format!("{prefix}{name}"));
        Ok(Self([
            name("app_session")?,
            name(APP_ACCESS_TOKEN)?,
            name("session")?,
        ]))
    }

    /// Those that the request has, in their order, as one `Cookie` field without other cookies.
    pub(super) fn find(&self, headers: &HeaderMap) -> Result<Option<Vec<u8>>, AuthErrorKind> {
        let mut found: [Option<&[u8]>; 3] = [None; 3];
        let mut field = Vec::new();
        for (name, value) in cookie::all(headers) {
            let mut slots = self.0.iter().zip(&mut found);
            let Some((_, slot)) = slots.find(|(own, _)| own.as_bytes() == name) else {
                continue;
            };
            match slot.replace(value) {
                Some(first) if first != value => return Err(AuthErrorKind::MultipleCredentials),
                Some(_) => {}
                None => {
                    if !field.is_empty() {
                        field.extend_from_slice(b"; ");
                    }
                    field.extend_from_slice(&[name, b"=", value].concat());
                }
            }
        }
        Ok((!field.is_empty()).then_some(field))
    }
}

/// The values of such a field.
pub(crate) fn values(field: &str) -> impl Iterator<Item = &[u8]> {
    cookie::pairs(field.as_bytes()).map(|(_, value)| value)
}

/// The value of `{prefix}app_access_token` in such a field. Only this cookie can be a JWT. The other two
/// names end differently.
pub(crate) fn access_token(field: &str) -> Option<&[u8]> {
    cookie::pairs(field.as_bytes())
        .find(|(name, _)| name.ends_with(APP_ACCESS_TOKEN.as_bytes()))
        .map(|(_, value)| value)
}

const APP_ACCESS_TOKEN: &str = "app_access_token";
