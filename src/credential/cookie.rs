//! A token in a cookie (RFC 6265 §5.4).

use std::borrow::Cow;

use cookie::Cookie;
use http::{HeaderMap, header};

use crate::error::{AuthErrorKind, ConfigError};

/// The name of a cookie: a token of RFC 9110 §5.6.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CookieName(String);

impl CookieName {
    pub(crate) fn new(option: &'static str, name: String) -> Result<Self, ConfigError> {
        // A header's name is made of the same characters.
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(ConfigError::invalid(option, name, "is not a cookie's name"));
        }
        Ok(Self(name))
    }
}

/// The value of the cookie. Two different values are two credentials, wherever they stand; HTTP/2
/// spreads cookies over several fields.
pub(super) fn find<'r>(
    headers: &'r HeaderMap,
    name: &CookieName,
) -> Result<Option<Cow<'r, str>>, AuthErrorKind> {
    let mut found: Option<Cow<'r, str>> = None;
    for field in headers.get_all(header::COOKIE) {
        for value in values(field.as_bytes(), name) {
            match &found {
                Some(first) if *first != value => {
                    return Err(AuthErrorKind::MultipleCredentials);
                }
                Some(_) => {}
                None => found = Some(value),
            }
        }
    }
    Ok(found)
}

/// All values of the cookie in one field. What other cookies hold, in whatever bytes, is no matter.
fn values<'r>(field: &'r [u8], name: &CookieName) -> impl Iterator<Item = Cow<'r, str>> {
    let text = String::from_utf8_lossy(field);
    let cookies: Vec<Cow<'r, str>> = match text {
        Cow::Borrowed(text) => Cookie::split_parse(text)
            .filter_map(Result::ok)
            .filter(|cookie| cookie.name() == name.0)
            .filter_map(|cookie| cookie.value_raw().map(Cow::Borrowed))
            .collect(),
        Cow::Owned(text) => Cookie::split_parse(text.as_str())
            .filter_map(Result::ok)
            .filter(|cookie| cookie.name() == name.0)
            .map(|cookie| Cow::Owned(cookie.value().to_owned()))
            .collect(),
    };
    cookies.into_iter()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(fields: &[&[u8]]) -> Result<Option<String>, AuthErrorKind> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header::COOKIE, HeaderValue::from_bytes(field).unwrap());
        }
        let name = CookieName::new("token_cookie", "token".to_owned()).unwrap();
        find(&headers, &name).map(|value| value.map(Cow::into_owned))
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
        ] {
            assert_eq!(read(&[field]), Ok(Some("a.b".to_owned())), "{field:?}");
        }
        for field in [&b"Token=a"[..], b"xtoken=a", b"token", b"", b"x=token=a"] {
            assert_eq!(read(&[field]), Ok(None), "{field:?}");
        }
    }

    #[test]
    fn equal_cookies_count_as_one_and_different_ones_are_refused() {
        assert_eq!(read(&[b"token=a; token=a"]), Ok(Some("a".to_owned())));
        assert_eq!(read(&[b"token=a", b"token=a"]), Ok(Some("a".to_owned())));
        for fields in [
            &[&b"token=a; token=b"[..]][..],
            &[b"token=a", b"token=b"],
            &[b"token=a; token="],
            &[b"token=a; token=b\xff"],
        ] {
            assert_eq!(read(fields), Err(AuthErrorKind::MultipleCredentials));
        }
    }

    #[test]
    fn a_name_with_other_characters_is_refused() {
        for name in ["", "a b", "a;b", "a=b", "é"] {
            assert!(
                CookieName::new("token_cookie", name.to_owned()).is_err(),
                "{name}"
            );
        }
    }
}
