//! The addresses among the options, checked and parsed.

use url::Url;

use super::options::Options;
use crate::error::ConfigError;
use crate::outbound::is_secure;

/// The endpoint as it was given, without a trailing slash, and parsed.
pub(super) struct Endpoint {
    /// Compared with `iss` letter by letter: Authgear does not normalise it, nor do we.
    pub(super) issuer: String,
    pub(super) url: Url,
}

impl Options {
    pub(super) fn endpoint(&self) -> Result<Endpoint, ConfigError> {
        let issuer = self.endpoint.strip_suffix('/').unwrap_or(&self.endpoint);
        Ok(Endpoint {
            issuer: issuer.to_owned(),
            url: self.origin("endpoint", issuer)?,
        })
    }

    /// An issuer's text, which is an origin; one trailing slash is dropped.
    pub(super) fn issuer(&self, option: &'static str, text: &str) -> Result<String, ConfigError> {
        let issuer = text.strip_suffix('/').unwrap_or(text);
        self.origin(option, issuer)?;
        Ok(issuer.to_owned())
    }

    pub(super) fn internal_url(&self) -> Result<Option<Url>, ConfigError> {
        self.internal_url
            .as_deref()
            .map(|url| self.origin("internal_url", url.strip_suffix('/').unwrap_or(url)))
            .transpose()
    }

    pub(super) fn jwks_uri(&self) -> Result<Option<Url>, ConfigError> {
        self.jwks_uri
            .as_deref()
            .map(|url| self.url("jwks_uri", url))
            .transpose()
    }

    /// A URL with scheme, host and maybe port, and nothing else.
    fn origin(&self, option: &'static str, text: &str) -> Result<Url, ConfigError> {
        let url = self.url(option, text)?;
        // A path of "/" is what parsing makes of none; the text itself must not have one.
        let after_scheme = text.get(url.scheme().len()..).unwrap_or_default();
        let bare = url.path() == "/"
            && !text.ends_with('/')
            // Parsing forgives `https:host` and `https:///host`, which no `iss` would equal.
            && after_scheme.starts_with("://")
            && !after_scheme.starts_with(":///")
            && url.query().is_none()
            && url.fragment().is_none();
        if !bare {
            return Err(ConfigError::invalid(
                option,
                text,
                "must be an origin: scheme, host and port, without a path",
            ));
        }
        Ok(url)
    }

    pub(super) fn url(&self, option: &'static str, text: &str) -> Result<Url, ConfigError> {
        // Parsing leaves out blanks around a URL, and some inside: what is compared letter by letter
        // later would not be what was parsed.
        let is_plain = !text.contains(|char: char| char.is_whitespace() || char.is_control());
        let url = Url::parse(text)
            .ok()
            .filter(|url| is_plain && matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| ConfigError::invalid(option, text, "is not an http or https URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ConfigError::invalid(
                option,
                text,
                "must be given without user name and password",
            ));
        }
        if !is_secure(&url) && !self.allow_http {
            let reason = match option {
                "endpoint" => {
                    "must be https: give the project's public origin here, and an internal address \
                     to `internal_url` (plain http beyond loopback also needs \
                     `.dangerous().allow_http()`)"
                }
                _ => "must be https: plain http beyond loopback needs `.dangerous().allow_http()`",
            };
            return Err(ConfigError::invalid(option, text, reason));
        }
        Ok(url)
    }
}
