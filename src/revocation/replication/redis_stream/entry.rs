//! Records as entries of a stream: named fields.
//!
//! Other programs or versions can write to the stream. A malformed entry is skipped, and affects no other
//! entry. The types of all parts are checked: text, numbers and pairs.

use std::collections::HashSet;

use ::redis::Value;

use super::super::log::{Entry, LogPosition};
use crate::revocation::record::{Event, MAX_NAME, Record};

/// The id of the entry at this position.
pub(super) fn id(position: LogPosition) -> String {
    format!("{}-{}", position.millis, position.number)
}

/// The fields of a record.
pub(super) fn write(record: &Record, mut field: impl FnMut(&'static str, &str)) {
    match record {
        Record::User {
            user,
            revoked_before,
        } => {
            field(USER, user);
            field(REVOKED_BEFORE, &revoked_before.to_string());
        }
        Record::Event { user, event } => {
            field(USER, user);
            field(SEQ, &event.seq.to_string());
            field(AT, &event.at.to_string());
            field(ENDS, if event.ends { "1" } else { "0" });
            if let Some(window) = event.window {
                field(WINDOW, &window.to_string());
            }
        }
        Record::Token { token, until } => {
            field(TOKEN, token);
            field(UNTIL, &until.to_string());
        }
        Record::Client {
            client,
            revoked_before,
        } => {
            field(CLIENT, client);
            field(REVOKED_BEFORE, &revoked_before.to_string());
        }
        Record::All { issued_before } => field(ISSUED_BEFORE, &issued_before.to_string()),
    }
}

/// The entries of this stream in a response to `XREAD`, and their approximate size in bytes.
///
/// `None` if the response is malformed, or if no entry is after `after`: the next read would return the same
/// entries forever.
pub(super) fn page(answer: &Value, key: &str, after: LogPosition) -> Option<(Vec<Entry>, usize)> {
    let streams = match answer {
        Value::Nil => return Some((Vec::new(), 0)),
        Value::Array(streams) => streams,
        _ => return None,
    };
    let [Value::Array(stream)] = streams.as_slice() else {
        return streams.is_empty().then(|| (Vec::new(), 0));
    };
    let [name, Value::Array(values)] = stream.as_slice() else {
        return None;
    };
    if bytes(name)? != key.as_bytes() {
        return None;
    }
    let mut last = after;
    let entries = values.iter().map(|value| {
        let position = position(value).filter(|position| *position > last);
        last = position.unwrap_or(last);
        Entry {
            position: last,
            record: position.and_then(|_| record(value)),
        }
    });
    let entries: Vec<_> = entries.collect();
    (entries.is_empty() || last > after).then(|| (entries, size(answer)))
}

/// The keys of the streams with entries in a response to `XREAD`.
pub(super) fn keys(answer: &Value) -> Option<HashSet<Vec<u8>>> {
    let streams = match answer {
        Value::Nil => return Some(HashSet::new()),
        Value::Array(streams) => streams,
        _ => return None,
    };
    let key = |stream: &Value| match stream {
        Value::Array(stream) => bytes(stream.first()?).map(<[u8]>::to_vec),
        _ => None,
    };
    streams.iter().map(key).collect()
}

/// Whether a response to `XRANGE` has the entry at this position.
pub(super) fn has(answer: &Value, expected: LogPosition) -> Option<bool> {
    match answer {
        Value::Array(entries) => Some(
            entries
                .iter()
                .any(|entry| position(entry) == Some(expected)),
        ),
        _ => None,
    }
}

fn position(entry: &Value) -> Option<LogPosition> {
    let Value::Array(parts) = entry else {
        return None;
    };
    let (millis, number) = text(parts.first()?)?.split_once('-')?;
    Some(LogPosition {
        millis: digits(millis)?,
        number: digits(number)?,
    })
}

/// Parses the record of an entry. Unknown fields are ignored.
fn record(entry: &Value) -> Option<Record> {
    let Value::Array(parts) = entry else {
        return None;
    };
    let [_, Value::Array(fields)] = parts.as_slice() else {
        return None;
    };
    if fields.len() > 2 * MAX_FIELDS || fields.iter().map(size).sum::<usize>() > MAX_SIZE {
        return None;
    }
    let fields = Fields::new(fields)?;
    if let Some(token) = fields.token {
        let (token, until) = (name(token)?, number(fields.until?)?);
        return Some(Record::Token { token, until });
    }
    if let Some(client) = fields.client {
        let (client, revoked_before) = (name(client)?, number(fields.revoked_before?)?);
        return Some(Record::Client {
            client,
            revoked_before,
        });
    }
    if let Some(issued_before) = fields.issued_before {
        let issued_before = number(issued_before)?;
        return Some(Record::All { issued_before });
    }
    let user = name(fields.user?)?;
    if let Some(revoked_before) = fields.revoked_before {
        let revoked_before = number(revoked_before)?;
        return Some(Record::User {
            user,
            revoked_before,
        });
    }
    let event = Event {
        seq: number(fields.seq?)?,
        at: number(fields.at?)?,
        ends: match number(fields.ends?)? {
            0 => false,
            1 => true,
            _ => return None,
        },
        window: match fields.window {
            None => None,
            Some(window) => Some(number(window)?),
        },
    };
    Some(Record::Event { user, event })
}

/// The unparsed values of the known fields.
#[derive(Default)]
struct Fields<'v> {
    user: Option<&'v [u8]>,
    revoked_before: Option<&'v [u8]>,
    seq: Option<&'v [u8]>,
    at: Option<&'v [u8]>,
    ends: Option<&'v [u8]>,
    window: Option<&'v [u8]>,
    token: Option<&'v [u8]>,
    until: Option<&'v [u8]>,
    client: Option<&'v [u8]>,
    issued_before: Option<&'v [u8]>,
}

impl<'v> Fields<'v> {
    /// Names and values alternate, and each known name occurs once.
    fn new(values: &'v [Value]) -> Option<Self> {
        let mut fields = Self::default();
        for pair in values.chunks(2) {
            let [name, value] = pair else { return None };
            let (name, value) = (bytes(name)?, bytes(value)?);
            let field = match std::str::from_utf8(name) {
                Ok(USER) => &mut fields.user,
                Ok(REVOKED_BEFORE) => &mut fields.revoked_before,
                Ok(SEQ) => &mut fields.seq,
                Ok(AT) => &mut fields.at,
                Ok(ENDS) => &mut fields.ends,
                Ok(WINDOW) => &mut fields.window,
                Ok(TOKEN) => &mut fields.token,
                Ok(UNTIL) => &mut fields.until,
                Ok(CLIENT) => &mut fields.client,
                Ok(ISSUED_BEFORE) => &mut fields.issued_before,
                _ => continue,
            };
            if field.replace(value).is_some() {
                return None;
            }
        }
        Some(fields)
    }
}

fn name(bytes: &[u8]) -> Option<Box<str>> {
    let is_good = (1..=MAX_NAME).contains(&bytes.len());
    let text = std::str::from_utf8(bytes).ok().filter(|_| is_good)?;
    Some(text.into())
}

fn number(bytes: &[u8]) -> Option<u64> {
    digits(std::str::from_utf8(bytes).ok()?)
}

/// A number in the format of this crate: digits only.
fn digits(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn text(value: &Value) -> Option<&str> {
    std::str::from_utf8(bytes(value)?).ok()
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

/// The approximate memory of this. The library limits the nesting of responses.
fn size(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Array(values) => values.iter().map(size).sum(),
            Value::BulkString(bytes) => bytes.len(),
            Value::SimpleString(text) => text.len(),
            _ => 0,
        }
}

/// Far more than a record has, because a later version can add fields.
const MAX_FIELDS: usize = 32;
const MAX_SIZE: usize = 64 * 1024;

const USER: &str = "user";
const REVOKED_BEFORE: &str = "moment";
const SEQ: &str = "seq";
const AT: &str = "at";
const ENDS: &str = "ends";
const WINDOW: &str = "window";
const TOKEN: &str = "token";
const UNTIL: &str = "until";
const CLIENT: &str = "client";
const ISSUED_BEFORE: &str = "issued_before";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::property::cases::cases;
    use crate::property::mutation::any_bytes;

    const KEY: &str = "key";

    fn bulk(text: impl AsRef<[u8]>) -> Value {
        Value::BulkString(text.as_ref().to_vec())
    }

    fn entry(id: &str, fields: Vec<Value>) -> Value {
        Value::Array(vec![bulk(id), Value::Array(fields)])
    }

    fn entry_of(fields: &[(&str, &str)]) -> Value {
        let fields = fields.iter().flat_map(|(n, v)| [bulk(n), bulk(v)]);
        entry("5-7", fields.collect())
    }

    fn answer(entries: Vec<Value>) -> Value {
        let stream = vec![bulk(KEY), Value::Array(entries)];
        Value::Array(vec![Value::Array(stream)])
    }

    fn read_back(record: &Record) -> Option<Record> {
        let mut fields = Vec::new();
        write(record, |name, value| {
            fields.extend([bulk(name), bulk(value)]);
        });
        let answer = answer(vec![entry("5-7", fields)]);
        let (mut entries, _) = page(&answer, KEY, LogPosition::START).unwrap();
        let entry = entries.pop().unwrap();
        assert_eq!((entry.position.millis, entry.position.number), (5, 7));
        entry.record
    }

    fn any_record() -> impl Strategy<Value = Record> {
        let event = (
            any::<u64>(),
            any::<u64>(),
            any::<bool>(),
            any::<Option<u64>>(),
        )
            .prop_map(|(seq, at, ends, window)| Event {
                seq,
                at,
                ends,
                window,
            });
        prop_oneof![
            (".+", any::<u64>()).prop_map(|(user, revoked_before)| Record::User {
                user: user.into(),
                revoked_before
            }),
            (".+", event).prop_map(|(user, event)| Record::Event {
                user: user.into(),
                event
            }),
            (".+", any::<u64>()).prop_map(|(token, until)| Record::Token {
                token: token.into(),
                until
            }),
            (".+", any::<u64>()).prop_map(|(client, revoked_before)| Record::Client {
                client: client.into(),
                revoked_before
            }),
            any::<u64>().prop_map(|issued_before| Record::All { issued_before }),
        ]
    }

    #[test]
    fn property_a_record_is_read_as_it_was_written() {
        proptest!(cases(256, 20_000), |(record in any_record())| {
            prop_assert_eq!(read_back(&record), Some(record));
        });
    }

    fn any_value() -> impl Strategy<Value = Value> {
        const NAMES: &[&str] = &[
            "user",
            "moment",
            "seq",
            "at",
            "ends",
            "window",
            "token",
            "until",
            "client",
            "issued_before",
            "1",
        ];
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<i64>().prop_map(Value::Int),
            ".*".prop_map(Value::SimpleString),
            any::<Vec<u8>>().prop_map(Value::BulkString),
            prop::sample::select(NAMES).prop_map(bulk),
            (any::<u64>(), any::<u64>()).prop_map(|(m, n)| bulk(format!("{m}-{n}"))),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|values| answer(values.into_iter().collect())),
                prop::collection::vec((inner.clone(), inner), 0..4).prop_map(Value::Map),
            ]
        })
    }

    /// For every response of a server or a proxy: reading advances, or it is an error.
    #[test]
    fn property_any_response_leads_on_or_is_refused() {
        let value = prop_oneof![
            any_value(),
            prop::collection::vec(any_value(), 0..6).prop_map(answer)
        ];
        proptest!(cases(256, 20_000), |(value in value, millis in 0..5u64)| {
            let after = LogPosition { millis, number: 3 };
            let _ = has(&value, after);
            if let Some((entries, _)) = page(&value, KEY, after) {
                let places: Vec<_> = entries.iter().map(|entry| entry.position).collect();
                prop_assert!(places.is_sorted());
                prop_assert!(places.last().is_none_or(|last| *last > after));
            }
        });
    }

    /// The fields of records, changed in their bytes and in their number.
    fn any_fields() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
        static NAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
            let names = [
                USER,
                REVOKED_BEFORE,
                SEQ,
                AT,
                ENDS,
                WINDOW,
                TOKEN,
                UNTIL,
                CLIENT,
                ISSUED_BEFORE,
            ];
            names.map(|name| name.as_bytes().to_vec()).into()
        });
        static VALUES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
            let values = [
                "0",
                "1",
                "1795511449",
                "18446744073709551615",
                "someone",
                "007",
            ];
            values.map(|value| value.as_bytes().to_vec()).into()
        });
        let records: [&[usize]; 6] = [
            &[0, 1],
            &[0, 2, 3, 4],
            &[0, 2, 3, 4, 5],
            &[6, 7],
            &[8, 1],
            &[9],
        ];
        let name = prop_oneof![
            4 => any::<prop::sample::Index>().prop_map(|name| name.get(&NAMES).clone()),
            1 => any_bytes(&NAMES),
        ];
        let value = prop_oneof![
            4 => any::<prop::sample::Index>().prop_map(|value| value.get(&VALUES).clone()),
            2 => any_bytes(&VALUES),
            1 => (MAX_NAME - 2..MAX_NAME + 3).prop_map(|length| vec![b'u'; length]),
        ];
        let more = prop_oneof![
            8 => prop::collection::vec((name.clone(), value.clone()), 0..2),
            1 => prop::collection::vec((name, value.clone()), 28..36),
        ];
        let values = prop::collection::vec(value, 5);
        let again = prop::option::weighted(0.2, any::<prop::sample::Index>());
        let records = prop::sample::select(records.to_vec());
        (records, values, more, again).prop_map(|(names, values, more, again)| {
            let fields = names.iter().map(|name| NAMES[*name].clone()).zip(values);
            let mut fields: Vec<_> = fields.chain(more).collect();
            fields.extend(again.map(|place| place.get(&fields).clone()));
            fields
        })
    }

    /// The record of fields with these names and values, without regard to their order.
    fn expected(fields: &[(Vec<u8>, Vec<u8>)]) -> Option<Record> {
        let length: usize = fields
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let known = fields.iter().filter(|(name, _)| {
            let names = "user moment seq at ends window token until client issued_before";
            names.split(' ').any(|own| own.as_bytes() == name)
        });
        let (count, unique): (usize, BTreeMap<_, _>) = (
            known.clone().count(),
            known.map(|(name, value)| (&**name, &**value)).collect(),
        );
        let too_large =
            fields.len() > 32 || length + fields.len() * 2 * size_of::<Value>() > 65_536;
        if too_large || unique.len() < count {
            return None;
        }
        let text = |name: &str| str::from_utf8(unique.get(name.as_bytes())?).ok();
        let has = |name: &str| unique.contains_key(name.as_bytes());
        let name = |name: &str| {
            text(name)
                .filter(|id| !id.is_empty() && id.len() <= MAX_NAME)
                .map(Into::into)
        };
        let number = |name: &str| {
            let digits = text(name)?;
            let is_number = !digits.is_empty() && digits.chars().all(|char| char.is_ascii_digit());
            let significant = digits.trim_start_matches('0');
            let value = if significant.is_empty() {
                0
            } else {
                significant.parse::<u128>().ok()?
            };
            u64::try_from(value).ok().filter(|_| is_number)
        };
        if has("token") {
            return Some(Record::Token {
                token: name("token")?,
                until: number("until")?,
            });
        }
        if has("client") {
            let (client, revoked_before) = (name("client")?, number("moment")?);
            return Some(Record::Client {
                client,
                revoked_before,
            });
        }
        if has("issued_before") {
            return Some(Record::All {
                issued_before: number("issued_before")?,
            });
        }
        let user = name("user")?;
        if has("moment") {
            return Some(Record::User {
                user,
                revoked_before: number("moment")?,
            });
        }
        let window = if has("window") {
            Some(number("window")?)
        } else {
            None
        };
        let ends = match number("ends")? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let (seq, at) = (number("seq")?, number("at")?);
        Some(Record::Event {
            user,
            event: Event {
                seq,
                at,
                ends,
                window,
            },
        })
    }

    #[test]
    fn property_any_entry_is_the_record_of_its_fields_or_none() {
        proptest!(cases(256, 100_000), |(fields in any_fields())| {
            let values = fields.iter().flat_map(|(name, value)| [bulk(name), bulk(value)]);
            let foreign = entry("5-7", values.collect());
            let found = record(&foreign);
            prop_assert_eq!(&found, &expected(&fields));
            // The entries around it are read, whatever it is.
            let good = |id| entry(id, vec![bulk(CLIENT), bulk("c"), bulk(REVOKED_BEFORE), bulk("5")]);
            let around = answer(vec![good("5-6"), foreign, good("5-8")]);
            let (entries, _) = page(&around, KEY, LogPosition::START).unwrap();
            prop_assert!(entries[0].record.is_some() && entries[2].record.is_some());
            if let Some(record) = found {
                prop_assert_eq!(read_back(&record), Some(record));
            }
        });
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        let long = "u".repeat(MAX_NAME + 1);
        for fields in [
            &[][..],
            &[("user", "u")],
            &[("user", "u"), ("moment", "-1")],
            &[("user", "u"), ("moment", "+1")],
            &[("user", "u"), ("moment", "")],
            &[("user", "u"), ("moment", "18446744073709551616")],
            &[("user", ""), ("moment", "5")],
            &[("user", &long), ("moment", "5")],
            &[("user", "u"), ("user", "v"), ("moment", "5")],
            &[("user", "u"), ("moment", "5"), ("moment", "5")],
            &[("user", "u"), ("seq", "1"), ("at", "1")],
            &[("user", "u"), ("seq", "1"), ("at", "1"), ("ends", "2")],
            &[
                ("user", "u"),
                ("seq", "1"),
                ("at", "1"),
                ("ends", "1"),
                ("window", "x"),
            ],
            &[("token", "t")],
            &[("token", "t"), ("until", "x")],
            &[("client", "c")],
            &[("client", ""), ("moment", "5")],
            &[("client", &long), ("moment", "5")],
            &[("client", "c"), ("moment", "-5")],
            &[("client", "c"), ("issued_before", "5")],
            &[("client", "c"), ("client", "d"), ("moment", "5")],
            &[("issued_before", "")],
            &[("issued_before", "5"), ("issued_before", "5")],
            &[("something", "else")],
        ] {
            assert!(record(&entry_of(fields)).is_none(), "{fields:?}");
        }
        let longest = "u".repeat(MAX_NAME);
        for fields in [
            &[("user", "u"), ("moment", "5"), ("later", "x")][..],
            &[("user", &longest), ("moment", "18446744073709551615")],
        ] {
            assert!(record(&entry_of(fields)).is_some());
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn what_is_foreign_costs_that_entry_alone() {
        let good = || vec![bulk("user"), bulk("u"), bulk("moment"), bulk("5")];
        let with = |mut more: Vec<Value>| {
            more.extend(good());
            more
        };
        let foreign = [
            (
                "binary name",
                entry("5-1", with(vec![bulk(b"\xff\xfe"), bulk("v")])),
                true,
            ),
            (
                "binary value",
                entry("5-1", with(vec![bulk("n"), bulk(b"\xff")])),
                true,
            ),
            (
                "binary user",
                entry(
                    "5-1",
                    vec![bulk("user"), bulk(b"\xff"), bulk("moment"), bulk("5")],
                ),
                false,
            ),
            (
                "binary number",
                entry(
                    "5-1",
                    vec![bulk("user"), bulk("u"), bulk("moment"), bulk(b"\xff")],
                ),
                false,
            ),
            (
                "odd number of fields",
                entry("5-1", with(vec![bulk("n")])),
                false,
            ),
            (
                "a number",
                entry("5-1", with(vec![bulk("n"), Value::Int(5)])),
                false,
            ),
            (
                "nested",
                entry("5-1", with(vec![bulk("n"), Value::Array(vec![])])),
                false,
            ),
            (
                "nothing for fields",
                Value::Array(vec![bulk("5-1"), Value::Nil]),
                false,
            ),
            ("no fields", Value::Array(vec![bulk("5-1")]), false),
            (
                "a third part",
                Value::Array(vec![bulk("5-1"), Value::Array(good()), Value::Nil]),
                false,
            ),
            (
                "too many fields",
                entry("5-1", with(vec![bulk("n"); 2 * MAX_FIELDS])),
                false,
            ),
            (
                "too large",
                entry("5-1", with(vec![bulk("n"), bulk(vec![0; MAX_SIZE])])),
                false,
            ),
            ("nothing", Value::Nil, false),
            ("a text", bulk("5-1"), false),
            ("an id of another form", entry("5", good()), false),
            ("an id with a sign", entry("5-+1", good()), false),
            (
                "a binary id",
                Value::Array(vec![bulk(b"\xff-1"), Value::Array(good())]),
                false,
            ),
            (
                "an id too large",
                entry("18446744073709551616-0", good()),
                false,
            ),
            ("an id of before", entry("4-9", good()), false),
            ("the same id again", entry("4-10", good()), false),
        ];
        let position = |millis, number| LogPosition { millis, number };
        for (what, foreign, is_good) in foreign {
            let first = || entry("4-10", good());
            let last = || entry("6-0", good());
            let around = answer(vec![first(), foreign.clone(), last()]);
            let (entries, _) = page(&around, KEY, LogPosition::START).expect(what);
            let found: Vec<_> = entries.iter().map(|e| e.record.is_some()).collect();
            assert_eq!(found, [true, is_good, true], "{what}");
            assert_eq!(entries[2].position, position(6, 0), "{what}");

            // As the last entry, it sets the position, if it has one.
            let at_the_end = answer(vec![first(), foreign.clone()]);
            let (entries, _) = page(&at_the_end, KEY, LogPosition::START).expect(what);
            assert!(entries[1].position >= position(4, 10), "{what}");

            // As the only entry, it advances the position, or the response is malformed.
            let alone = page(&answer(vec![foreign]), KEY, position(4, 10));
            assert!(
                alone.is_none_or(|(entries, _)| entries[0].position == position(5, 1)),
                "{what}"
            );
        }
        let largest = answer(vec![entry(
            "18446744073709551615-18446744073709551615",
            good(),
        )]);
        let (entries, _) = page(&largest, KEY, LogPosition::START).unwrap();
        assert_eq!(entries[0].position, position(u64::MAX, u64::MAX));
    }

    #[test]
    fn an_entry_may_have_just_so_many_fields_and_bytes() {
        let with = |more: Vec<Value>| {
            let mut fields = vec![bulk("user"), bulk("u"), bulk("moment"), bulk("5")];
            fields.extend(more);
            record(&entry("5-7", fields)).is_some()
        };
        assert!(with(vec![bulk("n"); 2 * MAX_FIELDS - 4]));
        assert!(!with(vec![bulk("n"); 2 * MAX_FIELDS - 2]));

        // The names and values, and the room that each of the six takes by itself.
        let others = "user".len() + "u".len() + "moment".len() + "5".len() + "n".len();
        let left = MAX_SIZE - others - 6 * size_of::<Value>();
        assert!(with(vec![bulk("n"), bulk(vec![b'x'; left])]));
        assert!(!with(vec![bulk("n"), bulk(vec![b'x'; left + 1])]));
        let text = |length| Value::SimpleString("x".repeat(length));
        assert!(with(vec![bulk("n"), text(left)]));
        assert!(!with(vec![bulk("n"), text(left + 1)]));
    }

    /// The next page is smaller if this one was large.
    #[test]
    fn a_page_is_as_large_as_all_that_it_holds() {
        let size_of = |value: &str| {
            let page = answer(vec![entry_of(&[("user", value), ("moment", "5")]); 3]);
            let (_, bytes) = super::page(&page, KEY, LogPosition::START).unwrap();
            bytes
        };
        let small = size_of("");
        assert_eq!(size_of(&"u".repeat(1_000)), small + 3_000);
        // Even of nothing: one value each for the page, the stream, its key and its entries, and for each
        // entry seven.
        assert!(small > (4 + 3 * 7) * std::mem::size_of::<Value>());
    }

    #[test]
    fn an_answer_of_another_shape_is_none() {
        for other in [
            Value::Int(1),
            Value::Okay,
            bulk("text"),
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![Value::Array(vec![bulk(KEY)])]),
            Value::Array(vec![Value::Array(vec![bulk(KEY), Value::Nil])]),
            Value::Array(vec![Value::Array(vec![
                bulk("other"),
                Value::Array(vec![]),
            ])]),
            Value::Map(vec![(bulk(KEY), Value::Array(vec![]))]),
        ] {
            assert!(page(&other, KEY, LogPosition::START).is_none(), "{other:?}");
        }
        for nothing in [Value::Nil, Value::Array(vec![]), answer(vec![])] {
            let (entries, _) = page(&nothing, KEY, LogPosition::START).unwrap();
            assert!(entries.is_empty());
        }
        let five = LogPosition {
            millis: 5,
            number: 7,
        };
        let foreign = entry("5-7", vec![bulk(b"\xff"), bulk(b"\xfe")]);
        assert_eq!(has(&Value::Array(vec![foreign]), five), Some(true));
        assert_eq!(has(&Value::Array(vec![]), five), Some(false));
        assert_eq!(
            has(&Value::Array(vec![entry("5-8", vec![])]), five),
            Some(false)
        );
        assert_eq!(has(&Value::Nil, five), None);
    }
}
