//! [`GatewayProof`]: how a gateway proves that it is the gateway.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::error::ConfigError;
use crate::networks::{is_in, read_networks};
use crate::secret::Secret;

/// How a gateway proves its identity. Without a proof, anyone who reaches the service could write the
/// headers. `build()` refuses a proof that would trust every sender.
#[derive(Clone, Debug)]
#[must_use = "this does nothing until it is given to a builder"]
pub struct GatewayProof(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Secret { header: String, secret: Secret },
    Networks(Vec<String>),
}

impl GatewayProof {
    /// The gateway sends this secret, of at least 32 characters, in the header `x-gateway-secret`. It is
    /// compared in constant time, and no handler sees it.
    pub fn secret(secret: impl Into<String>) -> Self {
        Self::secret_in_header("x-gateway-secret", secret)
    }

    /// Like [`secret`](Self::secret), in the header of this name.
    pub fn secret_in_header(name: impl Into<String>, secret: impl Into<String>) -> Self {
        Self(Kind::Secret {
            header: name.into(),
            secret: Secret::new(secret.into()),
        })
    }

    /// The gateway's connections come from these networks (`10.1.2.0/24`, or a single address), and no other
    /// connections do. The address is that of axum's
    /// [`ConnectInfo`](axum::extract::ConnectInfo)`<SocketAddr>`. Without it, no request is trusted. An IPv4
    /// address in IPv6 form (`::ffff:10.0.0.0/104`) counts as IPv4.
    ///
    /// Every program in these networks can act as any user. Prefer the [`secret`](Self::secret).
    pub fn networks<I: IntoIterator<Item: Into<String>>>(networks: I) -> Self {
        Self(Kind::Networks(
            networks.into_iter().map(Into::into).collect(),
        ))
    }

    pub(crate) fn check(&self) -> Result<Proof, ConfigError> {
        let invalid = |value: &str, reason| ConfigError::invalid("gateway", value, reason);
        match &self.0 {
            Kind::Secret { header, secret } => {
                let name = HeaderName::from_bytes(header.as_bytes())
                    .map_err(|_| invalid(header, "is not a header's name"))?;
                let text = secret.expose();
                if text.chars().count() < MIN_SECRET {
                    return Err(invalid("", "the secret is shorter than 32 characters"));
                }
                if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || text.trim() != text {
                    let reason = "the secret has a character that a header cannot carry as it is";
                    return Err(invalid("", reason));
                }
                Ok(Proof::Secret(name, secret.clone()))
            }
            Kind::Networks(texts) => {
                let networks = read_networks("gateway", texts)?;
                if networks.is_empty() {
                    return Err(invalid("", "names no network"));
                }
                let everyone = IpNet::aggregate(&networks)
                    .into_iter()
                    .find(|network| network.prefix_len() == 0);
                if let Some(network) = everyone {
                    return Err(invalid(&network.to_string(), "would trust everyone"));
                }
                Ok(Proof::Networks(networks))
            }
        }
    }
}

const MIN_SECRET: usize = 32;

/// A checked [`GatewayProof`].
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    Secret(HeaderName, Secret),
    Networks(Vec<IpNet>),
}

impl Proof {
    /// Whether the request comes from the gateway. A secret is always removed from it.
    pub(super) fn holds(&self, headers: &mut HeaderMap, peer: Option<IpAddr>) -> bool {
        match self {
            Self::Secret(name, secret) => {
                let holds = {
                    let mut fields = headers.get_all(name).iter();
                    let first = fields.next();
                    let is_only = fields.next().is_none();
                    first.is_some_and(|field| {
                        let right =
                            verify_slices_are_equal(field.as_bytes(), secret.expose().as_bytes());
                        right.is_ok() && is_only
                    })
                };
                headers.remove(name);
                holds
            }
            Self::Networks(networks) => peer.is_some_and(|peer| is_in(networks, peer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_proof_that_everyone_passes_cannot_be_configured() {
        assert!(GatewayProof::secret(SECRET).check().is_ok());
        assert!(
            GatewayProof::networks(["10.0.0.0/8", "::1"])
                .check()
                .is_ok()
        );
        for bad in [
            GatewayProof::secret(&SECRET[1..]),
            GatewayProof::secret(format!("{SECRET} ")),
            GatewayProof::secret(format!("{SECRET}\u{e9}")),
            GatewayProof::secret_in_header("a b", SECRET),
            GatewayProof::networks(Vec::<String>::new()),
            GatewayProof::networks(["0.0.0.0/0"]),
            GatewayProof::networks(["10.0.0.0/8", "::/0"]),
            GatewayProof::networks(["0.0.0.0/1", "128.0.0.0/1"]),
            GatewayProof::networks(["::ffff:0.0.0.0/96"]),
            GatewayProof::networks(["::ffff:0.0.0.0/97", "128.0.0.0/1"]),
            GatewayProof::networks(["10.0.0.0/33"]),
            // Elsewhere `010` is eight (octal).
            GatewayProof::networks(["010.0.0.0/8"]),
            GatewayProof::networks(["10.0.0.010"]),
            GatewayProof::networks(["10.0.0.0/08"]),
            GatewayProof::networks(["10.0.0.0/+8"]),
            GatewayProof::networks([" 10.0.0.0/8"]),
            GatewayProof::networks(["10.0.0.0/8\u{a0}"]),
            GatewayProof::networks(["10.0.0.0/"]),
            GatewayProof::networks(["10.0.0.0/8/8"]),
            GatewayProof::networks(["::ffff:10.0.0.0/8"]),
            GatewayProof::networks(["fe80::1%eth0"]),
            GatewayProof::networks(["gateway"]),
        ] {
            let error = bad.check().unwrap_err();
            assert_eq!(error.option(), Some("gateway"));
            assert!(!error.to_string().contains("0123456789abcdef"), "{error}");
        }
        assert!(!format!("{:?}", GatewayProof::secret(SECRET)).contains(SECRET));
    }
}
