//! The client's address: of the connection, or behind trusted proxies.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, HeaderName, Request, header};
use ipnet::IpNet;

use crate::networks::is_in;
use crate::verify::ClientInfo;

/// The sender's data that the resolver can receive.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientInfoRules {
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) forward_user_agent: bool,
    pub(crate) forward_address: bool,
}

impl ClientInfoRules {
    pub(super) fn client<B>(&self, request: &Request<B>) -> ClientInfo {
        let headers = request.headers();
        ClientInfo {
            user_agent: self
                .forward_user_agent
                .then(|| headers.get(header::USER_AGENT))
                .flatten()
                .filter(|agent| agent.len() <= MAX_USER_AGENT)
                .cloned(),
            address: self
                .forward_address
                .then(|| connection(request.extensions()))
                .flatten()
                .map(|address| self.behind_proxies(address, headers)),
        }
    }

    /// The last address in `X-Forwarded-For` that is not a trusted proxy's. The client can have written
    /// everything before it.
    fn behind_proxies(&self, connection: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = connection;
        let fields = headers.get_all(FORWARDED_FOR).iter();
        // From the last one to the first.
        let mut members = fields.rev().flat_map(|field| {
            let text = field.to_str().unwrap_or("unreadable");
            text.rsplit(',')
        });
        while is_in(&self.trusted_proxies, client) {
            match members.next().map(address) {
                Some(Some(address)) => client = address,
                // Not an address, or an unnamed one: the last valid address counts.
                Some(None) | None => break,
            }
        }
        client
    }
}

/// The address of the connection.
pub(super) fn connection(extensions: &Extensions) -> Option<IpAddr> {
    let ConnectInfo(address) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(address.ip().to_canonical())
}

/// An address, optionally with a port. An IPv6 address can have brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches([' ', '\t']);
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = text
        .parse()
        .ok()
        .or_else(|| bracketed().map(IpAddr::V6))
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// No browser sends a longer one. A proxy before the resolver refuses lines that are too long.
const MAX_USER_AGENT: usize = 512;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::networks::read_networks;

    fn client(connection: &str, forwarded: &[&str]) -> String {
        let rules = ClientInfoRules {
            trusted_proxies: read_networks(
                "trusted_proxies",
                &["10.0.0.0/8", "fd00::/8", "::ffff:172.16.0.0/112"].map(str::to_owned),
            )
            .unwrap(),
            forward_user_agent: true,
            forward_address: true,
        };
        let mut request = Request::new(());
        for field in forwarded {
            let value = HeaderValue::from_bytes(field.as_bytes()).unwrap();
            request.headers_mut().append(FORWARDED_FOR, value);
        }
        let address = SocketAddr::new(connection.parse().unwrap(), 1);
        request.extensions_mut().insert(ConnectInfo(address));
        rules.client(&request).address.unwrap().to_string()
    }

    #[test]
    fn only_a_trusted_proxy_may_name_another_client() {
        let cases: [(&str, &[&str], &str); 28] = [
            ("203.0.113.9", &["198.51.100.7"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            // The client's own text comes before the addresses that the proxies add.
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            (
                "10.0.0.1",
                &["1.1.1.1", "198.51.100.7, 10.0.0.2"],
                "198.51.100.7",
            ),
            ("10.0.0.1", &["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7:443"], "198.51.100.7"),
            ("fd00::1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("10.0.0.1", &["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["1.1.1.1, \u{e9}"], "10.0.0.1"),
            ("fd00::1", &["[2001:db8::7]"], "2001:db8::7"),
            ("fd00::1", &["1.1.1.1,\t 2001:db8::7 \t"], "2001:db8::7"),
            // A malformed address does not count.
            ("10.0.0.1", &["]198.51.100.7["], "10.0.0.1"),
            ("10.0.0.1", &["[198.51.100.7]"], "10.0.0.1"),
            ("10.0.0.1", &["[[2001:db8::7]]"], "10.0.0.1"),
            ("10.0.0.1", &["[2001:db8::7"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.07"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7\u{a0}"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7:+443"], "10.0.0.1"),
            ("10.0.0.1", &["0x7f.1"], "10.0.0.1"),
            ("10.0.0.1", &["1.1.1.1, ::ffff:10.0.0.2"], "1.1.1.1"),
            ("10.0.0.1", &["1.1.1.1, [::ffff:10.0.0.2]:80"], "1.1.1.1"),
            ("::ffff:172.16.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("172.17.0.1", &["198.51.100.7"], "172.17.0.1"),
            ("10.0.0.1", &["1.1.1.1, [10.0.0.2]"], "10.0.0.1"),
            ("10.0.0.1", &["1.1.1.1, ]10.0.0.2["], "10.0.0.1"),
            ("10.0.0.1", &["1.1.1.1, fe80::1%eth0"], "10.0.0.1"),
        ];
        for (connection, forwarded, wanted) in cases {
            assert_eq!(client(connection, forwarded), wanted, "{forwarded:?}");
        }
    }

    #[test]
    fn without_a_connection_there_is_no_address() {
        let rules = ClientInfoRules {
            forward_address: true,
            ..ClientInfoRules::default()
        };
        let request = Request::builder()
            .header(FORWARDED_FOR, "198.51.100.7")
            .body(())
            .unwrap();
        assert_eq!(rules.client(&request).address, None);
    }
}
