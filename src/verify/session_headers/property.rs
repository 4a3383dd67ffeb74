//! Any answer of the resolver, or of a gateway: it says what its fields say, or it is refused.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::property::cases::cases;
use crate::property::mutation::{any_bytes, recorded};

const ISSUER: &str = "https://auth.example";

/// The fields of an answer, changed one by one and as a list.
fn any_fields() -> impl Strategy<Value = Vec<(HeaderName, Vec<u8>)>> {
    type Fields = Vec<(HeaderName, Vec<u8>)>;
    static ANSWERS: LazyLock<Vec<Fields>> = LazyLock::new(|| {
        let rows = recorded("resolver.json");
        let rows = rows["rows"].as_array().unwrap().iter();
        let answers = rows.map(|row| {
            let headers = row["answer"]["headers"].as_array().unwrap().iter();
            let fields = headers.map(|header| {
                let part = |number: usize| header[number].as_str().unwrap().to_owned();
                (part(0).parse().unwrap(), part(1).into_bytes())
            });
            let ours = |(name, _): &(HeaderName, _)| name.as_str().starts_with("x-authgear-");
            fields.filter(ours).collect()
        });
        answers.collect()
    });
    static VALUES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let values = ANSWERS.iter().flatten().map(|(_, value)| value.clone());
        values
            .chain(["a, b,,c", "1795511054", ""].map(Into::into))
            .collect()
    });
    static NAMES: [HeaderName; 8] = [
        SESSION_VALID,
        USER_ID,
        USER_ANONYMOUS,
        USER_VERIFIED,
        USER_CAN_REAUTHENTICATE,
        USER_ROLES,
        SESSION_AMR,
        SESSION_AUTHENTICATED_AT,
    ];
    let changed = (
        any::<Index>(),
        prop::option::weighted(0.8, any_bytes(&VALUES)),
    );
    let added = (prop::sample::select(&NAMES[..]), any_bytes(&VALUES));
    (
        any::<Index>(),
        prop::collection::vec(changed, 0..3),
        prop::collection::vec(added, 0..2),
        prop::collection::vec(any::<Index>(), 0..2),
        prop_oneof![20 => Just(1), 1 => 1..3_000_usize],
    )
        .prop_map(|(answer, changed, added, again, times)| {
            let mut fields = answer.get(&ANSWERS).clone();
            for (place, value) in changed {
                if !fields.is_empty() {
                    let place = place.index(fields.len());
                    match value {
                        Some(value) => fields[place].1 = value.repeat(times),
                        None => drop(fields.remove(place)),
                    }
                }
            }
            fields.extend(added);
            for place in again {
                if !fields.is_empty() && times == 1 {
                    fields.push(place.get(&fields).clone());
                }
            }
            fields
        })
}

/// The only value of a field; an error if there are more, or if it is no plain text.
fn only<'f>(fields: &'f [(HeaderName, Vec<u8>)], name: &HeaderName) -> Result<Option<&'f str>, ()> {
    let mut values = fields.iter().filter(|field| field.0 == name);
    let value = values
        .next()
        .map(|field| str::from_utf8(&field.1).map_err(drop))
        .transpose()?;
    let is_plain = value.is_none_or(|value| {
        let at_the_ends = value.chars().next().into_iter().chain(value.chars().last());
        !value.chars().any(char::is_control) && !at_the_ends.into_iter().any(char::is_whitespace)
    });
    if values.next().is_some() || !is_plain {
        Err(())
    } else {
        Ok(value)
    }
}

fn only_flag(fields: &[(HeaderName, Vec<u8>)], name: &HeaderName) -> Result<Option<bool>, ()> {
    only(fields, name)?
        .map(|text| text.parse().map_err(drop))
        .transpose()
}

/// Whose session it is, and what is said of the user. Nothing for no session.
type Expected = Option<(String, [bool; 3], Vec<String>, Vec<String>, Option<f64>)>;

fn expected(fields: &[(HeaderName, Vec<u8>)]) -> Result<Expected, ()> {
    let is_valid = only_flag(fields, &SESSION_VALID)?;
    let id = only(fields, &USER_ID)?;
    let flags = [
        !only_flag(fields, &USER_ANONYMOUS)?.unwrap_or(true),
        only_flag(fields, &USER_VERIFIED)?.unwrap_or_default(),
        only_flag(fields, &USER_CAN_REAUTHENTICATE)?.unwrap_or_default(),
    ];
    let [roles, amr] = [USER_ROLES, SESSION_AMR].map(|name| only(fields, &name));
    let (roles, amr) = (roles?.unwrap_or_default(), amr?.unwrap_or_default());
    let at = only(fields, &SESSION_AUTHENTICATED_AT)?;
    let at = at.map(|at| {
        let digits = at.chars().all(|char| char.is_ascii_digit());
        if digits && (1..=15).contains(&at.len()) {
            at.parse().map_err(drop)
        } else {
            Err(())
        }
    });
    let at = at.transpose()?;
    if id == Some("") {
        return Err(());
    }
    let Some(id) = id.filter(|_| is_valid == Some(true)) else {
        return Ok(None);
    };
    if [id, roles, amr].concat().len() > MAX_TEXT {
        return Err(());
    }
    let list = |text: &str| {
        let members = text
            .split(',')
            .map(|member| member.trim_matches([' ', '\t']).to_owned());
        members.filter(|member| !member.is_empty()).collect()
    };
    Ok(Some((
        id.to_owned(),
        flags,
        list(roles),
        list(&amr.replace(' ', ",")),
        at,
    )))
}

proptest! {
    #![proptest_config(cases(256, 100_000))]

    #[test]
    fn property_any_answer_is_read_field_by_field_or_refused(fields in any_fields()) {
        let mut headers = HeaderMap::new();
        let mut carried = Vec::new();
        for (name, value) in fields {
            // What HTTP itself does not carry cannot come.
            if let Ok(field) = HeaderValue::from_bytes(&value) {
                headers.append(name.clone(), field);
                carried.push((name, value));
            }
        }
        let found = match read(&headers, ISSUER) {
            Err(Malformed) => Err(()),
            Ok(SessionHeaders::Valid(user)) => {
                prop_assert_eq!(user.issuer(), ISSUER);
                let shown = format!("{user:?}");
                let is_shown = user.subject().len() > 12 && shown.contains(user.subject());
                prop_assert!(!is_shown, "{}", shown);
                let texts = |list: &mut dyn Iterator<Item = &str>| list.map(str::to_owned).collect();
                Ok(Some((
                    user.subject().to_owned(),
                    [user.is_identified, user.is_verified, user.can_reauthenticate],
                    texts(&mut user.roles()),
                    texts(&mut user.amr()),
                    user.auth_time.map(|time| time.0),
                )))
            }
            Ok(SessionHeaders::Absent) => {
                prop_assert!(!names_session(&headers));
                Ok(None)
            }
            Ok(SessionHeaders::Invalid | SessionHeaders::Nameless) => Ok(None),
        };
        prop_assert_eq!(found, expected(&carried));
    }
}
