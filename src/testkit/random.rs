//! Identifiers and secrets in the formats of Authgear.

use std::fmt::Write;
use std::iter::repeat_with;

use aws_lc_rs::digest;

/// A version 4 UUID.
pub(super) fn uuid() -> String {
    // RFC 9562 §5.4: the version's digit, then the variant's two bits.
    let id = fastrand::u128(..) & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let hex = format!("{id:032x}");
    let group = |from, to| hex.get(from..to).expect("32 digits");
    [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)]
        .map(|(from, to)| group(from, to))
        .join("-")
}

/// An opaque token: 32 characters `[a-zA-Z0-9]`.
pub(super) fn token() -> String {
    repeat_with(fastrand::alphanumeric).take(32).collect()
}

/// SHA-256 in hex: what Authgear stores for a token. It is the `jti` of the JWT that carries the token.
pub(super) fn hash(token: &str) -> String {
    hex(digest::digest(&digest::SHA256, token.as_bytes()).as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let id = uuid();
        let lengths: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(&id[14..15], "4");
        assert!(["8", "9", "a", "b"].contains(&&id[19..20]));
        assert_ne!(id, uuid());
        assert_eq!(token().len(), 32);
        assert_eq!(
            hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
