//! The IP networks in options.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::error::ConfigError;

/// Parses networks: `10.1.2.0/24`, or a single address.
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

/// `IpNet` also accepts `010.0.0.0/8`, which other software reads as another network. So addresses are
/// parsed by the standard library, which refuses leading zeros, and lengths must have none.
fn network(text: &str) -> Option<IpNet> {
    let Some((address, length)) = text.split_once('/') else {
        return text.parse::<IpAddr>().ok().map(IpNet::from);
    };
    let network = IpNet::new(address.parse().ok()?, length.parse().ok()?).ok()?;
    (network.prefix_len().to_string() == length).then_some(network)
}

/// Converts IPv4 in IPv6 notation (`::ffff:10.0.0.0/104`) to IPv4, as for addresses.
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
        .ok_or("is an IPv4 address in IPv6 notation: its prefix must have at least 96 bits")
}

/// The bits before an IPv4 address in IPv6 notation (RFC 4291 §2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// Whether an address is in one of these networks, also if it is IPv4 in IPv6 notation.
pub(crate) fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_written_as_ipv6_is_ipv4_in_networks_and_in_addresses() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.1.2.3", "11.1.2.3"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"),
            ("::ffff:a00:0/104", "10.1.2.3", "11.1.2.3"),
            ("::FFFF:10.1.2.0/120", "10.1.2.3", "10.1.3.3"),
            ("::ffff:10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("::ffff:10.1.2.3/128", "10.1.2.3", "10.1.2.4"),
            // Bits after the prefix have no effect.
            ("10.1.2.3/8", "10.9.9.9", "11.1.2.3"),
            ("::ffff:10.1.2.3/104", "10.9.9.9", "11.1.2.3"),
            ("fd00::1/8", "fd99::", "fe00::"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("::ffff:0.0.0.0/96", "203.0.113.9", "2001:db8::1"),
            ("::/0", "2001:db8::1", "203.0.113.9"),
            // IPv4-compatible and NAT64 addresses are not IPv4 addresses.
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
            // IPv4 prefix lengths on an IPv6 address: they cover all of IPv4 and more.
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
