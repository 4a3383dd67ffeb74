//! The crate's HTTP client, with explicit settings for all that it relies on.
//!
//! Cargo unifies features: if any crate of the program turns on a feature of reqwest, it is on here, too.
//! It then changes the client's behaviour unless the client has an explicit setting.

use super::HttpOptions;
use crate::error::ConfigError;

/// `https`: whether one of the addresses needs TLS.
pub(super) fn new(options: HttpOptions, https: bool) -> Result<reqwest::Client, ConfigError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(options.timeouts.connect)
        // `http2`: with HTTP/2, a request to an internal address would have two host names, `:authority`
        // and `Host`, which servers refuse. This also turns `http3` off.
        .http1_only()
        // `native-tls` would replace rustls.
        .tls_backend_rustls()
        // `hickory-dns` ignores a part of the system's configuration.
        .no_hickory_dns()
        // The size limit must count the bytes that were sent, not the decompressed ones.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        // `system-proxy`, and the environment variables.
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
        // Otherwise a system without root certificates could not even use http.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(ConfigError::Http)
}

const USER_AGENT: &str = concat!("axum-authgear/", env!("CARGO_PKG_VERSION"));
