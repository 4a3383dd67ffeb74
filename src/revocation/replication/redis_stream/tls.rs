//! TLS to the server.
//!
//! The cryptography provider is set explicitly, so that the program's own choice of a process default, or
//! its absence, has no effect.

use std::io;
use std::sync::Arc;

use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::error::ConfigError;

pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// For this host. Without PEM certificates, the system's root certificates are trusted.
    pub(super) fn new(host: &str, pem: &[Vec<u8>]) -> Result<Self, ConfigError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| invalid("has a host that cannot have a certificate"))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = verifier(pem, &provider)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| invalid("cannot be reached by TLS: no version of it is supported"))?
            // The verifier is rustls' own, with the roots of the system or of the builder.
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name,
        })
    }

    pub(super) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

fn verifier(
    pem: &[Vec<u8>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, ConfigError> {
    if pem.is_empty() {
        let system = Verifier::new(Arc::clone(provider))
            .map_err(|_| invalid("needs root certificates, and the system has none"))?;
        return Ok(Arc::new(system));
    }
    let mut roots = RootCertStore::empty();
    for certificate in pem
        .iter()
        .flat_map(|pem| CertificateDer::pem_slice_iter(pem))
    {
        certificate
            .ok()
            .and_then(|certificate| roots.add(certificate).ok())
            .ok_or_else(|| invalid("has root certificates that cannot be read"))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map(|verifier| verifier as _)
        .map_err(|_| invalid("has no root certificates in what was given as such"))
}

fn invalid(reason: &'static str) -> ConfigError {
    ConfigError::invalid("redis", "", reason)
}
