//! A proxy in the environment, which the crate does not use.

use std::env;

use url::{Host, Url};

/// The variable from which another program would take its proxy to `targets`, if there is one. This crate
/// uses only the builder's proxy, because otherwise the environment would choose who can read its requests.
pub(super) fn variable(targets: &[&Url]) -> Option<&'static str> {
    let exceptions = value("NO_PROXY").or_else(|| value("no_proxy"));
    VARIABLES.iter().copied().find(|name| {
        let scheme = name.to_ascii_lowercase();
        let scheme = scheme.trim_end_matches("_proxy");
        value(name).is_some()
            && targets.iter().any(|url| {
                (scheme == "all" || scheme == url.scheme())
                    && !is_loopback(url)
                    && !is_excepted(url, exceptions.as_deref().unwrap_or_default())
            })
    })
}

/// `HTTP_PROXY` in capitals is left out: a CGI server sets it from a request's `Proxy` field, so other
/// programs ignore it, too.
const VARIABLES: [&str; 5] = [
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "http_proxy",
];

fn value(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => true,
    }
}

/// Whether the host, or a parent domain, is in the list.
fn is_excepted(url: &Url, list: &str) -> bool {
    let host = url.host_str().unwrap_or_default();
    list.split(',').map(str::trim).any(|entry| {
        let domain = entry.trim_start_matches("*.").trim_start_matches('.');
        let is_below = || {
            host.strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
        };
        entry == "*" || (!domain.is_empty() && (host == domain || is_below()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_and_domains_above_it_are_excepted() {
        let url = Url::parse("https://auth.shop.example").unwrap();
        for list in [
            "*",
            "auth.shop.example",
            "a, .shop.example",
            "example",
            "*.example",
        ] {
            assert!(is_excepted(&url, list), "{list}");
        }
        for list in [
            "",
            ",",
            ".",
            "op.example",
            "shop",
            "x.auth.shop.example",
            "10.0.0.0/8",
        ] {
            assert!(!is_excepted(&url, list), "{list}");
        }
    }
}
