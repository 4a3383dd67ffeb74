//! The address of the server, and the credentials for it.

use ::redis::RedisConnectionInfo;
use url::{Host, Url};

use super::RedisConfig;
use super::tls::Tls;
use crate::error::ConfigError;

pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<Tls>,
    pub(super) info: RedisConnectionInfo,
}

impl Address {
    pub(super) fn new(redis: &RedisConfig) -> Result<Self, ConfigError> {
        // An error never shows the URL, because it can contain a password.
        let invalid = |reason| ConfigError::invalid("redis", "", reason);
        let url = Url::parse(redis.url.expose()).map_err(|_| invalid("is not a URL"))?;
        let is_tls = match url.scheme() {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err(invalid("must be a URL of redis:// or rediss://")),
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("must be a URL without query and fragment"));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => decode(name),
            Some(Host::Ipv4(address)) => Some(address.to_string()),
            Some(Host::Ipv6(address)) => Some(address.to_string()),
            _ => None,
        };
        let host = host.ok_or_else(|| invalid("must be a URL with a host"))?;
        let tls = if is_tls {
            Some(Tls::new(&host, &redis.root_certificates)?)
        } else {
            None
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(DEFAULT_PORT),
            tls,
            info: info(redis, &url).ok_or_else(|| {
                invalid("has a database that is no number, or a name that is not UTF-8")
            })?,
        })
    }
}

fn info(redis: &RedisConfig, url: &Url) -> Option<RedisConnectionInfo> {
    let database = match url.path() {
        "" | "/" => 0,
        path => path.strip_prefix('/')?.parse::<u16>().ok()?,
    };
    let mut info = RedisConnectionInfo::default()
        .set_db(i64::from(database))
        .set_skip_set_lib_name();
    let username = match &redis.username {
        Some(name) => name.clone(),
        None => decode(url.username())?,
    };
    if !username.is_empty() {
        info = info.set_username(username);
    }
    let password = match (&redis.password, url.password()) {
        (Some(password), _) => Some(password.expose().to_owned()),
        (None, Some(password)) => Some(decode(password)?),
        (None, None) => None,
    };
    if let Some(password) = password {
        info = info.set_password(password);
    }
    Some(info)
}

/// Decodes a part of a URL (RFC 3986 §2.1).
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

const DEFAULT_PORT: u16 = 6379;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(redis: &RedisConfig) -> (String, u16, bool, i64, Option<String>, Option<String>) {
        let address = Address::new(redis).unwrap();
        (
            address.host,
            address.port,
            address.tls.is_some(),
            address.info.db(),
            address.info.username().map(str::to_owned),
            address.info.password().map(str::to_owned),
        )
    }

    #[test]
    fn urls_say_where_and_who() {
        let text = |text: &str| Some(text.to_owned());
        for (url, expected) in [
            (
                "redis://localhost",
                ("localhost".to_owned(), 6379, false, 0, None, None),
            ),
            (
                "redis://shop:p%40ss+%25@10.0.0.1:7000/3",
                (
                    "10.0.0.1".to_owned(),
                    7000,
                    false,
                    3,
                    text("shop"),
                    text("p@ss+%"),
                ),
            ),
            (
                "valkey://:pass@[::1]/",
                ("::1".to_owned(), 6379, false, 0, None, text("pass")),
            ),
        ] {
            assert_eq!(read(&RedisConfig::new(url)), expected, "{url}");
        }
        let named = RedisConfig::new("redis://a:b@localhost")
            .username("c")
            .password("d");
        let (.., username, password) = read(&named);
        assert_eq!((username, password), (text("c"), text("d")));
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_naming_it() {
        for url in [
            "",
            "localhost:6379",
            "http://canary@localhost",
            "redis://",
            "redis:///0",
            "redis://:canary@localhost/zero",
            "redis://:canary@localhost/0/1",
            "redis://:canary@localhost/-1",
            "redis://:canary%ff@localhost",
            "redis://:canary%4@localhost",
            "redis://:canary@localhost?db=1",
        ] {
            let Err(error) = Address::new(&RedisConfig::new(url)) else {
                panic!("{url} is taken");
            };
            assert_eq!(error.option(), Some("redis"), "{url}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        assert!(!format!("{:?}", RedisConfig::new("redis://:canary@localhost")).contains("canary"));
    }

    #[test]
    fn tls_needs_certificates_that_can_be_read() {
        for pem in [
            "",
            "no certificate",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let redis = RedisConfig::new("rediss://localhost").root_certificates(pem);
            assert!(Address::new(&redis).is_err(), "{pem}");
        }
    }
}
