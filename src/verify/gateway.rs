//! Gateway mode: a proxy in front has asked the resolver, and its headers are the user.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::{HeaderMap, HeaderName};
use ipnet::{IpNet, Ipv4Net};

use super::session_headers::{self, SessionHeaders};
use crate::error::{AuthError, AuthErrorKind, ConfigError};
use crate::secret::Secret;
use crate::user::{AuthUser, Principal, Session, Verified};

/// How a gateway proves that it is the gateway: without it, anyone who reaches the service could
/// write the headers. There is no proof that everyone passes.
#[derive(Clone, Debug)]
#[must_use = "this does nothing until it is given to a builder"]
pub struct GatewayProof(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Secret { header: String, secret: Secret },
    Networks(Vec<String>),
}

impl GatewayProof {
    /// The gateway sends this secret, of at least 32 characters, in the header `x-gateway-secret`. It
    /// is compared in constant time, and no handler sees it.
    pub fn secret(secret: impl Into<String>) -> Self {
        Self(Kind::Secret {
            header: "x-gateway-secret".to_owned(),
            secret: Secret::new(secret.into()),
        })
    }

    /// The gateway's connections come from these networks (`10.1.2.0/24`, or a single address), and
    /// nobody else's do. The address is that of axum's
    /// [`ConnectInfo`](axum::extract::ConnectInfo)`<SocketAddr>`: where there is none, nobody is
    /// trusted. IPv4 that is written as IPv6 (`::ffff:10.0.0.0/104`) counts as IPv4.
    ///
    /// Whatever runs in these networks can be any user: prefer the [`secret`](Self::secret).
    pub fn networks<I: IntoIterator<Item: Into<String>>>(networks: I) -> Self {
        Self(Kind::Networks(
            networks.into_iter().map(Into::into).collect(),
        ))
    }

    /// Sends the secret in another header. It plays no part for networks.
    pub fn header(mut self, name: impl Into<String>) -> Self {
        if let Kind::Secret { header, .. } = &mut self.0 {
            *header = name.into();
        }
        self
    }

    pub(crate) fn check(&self) -> Result<Proof, ConfigError> {
        match &self.0 {
            Kind::Secret { header, secret } => {
                let name = HeaderName::from_bytes(header.as_bytes()).map_err(|_| {
                    ConfigError::invalid("gateway", header.clone(), "is not a header's name")
                })?;
                let text = secret.expose();
                if text.chars().count() < MIN_SECRET {
                    return Err(ConfigError::invalid(
                        "gateway",
                        "",
                        "the secret is shorter than 32 characters",
                    ));
                }
                if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || text.trim() != text {
                    return Err(ConfigError::invalid(
                        "gateway",
                        "",
                        "the secret has a character that a header cannot carry as it is",
                    ));
                }
                Ok(Proof::Secret(name, secret.clone()))
            }
            Kind::Networks(texts) => {
                let networks = read_networks("gateway", texts)?;
                if networks.is_empty() {
                    return Err(ConfigError::invalid("gateway", "", "names no network"));
                }
                let everyone = IpNet::aggregate(&networks)
                    .into_iter()
                    .find(|network| network.prefix_len() == 0);
                if let Some(network) = everyone {
                    return Err(ConfigError::invalid(
                        "gateway",
                        network.to_string(),
                        "would trust everyone",
                    ));
                }
                Ok(Proof::Networks(networks))
            }
        }
    }
}

const MIN_SECRET: usize = 32;

/// Networks as they are written: `10.1.2.0/24`, or a single address.
pub(crate) fn read_networks(
    option: &'static str,
    texts: &[String],
) -> Result<Vec<IpNet>, ConfigError> {
    texts
        .iter()
        .map(|text| {
            network(text)
                .ok_or("is not a network or an address")
                .and_then(canonical)
                .map_err(|reason| ConfigError::invalid(option, text.clone(), reason))
        })
        .collect()
}

/// `IpNet` reads `010.0.0.0/8`, too, which is another network elsewhere: the standard library's
/// addresses have no leading zeros, and neither have lengths here.
fn network(text: &str) -> Option<IpNet> {
    let Some((address, length)) = text.split_once('/') else {
        return text.parse::<IpAddr>().ok().map(IpNet::from);
    };
    let network = IpNet::new(address.parse().ok()?, length.parse().ok()?).ok()?;
    (network.prefix_len().to_string() == length).then_some(network)
}

/// The network of IPv4 where one is written as IPv6 (`::ffff:10.0.0.0/104`): addresses are compared
/// as IPv4, too.
fn canonical(network: IpNet) -> Result<IpNet, &'static str> {
    let IpNet::V6(long) = network else {
        return Ok(network);
    };
    let Some(address) = long.addr().to_ipv4_mapped() else {
        return Ok(network);
    };
    long.prefix_len()
        .checked_sub(MAPPED_PREFIX)
        .and_then(|prefix| Ipv4Net::new(address, prefix).ok())
        .map(IpNet::V4)
        .ok_or("is an IPv4 address written as IPv6: such a prefix has 96 bits and more")
}

/// The bits before an IPv4 address that is written as IPv6 (RFC 4291 §2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// Whether an address is of one of these networks, also where IPv4 is written as IPv6.
pub(crate) fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// A checked [`GatewayProof`].
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    Secret(HeaderName, Secret),
    Networks(Vec<IpNet>),
}

impl Proof {
    /// Whether the request comes from the gateway. A secret is taken out of it in any case.
    fn holds(&self, headers: &mut HeaderMap, peer: Option<IpAddr>) -> bool {
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

/// Takes the word of a gateway that has proved itself.
pub(crate) struct GatewayVerifier<C> {
    proof: Proof,
    issuer: Box<str>,
    /// What there is of a user without a token.
    base: Arc<Verified<C>>,
}

/// What a gateway says of a request: `None` if it says nothing, or is not the gateway.
pub(crate) type Word = Option<Result<Arc<Session>, AuthErrorKind>>;

impl<C> GatewayVerifier<C> {
    pub(crate) fn new(proof: Proof, issuer: &str, base: Arc<Verified<C>>) -> Self {
        Self {
            proof,
            issuer: issuer.into(),
            base,
        }
    }

    /// The word of the gateway. It takes the proof out of the request; the identity headers are
    /// removed in every mode.
    pub(crate) fn hear(&self, headers: &mut HeaderMap, peer: Option<IpAddr>) -> Word {
        if !self.proof.holds(headers, peer) || !session_headers::names_session(headers) {
            return None;
        }
        Some(match session_headers::read(headers, &self.issuer) {
            Ok(SessionHeaders::Valid(identity)) => Ok(Arc::new(Session {
                identity: Some(Arc::new(identity)),
                credential: None,
                confirmed_at: None,
            })),
            Ok(SessionHeaders::Invalid) => Err(AuthErrorKind::SessionInvalid),
            Ok(SessionHeaders::Absent | SessionHeaders::Nameless) | Err(_) => {
                Err(AuthErrorKind::MalformedIdentity)
            }
        })
    }

    pub(crate) fn verify(
        &self,
        word: Result<Arc<Session>, AuthErrorKind>,
    ) -> Result<Principal<C>, AuthError> {
        let user = AuthUser::new(Arc::clone(&self.base));
        Ok(Principal::User(user.with_session(Some(word?))))
    }
}

impl<C> fmt::Debug for GatewayVerifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayVerifier")
            .field("proof", &self.proof)
            .finish_non_exhaustive()
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
            GatewayProof::secret(SECRET).header("a b"),
            GatewayProof::networks(Vec::<String>::new()),
            GatewayProof::networks(["0.0.0.0/0"]),
            GatewayProof::networks(["10.0.0.0/8", "::/0"]),
            GatewayProof::networks(["0.0.0.0/1", "128.0.0.0/1"]),
            GatewayProof::networks(["::ffff:0.0.0.0/96"]),
            GatewayProof::networks(["::ffff:0.0.0.0/97", "128.0.0.0/1"]),
            GatewayProof::networks(["10.0.0.0/33"]),
            // Elsewhere `010` is eight.
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

    #[test]
    fn ipv4_written_as_ipv6_is_ipv4_in_networks_and_in_addresses() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.1.2.3", "11.1.2.3"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"),
            ("::ffff:a00:0/104", "10.1.2.3", "11.1.2.3"),
            ("::FFFF:10.1.2.0/120", "10.1.2.3", "10.1.3.3"),
            ("::ffff:10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("::ffff:10.1.2.3/128", "10.1.2.3", "10.1.2.4"),
            // Bits beyond the prefix play no part.
            ("10.1.2.3/8", "10.9.9.9", "11.1.2.3"),
            ("::ffff:10.1.2.3/104", "10.9.9.9", "11.1.2.3"),
            ("fd00::1/8", "fd99::", "fe00::"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("::ffff:0.0.0.0/96", "203.0.113.9", "2001:db8::1"),
            ("::/0", "2001:db8::1", "203.0.113.9"),
            // Neither IPv4-compatible nor NAT64 addresses are IPv4 ones.
            ("::10.0.0.0/104", "::10.1.2.3", "10.1.2.3"),
            ("64:ff9b::10.0.0.0/104", "64:ff9b::10.1.2.3", "10.1.2.3"),
        ] {
            let networks = read_networks("x", &[network.to_owned()]).unwrap();
            for (address, wanted) in [(inside, true), (outside, false)] {
                let address: IpAddr = address.parse().unwrap();
                assert_eq!(is_in(&networks, address), wanted, "{network}: {address}");
                if let IpAddr::V4(short) = address {
                    let long = IpAddr::V6(short.to_ipv6_mapped());
                    assert_eq!(is_in(&networks, long), wanted, "{network}: {long}");
                }
            }
        }
        for bad in [
            // Of IPv4's prefixes, written behind an address of IPv6: they cover all of IPv4 and more.
            "::ffff:10.0.0.0/8",
            "::ffff:10.0.0.0/95",
            "::ffff:10.0.0.0/129",
            "fe80::1%eth0/64",
            "10.0.0.0/255.0.0.0",
            " 10.0.0.0/8",
        ] {
            let error = read_networks("x", &[bad.to_owned()]).unwrap_err();
            assert_eq!(error.option(), Some("x"), "{bad}");
        }
    }
}
