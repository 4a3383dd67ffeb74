//! The content coding of a body (RFC 9110 §8.4): documents are requested and read without one.

use std::fmt;

use http::{HeaderMap, header};

/// A content coding other than `identity`. The name of an unknown coding is not shown in errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentCoding {
    Brotli,
    Compress,
    Deflate,
    Gzip,
    Zstd,
    Other,
}

impl ContentCoding {
    /// The first coding in these headers, in any case, among several or in one of several fields.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(header::CONTENT_ENCODING)
            .iter()
            .flat_map(|field| field.as_bytes().split(|byte| *byte == b','))
            .find_map(Self::named)
    }

    /// `None` for `identity`, and for empty list members (RFC 9110 §5.6.1).
    fn named(member: &[u8]) -> Option<Self> {
        let name = member.trim_ascii();
        if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
            return None;
        }
        let known = NAMES
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        Some(known.map_or(Self::Other, |(_, coding)| *coding))
    }
}

/// The names of RFC 9110 §8.4.1, RFC 7932 and RFC 8878.
const NAMES: [(&str, ContentCoding); 7] = [
    ("br", ContentCoding::Brotli),
    ("compress", ContentCoding::Compress),
    ("deflate", ContentCoding::Deflate),
    ("gzip", ContentCoding::Gzip),
    ("x-compress", ContentCoding::Compress),
    ("x-gzip", ContentCoding::Gzip),
    ("zstd", ContentCoding::Zstd),
];

impl fmt::Display for ContentCoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, coding)| coding == self);
        f.write_str(name.map_or("another", |(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_first_coding_but_identity_counts() {
        for (fields, wanted) in [
            (&[][..], None),
            (&[&b""[..]], None),
            (&[b"IDENTITY, ,\t,identity "], None),
            (&[b"GZip"], Some("gzip")),
            (&[b"x-compress"], Some("compress")),
            (&[b"identity", b"identity,deflate, br"], Some("deflate")),
            (&[b"aes128gcm"], Some("another")),
            (&[b"gzip;q=1"], Some("another")),
            (&[b"iden tity"], Some("another")),
            (&[b"\xe2\x80\x80identity"], Some("another")),
            (&[b"\xff"], Some("another")),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                let value = HeaderValue::from_bytes(field).unwrap();
                headers.append(header::CONTENT_ENCODING, value);
            }
            let coding = ContentCoding::of(&headers).map(|coding| coding.to_string());
            assert_eq!(coding.as_deref(), wanted, "{fields:?}");
        }
    }
}
