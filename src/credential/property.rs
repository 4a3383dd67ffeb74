//! Any header fields: the credential is the one of the grammar, or the fault is.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use proptest::prelude::*;

use super::{CookieName, Credential, CredentialKind, CredentialSource, SessionCookies, Sources};
use crate::error::AuthErrorKind;
use crate::property::cases::cases;
use crate::property::mutation::{any_bytes, recorded};

/// The bytes of a credential, and where it came from.
type Found = Result<Option<(CredentialKind, Vec<u8>)>, AuthErrorKind>;

fn any_field() -> impl Strategy<Value = (HeaderName, Vec<u8>)> {
    static AUTHORIZATIONS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let token = token();
        let fields = [
            format!("Bearer {token}"),
            format!("bEARER   {token}"),
            "Bearer abc-._~+/==".to_owned(),
            "Bearer".to_owned(),
            "Basic YTpi".to_owned(),
            "DPoP a.b.c".to_owned(),
            "Bearer undefined".to_owned(),
        ];
        fields.map(String::into_bytes).into()
    });
    static COOKIES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let token = token();
        let fields = [
            format!("a=b; access_token={token}; c=d"),
            format!("access_token={token}"),
            "access_token=one; access_token=two".to_owned(),
            "access_token=; access_token=\"\"".to_owned(),
            "session=s.1; app_session=a.2; app_access_token=t".to_owned(),
            "__Host-session=x; session=y".to_owned(),
        ];
        fields.map(String::into_bytes).into()
    });
    prop_oneof![
        any_bytes(&AUTHORIZATIONS).prop_map(|field| (header::AUTHORIZATION, field)),
        any_bytes(&COOKIES).prop_map(|field| (header::COOKIE, field)),
    ]
}

fn token() -> String {
    let token = &recorded("tokens.json")["tokens"][0]["token"];
    token.as_str().expect("a token").to_owned()
}

/// RFC 6750 §2.1 and RFC 6265 §5.2, read with regard to nothing but the text.
fn expected(fields: &[(HeaderName, Vec<u8>)]) -> Found {
    let of = |name: HeaderName| fields.iter().filter(move |field| field.0 == name);
    let mut authorizations = of(header::AUTHORIZATION).map(|(_, value)| value);
    if let Some(field) = authorizations.next() {
        if authorizations.next().is_some() {
            return Err(AuthErrorKind::MultipleCredentials);
        }
        let separators = b"\"(),/:;<=>?@[\\]{}";
        let is_name = |byte: &u8| byte.is_ascii_graphic() && !separators.contains(byte);
        let scheme: Vec<u8> = field.iter().copied().take_while(is_name).collect();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            let rest = &field[scheme.len()..];
            let token = rest.iter().position(|byte| *byte != b' ');
            return match token {
                Some(spaces) if spaces > 0 => {
                    Ok(Some((CredentialKind::Bearer, rest[spaces..].to_vec())))
                }
                _ => Err(AuthErrorKind::MalformedAuthorizationHeader),
            };
        }
    }
    let mut cookies = Vec::new();
    for (_, field) in of(header::COOKIE) {
        for pair in field.split(|byte| *byte == b';') {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            if let (Some(name), Some(value)) = (parts.next(), parts.next()) {
                cookies.push((trimmed(name), trimmed(value)));
            }
        }
    }
    cookies.retain(|(_, value)| !value.is_empty() && *value != b"\"\"");
    let value_of = |name: &str| {
        let values = cookies.iter().filter(|(own, _)| *own == name.as_bytes());
        let values: BTreeSet<_> = values.map(|(_, value)| *value).collect();
        match values.len() {
            0 | 1 => Ok(values.into_iter().next()),
            _ => Err(AuthErrorKind::MultipleCredentials),
        }
    };
    if let Some(token) = value_of("access_token")? {
        return Ok(Some((CredentialKind::TokenCookie, token.to_vec())));
    }
    let names = ["app_session", "app_access_token", "session"];
    for name in names {
        value_of(name)?;
    }
    let mut seen = BTreeSet::new();
    cookies
        .retain(|(name, _)| names.iter().any(|own| own.as_bytes() == *name) && seen.insert(*name));
    let pairs: Vec<_> = cookies
        .iter()
        .map(|(name, value)| [name, &b"="[..], value].concat())
        .collect();
    let field = pairs.join(&b"; "[..]);
    Ok((!field.is_empty()).then_some((CredentialKind::SessionCookies, field)))
}

fn trimmed(text: &[u8]) -> &[u8] {
    let blanks = b" \t";
    let from = text
        .iter()
        .position(|byte| !blanks.contains(byte))
        .unwrap_or(text.len());
    let to = text
        .iter()
        .rposition(|byte| !blanks.contains(byte))
        .map_or(from, |last| last + 1);
    &text[from..to]
}

/// RFC 6750 §2.1: `b64token`.
fn is_b64token(token: &[u8]) -> bool {
    let text = String::from_utf8_lossy(token);
    let start = text.trim_end_matches('=');
    let is_good = |char: char| char.is_ascii_alphanumeric() || "-._~+/".contains(char);
    !start.is_empty() && start.chars().all(is_good)
}

proptest! {
    #![proptest_config(cases(256, 100_000))]

    #[test]
    fn property_any_header_has_the_credential_of_the_grammar(
        fields in prop::collection::vec(any_field(), 1..4),
    ) {
        static SOURCES: LazyLock<Sources> = LazyLock::new(|| Sources {
            others: vec![
                CredentialSource::Cookie(
                    CookieName::new("token_cookie", "access_token".to_owned()).unwrap(),
                ),
                CredentialSource::SessionCookies(SessionCookies::new("").unwrap()),
            ],
        });
        let mut headers = HeaderMap::new();
        let mut carried = Vec::new();
        for (name, value) in fields {
            // What HTTP itself does not carry cannot come.
            if let Ok(field) = HeaderValue::from_bytes(&value) {
                headers.append(name.clone(), field);
                carried.push((name, value));
            }
        }
        let found = SOURCES.find(&headers);
        let plain = found.as_ref().map_err(|kind| *kind).map(|found| {
            found.as_ref().map(|credential| (credential.kind, credential.bytes().to_vec()))
        });
        prop_assert_eq!(&plain, &expected(&carried));
        let Ok(Some(credential)) = found else { return Ok(()) };
        prop_assert!(!credential.bytes().is_empty());
        assert_hides(&credential)?;
        let text = credential.text();
        if credential.kind == CredentialKind::Bearer {
            let is_text = text.is_ok() || text == Err(AuthErrorKind::PlaceholderToken);
            prop_assert_eq!(is_text, is_b64token(credential.bytes()));
            prop_assert_eq!(super::has_bearer(&headers), is_text);
        }
        if let Ok(text) = text {
            prop_assert_eq!(text.as_bytes(), credential.bytes());
        }
    }
}

fn assert_hides(credential: &Credential<'_>) -> Result<(), TestCaseError> {
    let shown = format!("{credential:?}");
    let text = String::from_utf8_lossy(credential.bytes());
    let end = text
        .get(text.len().saturating_sub(12)..)
        .unwrap_or_default();
    prop_assert!(end.len() < 12 || !shown.contains(end), "{}", shown);
    Ok(())
}
