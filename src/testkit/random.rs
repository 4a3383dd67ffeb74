//! Identifiers and secrets in the shapes that Authgear gives them.

use std::fmt::Write;
use std::iter::repeat_with;

use aws_lc_rs::digest;

/// A version 4 UUID.
pub(super) fn uuid() -> String {
    let id = fastrand::u128(..);
    let hex = format!("{id:032x}");
    let (head, rest) = hex.split_at(12);
    // RFC 9562 §5.4: the version's digit, then the variant's.
    let variant = ["8", "9", "a", "b"];
    let variant = fastrand::choice(variant).expect("four to choose from");
    format!(
        "{}-{}-4{}-{variant}{}-{}",
        &head[..8],
        &head[8..],
        &rest[..3],
        &rest[3..6],
        &rest[6..18],
    )
}

/// An opaque token: 32 characters `[a-zA-Z0-9]`.
pub(super) fn token() -> String {
    repeat_with(fastrand::alphanumeric).take(32).collect()
}

/// A nonce of 32 upper-case letters and digits.
pub(super) fn nonce() -> String {
    repeat_with(|| fastrand::alphanumeric().to_ascii_uppercase())
        .take(32)
        .collect()
}

/// SHA-256 in hex: what Authgear stores of a token, and the `jti` of the JWT in front of it.
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
        assert_ne!(id, uuid());
        assert_eq!(token().len(), 32);
        assert_eq!(
            hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
