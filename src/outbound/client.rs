//! The client of our own, with everything pinned that it relies on.
//!
//! Cargo unifies features: whichever crate of the program turns one of reqwest's on, it is on here as
//! well, and changes what a client does unless it is told otherwise.

use super::HttpOptions;
use crate::error::ConfigError;

/// `https`: whether an address that will be asked needs TLS.
pub(super) fn new(options: HttpOptions, https: bool) -> Result<reqwest::Client, ConfigError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(options.timeouts.connect)
        // `http2`: with HTTP/2, an internal address would be asked with two names of the host,
        // `:authority` and `Host`, which servers refuse. `http3` is turned off by the same.
        .http1_only()
        // `native-tls` would take the place of rustls.
        .tls_backend_rustls()
        // `hickory-dns` reads less of the system's configuration than the system does.
        .no_hickory_dns()
        // A bound on what is read must be one on what was sent.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        // `system-proxy`, and the environment without it.
        .no_proxy();
    if let Some(proxy) = options.proxy {
        builder = builder.proxy(proxy);
    }
    for (host, address) in options.resolve {
        builder = builder.resolve(&host, address);
    }
    if !options.root_certificates.is_empty() {
        builder = builder.tls_certs_only(options.root_certificates);
    } else if !https {
        // Without this, a system without root certificates could not even speak http.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(ConfigError::Http)
}

const USER_AGENT: &str = concat!("axum-authgear/", env!("CARGO_PKG_VERSION"));
