//! `X-Authgear-*`: the headers about a session, from Authgear's resolver or from a gateway that called it.
//!
//! Pure functions of headers. A malformed or repeated header makes the whole answer invalid, because servers
//! differ in which of two fields they use.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::user::{Identity, NumericDate, TextReader};

/// The content of the headers.
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart as soon as it is there"
)]
pub(crate) enum SessionHeaders {
    /// There are no headers about a session.
    Absent,
    /// There is no session: `X-Authgear-Session-Valid: false`.
    Invalid,
    /// A valid session of this user.
    Valid(Identity),
    /// A valid session of a user without an id.
    Nameless,
}

/// A header that is repeated or malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Parses the session of an answer or of a request. `issuer` is the issuer of the user.
///
/// If a header that the resolver always sends is missing, the result fails closed: anonymous, not verified.
///
/// # Errors
/// Any of the headers is repeated or malformed, even if another one already decides.
pub(super) fn read(headers: &HeaderMap, issuer: &str) -> Result<SessionHeaders, Malformed> {
    let valid = flag(headers, &SESSION_VALID)?;
    let user_id = text(headers, &USER_ID)?;
    let is_anonymous = flag(headers, &USER_ANONYMOUS)?;
    let is_verified = flag(headers, &USER_VERIFIED)?;
    let can_reauthenticate = flag(headers, &USER_CAN_REAUTHENTICATE)?;
    let roles = text(headers, &USER_ROLES)?.unwrap_or_default();
    let amr = text(headers, &SESSION_AMR)?.unwrap_or_default();
    let auth_time = text(headers, &SESSION_AUTHENTICATED_AT)?
        .map(seconds)
        .transpose()?;
    if user_id.is_some_and(str::is_empty) {
        return Err(Malformed);
    }
    match valid {
        None => return Ok(SessionHeaders::Absent),
        Some(false) => return Ok(SessionHeaders::Invalid),
        Some(true) => {}
    }
    let Some(user_id) = user_id else {
        return Ok(SessionHeaders::Nameless);
    };
    if user_id.len() + roles.len() + amr.len() > MAX_TEXT {
        return Err(Malformed);
    }
    // All texts in one allocation, with spans into it.
    let text = [user_id, issuer, roles, amr].concat();
    let mut reader = TextReader::new(&text);
    let (subject, rest) = text.split_at(user_id.len());
    let (issuer, rest) = rest.split_at(issuer.len());
    let (roles, amr) = rest.split_at(roles.len());
    let mut identity = Identity {
        subject: reader.span(subject),
        issuer: reader.span(issuer),
        is_identified: !is_anonymous.unwrap_or(true),
        is_verified: is_verified.unwrap_or(false),
        can_reauthenticate: can_reauthenticate.unwrap_or(false),
        auth_time,
        ..Identity::default()
    };
    let mark = reader.mark();
    for role in members(roles, |char| char == ',') {
        reader.push(role);
    }
    identity.roles = reader.list_since(mark);
    let mark = reader.mark();
    // Authgear's code joins them with spaces, its specification with commas.
    for method in members(amr, |char| matches!(char, ' ' | ',')) {
        reader.push(method);
    }
    identity.amr = reader.list_since(mark);
    identity.text = reader.finish(text);
    Ok(SessionHeaders::Valid(identity))
}

/// The issuer that a gateway names. The resolver never names one.
///
/// # Errors
/// The issuer is named twice, or malformed.
pub(super) fn issuer(headers: &HeaderMap) -> Result<Option<&str>, Malformed> {
    text(headers, &ISSUER)
}

/// Whether there is any header about a session.
pub(super) fn names_session(headers: &HeaderMap) -> bool {
    headers.contains_key(SESSION_VALID)
}

fn members(list: &str, is_separator: fn(char) -> bool) -> impl Iterator<Item = &str> {
    list.split(is_separator)
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Malformed> {
    let mut fields = headers.get_all(name).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(Malformed);
    }
    readable(field).map(Some)
}

/// UTF-8 without control characters, and without blanks at its ends.
fn readable(field: &HeaderValue) -> Result<&str, Malformed> {
    let text = str::from_utf8(field.as_bytes()).map_err(|_| Malformed)?;
    if text.chars().any(char::is_control) || text.trim() != text {
        return Err(Malformed);
    }
    Ok(text)
}

fn flag(headers: &HeaderMap, name: &HeaderName) -> Result<Option<bool>, Malformed> {
    text(headers, name)?
        .map(|value| match value {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Malformed),
        })
        .transpose()
}

/// Whole seconds since the Unix epoch, digits only.
fn seconds(text: &str) -> Result<NumericDate, Malformed> {
    // 15 digits are exact as a floating-point number, and cover about 30 million years.
    if text.is_empty() || text.len() > 15 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed);
    }
    text.parse().map(NumericDate).map_err(|_| Malformed)
}

/// The maximum length of the id, the roles and the methods together. A role's key has at most 40 characters.
pub(super) const MAX_TEXT: usize = 16 * 1024;

pub(crate) const SESSION_VALID: HeaderName = HeaderName::from_static("x-authgear-session-valid");
pub(crate) const SESSION_AMR: HeaderName = HeaderName::from_static("x-authgear-session-amr");
pub(crate) const SESSION_AUTHENTICATED_AT: HeaderName =
    HeaderName::from_static("x-authgear-session-authenticated-at");
pub(crate) const ISSUER: HeaderName = HeaderName::from_static("x-authgear-issuer");
pub(crate) const USER_ID: HeaderName = HeaderName::from_static("x-authgear-user-id");
pub(crate) const USER_ANONYMOUS: HeaderName = HeaderName::from_static("x-authgear-user-anonymous");
pub(crate) const USER_VERIFIED: HeaderName = HeaderName::from_static("x-authgear-user-verified");
pub(crate) const USER_CAN_REAUTHENTICATE: HeaderName =
    HeaderName::from_static("x-authgear-user-can-reauthenticate");
pub(crate) const USER_ROLES: HeaderName = HeaderName::from_static("x-authgear-user-roles");

#[cfg(test)]
mod property;

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://auth.example";

    fn read_all(fields: &[(&'static str, &[u8])]) -> Result<SessionHeaders, Malformed> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        read(&headers, ISSUER)
    }

    fn good<'v>() -> Vec<(&'static str, &'v [u8])> {
        vec![
            ("x-authgear-session-valid", b"true"),
            ("x-authgear-user-id", b"alice"),
        ]
    }

    #[test]
    fn every_field_is_read() {
        let mut fields = good();
        fields.extend_from_slice(&[
            ("x-authgear-user-anonymous", &b"false"[..]),
            ("x-authgear-user-verified", b"true"),
            ("x-authgear-user-can-reauthenticate", b"true"),
            ("x-authgear-user-roles", b"editor, billing:admin,,x"),
            ("x-authgear-session-amr", b"pwd mfa,otp"),
            ("x-authgear-session-authenticated-at", b"1795511054"),
            ("x-authgear-of-tomorrow", b"a"),
            ("x-authgear-of-tomorrow", b"b"),
        ]);
        let Ok(SessionHeaders::Valid(user)) = read_all(&fields) else {
            panic!("a session");
        };
        assert_eq!((user.subject(), user.issuer()), ("alice", ISSUER));
        assert_eq!(
            user.roles().collect::<Vec<_>>(),
            ["editor", "billing:admin", "x"]
        );
        assert_eq!(user.amr().collect::<Vec<_>>(), ["pwd", "mfa", "otp"]);
        assert!(user.is_identified && user.is_verified && user.can_reauthenticate);
        assert_eq!(user.auth_time.unwrap().unix_seconds(), 1_795_511_054);
        assert_eq!(user.client_id(), None);
    }

    #[test]
    fn nothing_but_a_space_or_a_tab_is_around_a_member() {
        let mut fields = good();
        fields.extend_from_slice(&[
            (
                "x-authgear-user-roles",
                "a,\u{a0}admin , ,\u{3000}b".as_bytes(),
            ),
            ("x-authgear-session-amr", "pwd\u{2000}mfa otp".as_bytes()),
        ]);
        let Ok(SessionHeaders::Valid(user)) = read_all(&fields) else {
            panic!("a session");
        };
        assert_eq!(
            user.roles().collect::<Vec<_>>(),
            ["a", "\u{a0}admin", "\u{3000}b"]
        );
        assert_eq!(user.amr().collect::<Vec<_>>(), ["pwd\u{2000}mfa", "otp"]);
        // Another server can have removed the blanks around the whole value.
        for value in ["\u{a0}true", "true\u{2000}", "TRUE", "true;", "\"true\""] {
            for name in ["x-authgear-session-valid", "x-authgear-user-verified"] {
                let mut fields = vec![("x-authgear-user-id", &b"alice"[..])];
                fields.push((name, value.as_bytes()));
                assert!(read_all(&fields).is_err(), "{name}: {value}");
            }
        }
    }

    #[test]
    fn what_is_missing_fails_closed() {
        let Ok(SessionHeaders::Valid(user)) = read_all(&good()) else {
            panic!("a session");
        };
        assert!(!user.is_identified && !user.is_verified && !user.can_reauthenticate);
        assert_eq!((user.roles().len(), user.amr().len()), (0, 0));
        assert_eq!(user.auth_time, None);
        assert!(matches!(
            read_all(&good()[..1]),
            Ok(SessionHeaders::Nameless)
        ));
        assert!(matches!(read_all(&good()[1..]), Ok(SessionHeaders::Absent)));
        assert!(matches!(read_all(&[]), Ok(SessionHeaders::Absent)));
        let invalid = [("x-authgear-session-valid", &b"false"[..])];
        assert!(matches!(read_all(&invalid), Ok(SessionHeaders::Invalid)));
    }

    #[test]
    fn one_repeated_or_malformed_field_spoils_the_answer() {
        for (name, values) in [
            ("x-authgear-session-valid", &[&b"true"[..], b"false"][..]),
            ("x-authgear-user-id", &[b"alice", b"bob"]),
            ("x-authgear-user-anonymous", &[b"maybe", b"", b"True", b"1"]),
            ("x-authgear-user-verified", &[b"yes", b"true,true"]),
            ("x-authgear-user-can-reauthenticate", &[b"t"]),
            (
                "x-authgear-session-authenticated-at",
                &[
                    b"",
                    b"-1",
                    b"+1",
                    b"1.5",
                    b"1e3",
                    b"yesterday",
                    b"1234567890123456",
                ],
            ),
            ("x-authgear-user-roles", &[b"\xff\xfe"]),
            ("x-authgear-session-amr", &[b"a\tb"]),
        ] {
            for value in values {
                let mut fields = good();
                fields.push((name, value));
                assert!(read_all(&fields).is_err(), "{name}: {value:?}");
                // A malformed header is not hidden behind "no session" either.
                let fields = [("x-authgear-session-valid", &b"false"[..]), (name, value)];
                let alone = matches!(name, "x-authgear-user-id");
                assert_eq!(read_all(&fields).is_err(), !alone, "{name}: {value:?}");
            }
            let mut fields = good();
            let same: &[u8] = if name.ends_with("-at") { b"1" } else { b"true" };
            fields.extend_from_slice(&[(name, same), (name, same)]);
            assert!(read_all(&fields).is_err(), "{name} twice");
        }
        for id in [&b""[..], b" ", b"a\tb", b"\xff", &vec![b'a'; MAX_TEXT + 1]] {
            let fields = [
                ("x-authgear-session-valid", &b"true"[..]),
                ("x-authgear-user-id", id),
            ];
            assert!(read_all(&fields).is_err());
        }
    }
}
