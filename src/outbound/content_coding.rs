//! The content coding of a body (RFC 9110 §8.4): documents are requested and read without one.

use http::{HeaderMap, header};

/// The first coding other than `identity` in these headers, in any case, among several or in one of several
/// fields. Empty list members do not count (RFC 9110 §5.6.1). The name of an unknown coding is not shown in
/// errors.
pub(super) fn content_coding(headers: &HeaderMap) -> Option<&'static str> {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .find(|name| !name.is_empty() && !name.eq_ignore_ascii_case(b"identity"))
        .map(|name| {
            let mut known = CODINGS.iter();
            known
                .find(|(own, _)| name.eq_ignore_ascii_case(own.as_bytes()))
                .map_or("another", |(_, shown)| shown)
        })
}

/// The names of RFC 9110 §8.4.1, RFC 7932 and RFC 8878, and how they are shown.
const CODINGS: [(&str, &str); 7] = [
    ("br", "br"),
    ("compress", "compress"),
    ("deflate", "deflate"),
    ("gzip", "gzip"),
    ("x-compress", "compress"),
    ("x-gzip", "gzip"),
    ("zstd", "zstd"),
];

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
            let coding = content_coding(&headers);
            assert_eq!(coding, wanted, "{fields:?}");
        }
    }
}
