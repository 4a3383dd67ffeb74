//! The signature of a webhook delivery.

use aws_lc_rs::hmac;

use crate::error::ConfigError;

/// The secrets that may sign deliveries.
pub(crate) struct WebhookSecrets(Vec<hmac::Key>);

impl WebhookSecrets {
    pub(crate) fn new(
        option: &'static str,
        secrets: impl IntoIterator<Item: AsRef<str>>,
    ) -> Result<Self, ConfigError> {
        let invalid = |reason| Err(ConfigError::invalid(option, "", reason));
        let mut keys = Vec::new();
        for secret in secrets {
            // The secret is used as text, as Authgear does.
            let secret = secret.as_ref().as_bytes();
            if secret.is_empty() {
                return invalid("has an empty secret: anyone could sign");
            }
            keys.push(hmac::Key::new(hmac::HMAC_SHA256, secret));
        }
        if keys.is_empty() {
            return invalid("names no secret: every delivery would be refused");
        }
        Ok(Self(keys))
    }

    /// Whether one of the secrets made this signature of the body. It takes the same time for each secret,
    /// and for each difference of the signature.
    pub(crate) fn signed(&self, body: &[u8], signature: &Signature) -> bool {
        self.0.iter().fold(false, |good, key| {
            good | hmac::verify(key, body, &signature.0).is_ok()
        })
    }
}

impl std::fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

/// The unchecked signature of a delivery: an HMAC-SHA256.
pub(crate) struct Signature([u8; 32]);

impl Signature {
    /// 64 lower-case hexadecimal digits, as Authgear writes them.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digits
                .iter()
                .try_fold(0, |value, digit| Some(value << 4 | hex(*digit)?))?;
        }
        Some(Self(bytes))
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_64_lower_case_digits() {
        let good = "0123456789abcdef".repeat(4);
        let signature = Signature::parse(good.as_bytes()).unwrap();
        assert_eq!(signature.0[..4], [0x01, 0x23, 0x45, 0x67]);
        for bad in [
            String::new(),
            good[1..].to_owned(),
            format!("{good}0"),
            good.to_uppercase(),
            good.replace('0', "g"),
            good.replace('0', "+"),
            format!("{} ", &good[1..]),
            format!("sha256={}", &good[7..]),
        ] {
            assert!(Signature::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_needed_and_never_shown() {
        for secrets in [vec![], vec![""], vec!["good", ""]] {
            let error = WebhookSecrets::new("webhooks", secrets).unwrap_err();
            assert_eq!(error.option(), Some("webhooks"));
            assert!(!error.to_string().contains("good"));
        }
        let secrets = WebhookSecrets::new("webhooks", ["canary"]).unwrap();
        assert_eq!(format!("{secrets:?}"), "<redacted>");
    }

    #[test]
    fn either_secret_will_do() {
        // RFC 4231 §4.3.
        let signature = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let signature = Signature::parse(signature.as_bytes()).unwrap();
        let body = b"what do ya want for nothing?";
        let signed = |secrets: &[&str]| {
            WebhookSecrets::new("webhooks", secrets)
                .unwrap()
                .signed(body, &signature)
        };
        assert!(signed(&["Jefe"]) && signed(&["new", "Jefe"]) && signed(&["Jefe", "new"]));
        assert!(!signed(&["new"]) && !signed(&["jefe", "Jefe "]));
    }
}
