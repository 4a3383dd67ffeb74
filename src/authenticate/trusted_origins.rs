//! Origins, besides the API's own, whose pages can use the visitor's cookie.

use http::HeaderValue;
use url::Url;

use crate::error::ConfigError;

/// Compared byte by byte with `Origin`. This is a separate list, because tower-http's accepts only http and
/// https.
#[derive(Clone, Debug, Default)]
pub(super) struct TrustedOrigins(Vec<String>);

impl TrustedOrigins {
    pub(super) fn new(origins: &[String]) -> Result<Self, ConfigError> {
        if let Some(bad) = origins.iter().find(|text| !is_origin(text)) {
            return Err(ConfigError::invalid(
                "trusted_origins",
                bad.clone(),
                "is not an origin as a browser sends it: scheme, host and port, in lower case, \
                 without the scheme's own port, a path or a wildcard",
            ));
        }
        Ok(Self(origins.to_vec()))
    }

    pub(super) fn contains(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|own| origin == own)
    }
}

/// Whether this is an origin exactly as a browser serializes it (RFC 6454 §6.2). Other text would never
/// match, without an error.
fn is_origin(text: &str) -> bool {
    match text.split_once("://") {
        Some(("http" | "https", host)) => {
            !host.contains('*')
                && Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text)
        }
        Some((scheme, host)) => is_shells_scheme(scheme) && is_shells_host(host),
        None => false,
    }
}

/// Whether pages of a native shell or an extension can have this scheme.
fn is_shells_scheme(scheme: &str) -> bool {
    // RFC 3986 §3.1.
    scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
        // The origin of their pages is `null`, or one that other programs can also have.
        && !["about", "blob", "data", "file", "ftp", "javascript", "ws", "wss"].contains(&scheme)
}

fn is_shells_host(authority: &str) -> bool {
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    !host.is_empty()
        && host
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_'))
        && port.is_none_or(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit())
                && !port.starts_with('0')
                && port.parse::<u16>().is_ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_that_would_never_match_cannot_be_configured() {
        let check = |origin: &str| TrustedOrigins::new(&[origin.to_owned()]);
        for good in [
            "https://app.example",
            "http://localhost:5173",
            "https://a.example:8443",
            "https://xn--exmple-cua.example",
            "http://[::1]:5173",
            "capacitor://localhost",
            "ionic://localhost",
            "tauri://localhost",
            "app://.",
            "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
            "moz-extension://0e4bd7a1-8f4b-4d6c-9c3b-2f1f6f2f4f11",
            "my-app+x.1://shell_1:8080",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "https://*.example",
            "https://App.example",
            "https://app.example/",
            "https://app.example:443",
            "https://user@app.example",
            "https://app.example/path",
            "app.example",
            "null",
            "file:///x",
            "file://",
            "file://localhost",
            "data://localhost",
            "blob://localhost",
            "about://blank",
            "javascript://x",
            "ftp://files.example",
            "wss://app.example",
            "https://exämple.example",
            "https:///app.example",
            "http://",
            "capacitor://",
            "capacitor://localhost/",
            "capacitor://localhost/x",
            "capacitor://localhost?x",
            "capacitor://localhost#x",
            "capacitor://LOCALHOST",
            "Capacitor://localhost",
            "capacitor://user@localhost",
            "capacitor://*",
            "capacitor://local host",
            "capacitor://localhost ",
            " capacitor://localhost",
            "capacitor://löcal",
            "capacitor://localhost:",
            "capacitor://localhost:0",
            "capacitor://localhost:080",
            "capacitor://localhost:+80",
            "capacitor://localhost:65536",
            "capacitor://localhost:80:80",
            "capacitor:localhost",
            "capacitor:/localhost",
            "1app://localhost",
            "-app://localhost",
            "*://localhost",
            "://localhost",
            "chrome-extension://*",
            "",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
