//! The messages of other libraries' errors, without addresses.

use std::error::Error;
use std::fmt;

/// The message of another library's error, and its causes. Its own `Debug` would show the address, and TLS
/// errors quote the names in a certificate.
pub(crate) struct RedactedError {
    message: String,
    source: Option<Box<RedactedError>>,
}

impl RedactedError {
    /// `host` is the target's host, whose name may have no dot.
    pub(super) fn new(error: &(dyn Error + 'static), host: &str) -> Self {
        Self {
            message: without_addresses(&error.to_string(), host),
            source: error
                .source()
                .map(|source| Box::new(Self::new(source, host))),
        }
    }

    /// Whether the server's certificate was refused, for any reason.
    pub(super) fn is_about_certificate(&self) -> bool {
        let mut causes = std::iter::successors(Some(self), |error| error.source.as_deref());
        // reqwest does not expose the type of rustls' error.
        causes.any(|cause| cause.message.contains("invalid peer certificate"))
    }
}

/// The message, with `…` instead of each quoted text, the host, and each word with a dot or a colon inside
/// (other host names, addresses, URLs).
fn without_addresses(message: &str, host: &str) -> String {
    let mut redacted = String::with_capacity(message.len());
    for (index, part) in message.split('"').enumerate() {
        if index % 2 == 1 {
            redacted.push('…');
            continue;
        }
        for piece in part.split_inclusive([' ', '(', ')', ',', ';']) {
            let word = piece.trim_end_matches([' ', '(', ')', ',', ';']);
            let core = word.trim_end_matches(['.', ':']);
            if core.contains(['.', ':']) || (!core.is_empty() && core == host) {
                redacted.push('…');
                redacted.push_str(&piece[core.len()..]);
            } else {
                redacted.push_str(piece);
            }
        }
    }
    redacted
}

/// The message with its causes: a `main` that returns an error prints its `Debug`.
impl fmt::Debug for RedactedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chain = self.message.clone();
        let mut source = self.source.as_deref();
        while let Some(cause) = source {
            chain.push_str(": ");
            chain.push_str(&cause.message);
            source = cause.source.as_deref();
        }
        fmt::Debug::fmt(&chain, f)
    }
}

impl fmt::Display for RedactedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for RedactedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_their_reason_and_lose_their_addresses() {
        for (message, redacted) in [
            ("client error (Connect)", "client error (Connect)"),
            (
                "Connection refused (os error 111)",
                "Connection refused (os error 111)",
            ),
            (
                "failed to lookup address information: Name or service not known",
                "failed to lookup address information: Name or service not known",
            ),
            (
                "invalid peer certificate: certificate not valid for name \"auth.example\"; \
                 certificate is only valid for DnsName(\"inside\") or IpAddress(10.0.0.1)",
                "invalid peer certificate: certificate not valid for name …; \
                 certificate is only valid for DnsName(…) or IpAddress(…)",
            ),
            ("error from 10.0.0.1:443: refused", "error from …: refused"),
            ("[::1]:3000, http://a.example/x?y.", "…, …."),
            ("an open \"quote", "an open …"),
            ("no route to authgear: (authgear)", "no route to …: (…)"),
            ("authgears", "authgears"),
            ("", ""),
        ] {
            let error = RedactedError::new(&std::io::Error::other(message), "authgear");
            assert_eq!(error.to_string(), redacted);
        }
    }

    #[test]
    fn debug_shows_the_chain_in_one_line() {
        let inner = RedactedError {
            message: "refused".to_owned(),
            source: None,
        };
        let outer = RedactedError {
            message: "connect".to_owned(),
            source: Some(Box::new(inner)),
        };
        assert_eq!(
            format!("{outer:?} {outer:#?}"),
            "\"connect: refused\" \"connect: refused\""
        );
    }
}
