//! `OpenID` Connect Discovery 1.0: the address of the keys, and a check of the issuer.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

/// The address of the keys in the discovery document of `issuer`.
///
/// The document must name exactly this issuer (`OpenID` Connect Discovery 1.0 §4.3), and the address must
/// have the issuer's origin: otherwise an attacker who can change the document chooses the keys.
pub(crate) fn jwks_uri(document: &Bytes, issuer: &str) -> Result<Url, DiscoveryError> {
    // It must be an object: a derived deserializer would also accept an array.
    let members: Map<String, Value> =
        serde_json::from_slice(document).map_err(|_| DiscoveryError::Malformed)?;
    let metadata =
        Metadata::deserialize(Value::Object(members)).map_err(|_| DiscoveryError::Malformed)?;
    if metadata.issuer != issuer {
        return Err(DiscoveryError::wrong_issuer(issuer, &metadata.issuer));
    }
    let uri = Url::parse(&metadata.jwks_uri).map_err(|_| DiscoveryError::Malformed)?;
    let own = Url::parse(issuer).map_err(|_| DiscoveryError::Malformed)?;
    if uri.origin() != own.origin() {
        return Err(DiscoveryError::ForeignKeys);
    }
    Ok(uri)
}

/// The discovery document of an issuer.
pub(crate) fn document_url(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    url.set_path("/.well-known/openid-configuration");
    url
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// Why a discovery document was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    #[error("the discovery document is malformed")]
    Malformed,
    /// Both are made safe to show, because the found issuer comes from outside.
    #[error(
        "the discovery document is of another issuer: the endpoint is \"{endpoint}\", the issuer \
         \"{issuer}\" (write the endpoint exactly as the issuer, if that is your project)"
    )]
    WrongIssuer { endpoint: String, issuer: String },
    #[error(
        "the discovery document names keys of another origin (if that is right, name their address \
         with `jwks_uri`)"
    )]
    ForeignKeys,
}

impl DiscoveryError {
    fn wrong_issuer(endpoint: &str, issuer: &str) -> Self {
        Self::WrongIssuer {
            endpoint: shown(endpoint),
            issuer: shown(issuer),
        }
    }
}

/// As printable ASCII, and bounded.
fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(MAX_SHOWN)
        .flat_map(char::escape_default)
        .collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

const MAX_SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::property::cases::cases;
    use crate::property::mutation::{any_json, recorded};

    fn read(document: &str) -> Result<Url, DiscoveryError> {
        jwks_uri(
            &Bytes::copy_from_slice(document.as_bytes()),
            "https://auth.example",
        )
    }

    #[test]
    fn the_issuer_and_the_origin_of_the_keys_must_match() {
        let good = r#"{"issuer":"https://auth.example","jwks_uri":"https://auth.example/oauth2/jwks","x":[1]}"#;
        assert_eq!(read(good).unwrap().path(), "/oauth2/jwks");
        for (document, wanted) in [
            (
                r#"{"issuer":"https://auth.example/","jwks_uri":"https://auth.example/k"}"#,
                "issuer",
            ),
            (
                r#"{"issuer":"https://AUTH.example","jwks_uri":"https://auth.example/k"}"#,
                "issuer",
            ),
            (
                r#"{"issuer":"https://auth.example","jwks_uri":"https://evil.example/k"}"#,
                "origin",
            ),
            (
                r#"{"issuer":"https://auth.example","jwks_uri":"http://auth.example/k"}"#,
                "origin",
            ),
            (
                r#"{"issuer":"https://auth.example","jwks_uri":"https://auth.example:8443/k"}"#,
                "origin",
            ),
            (
                r#"["https://auth.example","https://auth.example/k"]"#,
                "malformed",
            ),
            (
                r#"{"issuer":"https://auth.example","jwks_uri":"/k"}"#,
                "malformed",
            ),
            (
                r#"{"issuer":["https://auth.example"],"jwks_uri":"https://auth.example/k"}"#,
                "malformed",
            ),
            (r#"{"issuer":"https://auth.example"}"#, "malformed"),
            ("", "malformed"),
        ] {
            let error = read(document).unwrap_err().to_string();
            assert!(error.contains(wanted), "{document}: {error}");
        }
    }

    #[test]
    fn another_issuer_is_shown_beside_the_endpoint_bounded_and_escaped() {
        let document = |issuer: &str| {
            serde_json::json!({ "issuer": issuer, "jwks_uri": "https://auth.example/k" })
                .to_string()
        };
        let error = read(&document("https://AUTH.example"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("\"https://auth.example\""), "{error}");
        assert!(error.contains("\"https://AUTH.example\""), "{error}");
        for hostile in ["a\nb\u{1b}[2J\u{202e}\"é".to_owned(), "x".repeat(100_000)] {
            let error = read(&document(&hostile)).unwrap_err().to_string();
            assert!(error.len() < 500, "{error}");
            let is_plain = |char: char| matches!(char, ' '..='~');
            assert!(error.chars().all(is_plain), "{error}");
        }
    }

    const ISSUER: &str = "https://auth.shop.example";

    fn any_document() -> impl Strategy<Value = Vec<u8>> {
        static DOCUMENTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
            let exchanges = recorded("http.json");
            let mut exchanges = exchanges["exchanges"].as_array().unwrap().iter();
            let exchange = exchanges.find(|exchange| exchange["name"] == "discovery");
            let body = exchange.unwrap()["answer"]["body"].as_str().unwrap();
            let few = json!({ "issuer": ISSUER, "jwks_uri": format!("{ISSUER}/oauth2/jwks") });
            let foreign = json!({ "issuer": ISSUER, "jwks_uri": "https://evil.example/k" });
            vec![serde_json::from_str(body).unwrap(), few, foreign]
        });
        let with_uri = prop_oneof![
            any::<String>(),
            "https?:(//|/|\\\\)?(auth\\.shop\\.example|evil\\.example|[a-z@:\\[\\]%#?.]{0,12})[@:/?#a-z0-9.\\\\]{0,20}",
        ]
        .prop_map(|uri| json!({ "issuer": ISSUER, "jwks_uri": uri }).to_string().into_bytes());
        prop_oneof![3 => any_json(&DOCUMENTS), 1 => with_uri]
    }

    /// The scheme, and who is asked, of an address without a user: as a client of HTTP reads it.
    fn origin(uri: &Url) -> Option<(String, String, u16)> {
        let uri: http::Uri = uri.as_str().parse().ok()?;
        let scheme = uri.scheme_str()?.to_owned();
        let port = if scheme == "https" { 443 } else { 80 };
        Some((
            scheme,
            uri.host()?.to_owned(),
            uri.port_u16().unwrap_or(port),
        ))
    }

    proptest! {
        #![proptest_config(cases(256, 100_000))]

        #[test]
        fn property_any_document_leads_to_the_own_origin_or_is_refused(document in any_document()) {
            let read = jwks_uri(&Bytes::copy_from_slice(&document), ISSUER);
            let text: Value = serde_json::from_slice(&document).unwrap_or_default();
            let member = |name: &str| text.get(name).and_then(Value::as_str);
            match read {
                Ok(uri) => {
                    let own = ("https".to_owned(), "auth.shop.example".to_owned(), 443);
                    prop_assert_eq!(origin(&uri), Some(own), "{}", uri);
                    prop_assert_eq!(member("issuer"), Some(ISSUER));
                }
                Err(error) => {
                    match error {
                        DiscoveryError::WrongIssuer { .. } => {
                            prop_assert!(member("issuer").is_some_and(|issuer| issuer != ISSUER));
                        }
                        DiscoveryError::ForeignKeys => {
                            let uri = member("jwks_uri").unwrap_or_default();
                            prop_assert!(!uri.starts_with("https://auth.shop.example/"));
                        }
                        DiscoveryError::Malformed => {
                            let uri = member("jwks_uri").unwrap_or_default();
                            let is_good = member("issuer") == Some(ISSUER)
                                && uri == format!("{ISSUER}/oauth2/jwks");
                            prop_assert!(!is_good);
                        }
                    }
                    let shown = error.to_string();
                    prop_assert!(shown.len() < 1_200 && shown.is_ascii(), "{}", shown);
                    prop_assert!(!shown.contains(char::is_control), "{:?}", shown);
                }
            }
        }
    }
}
