//! `Authorization: Bearer` (RFC 6750 §2.1).

use base64_simd::URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use memchr::memchr;

use crate::error::AuthErrorKind;

const SCHEME: &[u8] = b"bearer";

/// The bearer token of a request, unchecked: see [`is_b64token`]. Another scheme is no credential here.
pub(super) fn find(headers: &HeaderMap) -> Result<Option<&[u8]>, AuthErrorKind> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    // RFC 9110 §5.3: this field cannot be a list. Another server on the way may have read another one of
    // two fields, so two are refused, also equal ones.
    if fields.next().is_some() {
        return Err(AuthErrorKind::MultipleCredentials);
    }
    let field = field.as_bytes();
    let Some(rest) = after_scheme(field) else {
        return Ok(None);
    };
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let token = rest.get(spaces..).unwrap_or_default();
    if spaces == 0 || token.is_empty() {
        return Err(AuthErrorKind::MalformedAuthorizationHeader);
    }
    Ok(Some(token))
}

/// The rest after the scheme, if the scheme is `Bearer` and not a longer name that begins with it.
fn after_scheme(field: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = field.split_at_checked(SCHEME.len())?;
    let ends = rest.first().is_none_or(|byte| !is_token_char(*byte));
    (ends && scheme.eq_ignore_ascii_case(SCHEME)).then_some(rest)
}

/// `tchar` of RFC 9110 §5.6.2: the characters of a scheme's name.
fn is_token_char(byte: u8) -> bool {
    matches!(
        byte,
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*'
            | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
    )
}

/// `b64token` of RFC 6750 §2.1: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
pub(crate) fn is_b64token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let mut rest = &token[..token.len() - padding];
    if rest.is_empty() {
        return false;
    }
    // Dots separate the three parts of a JWT, and base64url has no dot.
    for _ in 0..2 {
        let Some(dot) = memchr(b'.', rest) else { break };
        let (part, after) = rest.split_at(dot);
        if !is_b64(part) {
            return false;
        }
        rest = after.strip_prefix(b".").unwrap_or(after);
    }
    is_b64(rest)
}

/// Whether all bytes are those of a `b64token`. Most are base64url, which SIMD checks many at a time; in
/// fours, because every four characters of it are valid together.
fn is_b64(part: &[u8]) -> bool {
    let (fours, rest) = part.split_at(part.len() & !3);
    let is_plain = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(true, |good, byte| good & is_b64_char(*byte))
    };
    (URL_SAFE_NO_PAD.check(fours).is_ok() || is_plain(fours)) && is_plain(rest)
}

/// Five comparisons without an early return, so that the compiler can vectorize them: `-./0…9`, `A…Za…z`,
/// `+`, `_` and `~`.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "a lazy operator is a branch for each byte"
)]
fn is_b64_char(byte: u8) -> bool {
    (byte.wrapping_sub(b'-') <= b'9' - b'-')
        | ((byte | 0x20).wrapping_sub(b'a') <= b'z' - b'a')
        | (byte == b'+')
        | (byte == b'_')
        | (byte == b'~')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(fields: &[&[u8]]) -> Result<Option<String>, AuthErrorKind> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(
                header::AUTHORIZATION,
                HeaderValue::from_bytes(field).unwrap(),
            );
        }
        match find(&headers)? {
            Some(token) if !is_b64token(token) => Err(AuthErrorKind::MalformedAuthorizationHeader),
            token => Ok(token.map(|token| String::from_utf8(token.into()).unwrap())),
        }
    }

    #[test]
    fn the_scheme_is_bearer_in_any_case_and_any_number_of_spaces_follow() {
        for field in [&b"Bearer a.b-c_d~e+f/g=="[..], b"bEARER   a.b-c_d~e+f/g=="] {
            assert_eq!(read(&[field]), Ok(Some("a.b-c_d~e+f/g==".to_owned())));
        }
    }

    #[test]
    fn another_scheme_is_no_credential() {
        for field in [
            &b"Basic YTpi"[..],
            b"Bearerx abc",
            b"DPoP abc",
            b"",
            b"\xff\xfe",
        ] {
            assert_eq!(read(&[field]), Ok(None), "{field:?}");
        }
        assert_eq!(read(&[]), Ok(None));
    }

    #[test]
    fn bearer_without_exactly_one_b64token_is_malformed() {
        for field in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer a b",
            b"Bearer a ",
            b"Bearer =",
            b"Bearer a=b",
            b"Bearer\ta",
            b"Bearer a,b",
            b"Bearer,a",
            b"Bearer \"a\"",
            b"Bearer \xc3\xa9",
            b"Bearer  \ta",
        ] {
            assert_eq!(
                read(&[field]),
                Err(AuthErrorKind::MalformedAuthorizationHeader),
                "{field:?}"
            );
        }
    }

    #[test]
    fn exactly_the_characters_of_the_grammar_pass() {
        for byte in 0..=u8::MAX {
            let wanted = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            // At every position, also among the bytes that are checked together.
            for place in 0..80 {
                let mut token = [b'a'; 80];
                token[place] = byte;
                let wanted = wanted || (byte == b'=' && place == 79);
                assert_eq!(is_b64token(&token), wanted, "{byte} at {place}");
            }
        }
    }

    #[test]
    fn two_fields_are_refused_whatever_they_say() {
        for pair in [
            [&b"Bearer a"[..], b"Bearer a"],
            [b"Basic a", b"Bearer a"],
            [b"Basic a", b"Basic b"],
        ] {
            assert_eq!(read(&pair), Err(AuthErrorKind::MultipleCredentials));
        }
    }
}
