//! The addresses of Authgear: a public origin, and optionally an internal one.

use http::{HeaderName, HeaderValue, header};
use url::{Host, Url};

/// A public origin, and optionally another origin at which it is reached.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    public: Url,
    internal: Option<Url>,
}

impl Upstream {
    pub(crate) fn new(public: Url, internal: Option<Url>) -> Self {
        Self { public, internal }
    }

    pub(crate) fn public(&self) -> &Url {
        &self.public
    }

    /// The address and the headers of a request for `public_url`.
    pub(crate) fn target(&self, public_url: &Url) -> Target {
        match &self.internal {
            Some(internal) if self.public.origin() == public_url.origin() => {
                let mut url = internal.clone();
                url.set_path(public_url.path());
                url.set_query(public_url.query());
                Target::at(url, &self.public)
            }
            _ => Target {
                url: public_url.clone(),
                headers: None,
            },
        }
    }
}

/// The address of a request, and the headers that name the public origin.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(super) url: Url,
    pub(super) headers: Option<[(HeaderName, HeaderValue); 3]>,
}

impl Target {
    /// A request to `url` that names the origin of `public`: Authgear redirects requests for another host
    /// or scheme, and compares a token's audience with them.
    pub(crate) fn at(url: Url, public: &Url) -> Self {
        let host = HeaderValue::from_str(&authority(public)).ok();
        let scheme = HeaderValue::from_str(public.scheme()).ok();
        let headers = (url.origin() != public.origin())
            .then(|| host.zip(scheme))
            .flatten()
            .map(|(host, scheme)| {
                [
                    (header::HOST, host.clone()),
                    (HeaderName::from_static("x-forwarded-host"), host),
                    (HeaderName::from_static("x-forwarded-proto"), scheme),
                ]
            });
        Self { url, headers }
    }
}

/// The host, with the port unless it is the scheme's default.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// https, or http to this machine.
pub(crate) fn is_secure(url: &Url) -> bool {
    match (url.scheme(), url.host()) {
        ("https", _) => true,
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.to_canonical().is_loopback(),
        ("http", Some(Host::Domain(name))) => name == "localhost",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn only_loopback_may_be_plain_http() {
        for good in [
            "https://a.example",
            "http://127.0.0.1:1",
            "http://127.9.9.9",
            "http://[::1]:3000",
            "http://[::ffff:127.0.0.1]:3000",
            "http://localhost:3000",
        ] {
            assert!(is_secure(&url(good)), "{good}");
        }
        for bad in [
            "http://a.example",
            "http://128.0.0.1",
            "http://[::2]",
            "http://[::ffff:128.0.0.1]",
            "http://[::127.0.0.1]",
            "http://localhost.example",
            "ftp://127.0.0.1",
        ] {
            assert!(!is_secure(&url(bad)), "{bad}");
        }
    }

    #[test]
    fn an_internal_address_is_asked_under_the_public_name() {
        let upstream = Upstream::new(
            url("https://auth.example:8443"),
            Some(url("http://127.0.0.1:9")),
        );
        let target = upstream.target(&url("https://auth.example:8443/oauth2/jwks?x=1"));
        assert_eq!(target.url.as_str(), "http://127.0.0.1:9/oauth2/jwks?x=1");
        let headers = target.headers.unwrap();
        assert_eq!(headers[0].1, "auth.example:8443");
        assert_eq!(headers[1].1, "auth.example:8443");
        assert_eq!(headers[2].1, "https");

        let elsewhere = upstream.target(&url("https://other.example/jwks"));
        assert_eq!(elsewhere.url.as_str(), "https://other.example/jwks");
        assert!(elsewhere.headers.is_none());
    }
}
