//! The cookies of a request (RFC 6265 §4.2.1, §5.4).
//!
//! They are compared as bytes, without any folding: a browser does not protect a name that differs from a
//! `__Host-` name by a Unicode blank.

use http::{HeaderMap, header};
use memchr::memchr;

use crate::error::{AuthErrorKind, ConfigError};

/// The name of a cookie: a token of RFC 9110 §5.6.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CookieName(String);

impl CookieName {
    pub(crate) fn new(option: &'static str, name: String) -> Result<Self, ConfigError> {
        // A header's name has the same characters.
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(ConfigError::invalid(option, name, "is not a cookie's name"));
        }
        Ok(Self(name))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The value of the cookie. Two different values are two credentials, also in different fields: HTTP/2
/// splits cookies into several fields.
pub(super) fn find<'r>(
    headers: &'r HeaderMap,
    name: &CookieName,
) -> Result<Option<&'r [u8]>, AuthErrorKind> {
    let mut found = None;
    for (_, value) in all(headers).filter(|(own, _)| *own == name.as_bytes()) {
        if found.is_some_and(|first| first != value) {
            return Err(AuthErrorKind::MultipleCredentials);
        }
        found = Some(value);
    }
    Ok(found)
}

/// The non-empty cookies of a request: a sign-out leaves an empty one.
pub(super) fn all(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|field| pairs(field.as_bytes()))
        .filter(|(_, value)| !value.is_empty() && *value != b"\"\"")
}

/// Names and values of one field. Quotes are a part of the value, as for a browser (RFC 6265 §5.2). A pair
/// without `=` has no name, and is left out.
pub(crate) fn pairs(field: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    field.split(|byte| *byte == b';').filter_map(|pair| {
        let (name, value) = pair.split_at(memchr(b'=', pair)?);
        Some((bare(name), bare(value.get(1..)?)))
    })
}

/// Removes the spaces and tabs around the text. Other blanks are a part of it.
fn bare(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(fields: &[&[u8]]) -> Result<Option<Vec<u8>>, AuthErrorKind> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header::COOKIE, HeaderValue::from_bytes(field).unwrap());
        }
        let name = CookieName::new("token_cookie", "token".to_owned()).unwrap();
        find(&headers, &name).map(|value| value.map(<[u8]>::to_vec))
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        for field in [
            &b"token=a.b"[..],
            b"x=1; token=a.b; y=2",
            b"x=1;token=a.b",
            b"token=a.b;",
            b"x=\xff\xfe; token=a.b",
            b"x; ; =; token=a.b",
            b" \t token\t =\t a.b \t",
            b"token=; token=a.b; token=\"\"",
        ] {
            assert_eq!(read(&[field]), Ok(Some(b"a.b".to_vec())), "{field:?}");
        }
        for field in [
            &b"Token=a"[..],
            b"xtoken=a",
            b"token",
            b"",
            b"x=token=a",
            b"=token=a",
            b"token=",
            b"token=\"\"",
            b"token= \t",
        ] {
            assert_eq!(read(&[field]), Ok(None), "{field:?}");
        }
    }

    #[test]
    fn a_value_is_all_that_follows_the_first_equals_sign() {
        for value in [
            &b"a=b"[..],
            b"=",
            b"\"a\"",
            b"\"",
            b"a b",
            b"a%20b",
            b"\xff",
            b"\xc2\xa0",
        ] {
            let field = [b"token=", value].concat();
            assert_eq!(read(&[&field]), Ok(Some(value.to_vec())), "{value:?}");
        }
    }

    #[test]
    fn no_byte_but_space_and_tab_is_left_out() {
        for byte in (0..=u8::MAX).filter(|byte| !b" \t;=".contains(byte)) {
            for (field, wanted) in [
                ([byte, b'a', b'=', b'b'], (&[byte, b'a'][..], &b"b"[..])),
                ([b'a', byte, b'=', b'b'], (&[b'a', byte], b"b")),
                ([b'a', b'=', byte, b'b'], (b"a", &[byte, b'b'])),
                ([b'a', b'=', b'b', byte], (b"a", &[b'b', byte])),
            ] {
                let found: Vec<_> = pairs(&field).collect();
                assert_eq!(found, [wanted], "{byte}");
            }
        }
    }

    #[test]
    fn equal_cookies_count_as_one_and_different_ones_are_refused() {
        assert_eq!(read(&[b"token=a; token=a"]), Ok(Some(b"a".to_vec())));
        assert_eq!(read(&[b"token=a", b"token=a"]), Ok(Some(b"a".to_vec())));
        for fields in [
            &[&b"token=a; token=b"[..]][..],
            &[b"token=a", b"token=b"],
            &[b"token=a; token=; token=b"],
            &[b"token=a; token=\"a\""],
            &[b"token=a; token=b\xff"],
        ] {
            assert_eq!(read(fields), Err(AuthErrorKind::MultipleCredentials));
        }
    }

    #[test]
    fn a_name_with_other_characters_is_refused() {
        for name in ["", "a b", "a;b", "a=b", "é", "\u{2000}a", "a\t", "\"a\""] {
            assert!(
                CookieName::new("token_cookie", name.to_owned()).is_err(),
                "{name}"
            );
        }
    }
}
