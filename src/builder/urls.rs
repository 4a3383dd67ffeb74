//! The addresses among the options, checked and parsed.

use url::Url;

use super::options::Options;
use crate::error::ConfigError;
use crate::outbound::is_secure;

/// The endpoint as it was given, without a trailing slash, and parsed.
pub(super) struct Endpoint {
    /// Compared with `iss` byte by byte: neither Authgear nor this crate normalizes it.
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

    /// Parses an issuer, which is an origin; one trailing slash is dropped.
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

    /// A URL that has only scheme, host and optionally a port.
    fn origin(&self, option: &'static str, text: &str) -> Result<Url, ConfigError> {
        let url = self.url(option, text)?;
        // Parsing turns an absent path into "/"; the text itself must have no path.
        let after_scheme = text.get(url.scheme().len()..).unwrap_or_default();
        let bare = url.path() == "/"
            && !text.ends_with('/')
            // Parsing accepts `https:host` and `https:///host`, but no `iss` equals these.
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
        // Parsing drops blanks around a URL, and some inside. The text that is later compared byte by byte
        // would then differ from the parsed URL.
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
