//! Authgear's own cookies, which stand for a session.

use super::cookie::CookieName;
use super::{CredentialKind, Source};
use crate::error::ConfigError;
use crate::user::CredentialForm;

/// The three cookies in the order in which the resolver reads them. Each is a source of its own: a
/// bad one is not passed over for the next.
pub(crate) fn session_cookies(prefix: &str) -> Result<[Source; 3], ConfigError> {
    let source = |form, name| {
        let name = CookieName::new("cookie_prefix", format!("{prefix}{name}"))?;
        Ok(Source::Cookie(CredentialKind::SessionCookie(form), name))
    };
    Ok([
        source(CredentialForm::AppSession, APP_SESSION)?,
        source(CredentialForm::AppAccessToken, APP_ACCESS_TOKEN)?,
        source(CredentialForm::Session, SESSION)?,
    ])
}

pub(crate) const APP_SESSION: &str = "app_session";
pub(crate) const APP_ACCESS_TOKEN: &str = "app_access_token";
pub(crate) const SESSION: &str = "session";
