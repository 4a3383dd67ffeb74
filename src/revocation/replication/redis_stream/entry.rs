//! Records as entries of a stream: fields with names.

use ::redis::streams::StreamId;
use ::redis::{FromRedisValue, Value};

use super::super::log::{Entry, Place};
use crate::revocation::record::{Event, Record};

/// The id of the entry at this place.
pub(super) fn id(place: Place) -> String {
    format!("{}-{}", place.millis, place.number)
}

/// The fields of a record.
pub(super) fn write(record: &Record, mut field: impl FnMut(&'static str, &str)) {
    match record {
        Record::User { user, moment } => {
            field(USER, user);
            field(MOMENT, &moment.to_string());
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
    }
}

/// The entry, if its id is one. Fields of other names are passed over.
pub(super) fn read(id: &StreamId) -> Option<Entry> {
    let (millis, number) = id.id.split_once('-')?;
    let place = Place {
        millis: millis.parse().ok()?,
        number: number.parse().ok()?,
    };
    Some(Entry {
        place,
        record: record(id),
    })
}

fn record(id: &StreamId) -> Option<Record> {
    let text = |name| field::<String>(id, name).map(String::into_boxed_str);
    let number = |name| field::<u64>(id, name);
    if let Some(token) = text(TOKEN) {
        let until = number(UNTIL)?;
        return Some(Record::Token { token, until });
    }
    let user = text(USER)?;
    if let Some(moment) = number(MOMENT) {
        return Some(Record::User { user, moment });
    }
    let window = match id.map.get(WINDOW) {
        None => None,
        Some(_) => Some(number(WINDOW)?),
    };
    let event = Event {
        seq: number(SEQ)?,
        at: number(AT)?,
        ends: match number(ENDS)? {
            0 => false,
            1 => true,
            _ => return None,
        },
        window,
    };
    Some(Record::Event { user, event })
}

fn field<T: FromRedisValue>(id: &StreamId, name: &str) -> Option<T> {
    let value: &Value = id.map.get(name)?;
    T::from_redis_value(value.clone()).ok()
}

const USER: &str = "user";
const MOMENT: &str = "moment";
const SEQ: &str = "seq";
const AT: &str = "at";
const ENDS: &str = "ends";
const WINDOW: &str = "window";
const TOKEN: &str = "token";
const UNTIL: &str = "until";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simulation::cases::cases;

    fn entry(fields: &[(&str, &str)]) -> StreamId {
        let mut id = StreamId {
            id: "5-7".to_owned(),
            ..StreamId::default()
        };
        for (name, value) in fields {
            let value = Value::BulkString(value.as_bytes().to_vec());
            id.map.insert((*name).to_owned(), value);
        }
        id
    }

    fn read_back(record: &Record) -> Option<Record> {
        let mut fields = Vec::new();
        write(record, |name, value| fields.push((name, value.to_owned())));
        let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let entry = read(&entry(&fields)).unwrap();
        assert_eq!((entry.place.millis, entry.place.number), (5, 7));
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
            (".*", any::<u64>()).prop_map(|(user, moment)| Record::User {
                user: user.into(),
                moment
            }),
            (".*", event).prop_map(|(user, event)| Record::Event {
                user: user.into(),
                event
            }),
            (".*", any::<u64>()).prop_map(|(token, until)| Record::Token {
                token: token.into(),
                until
            }),
        ]
    }

    #[test]
    fn property_a_record_is_read_as_it_was_written() {
        proptest!(cases(256, 20_000), |(record in any_record())| {
            prop_assert_eq!(read_back(&record), Some(record));
        });
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        for fields in [
            &[][..],
            &[("user", "u")],
            &[("user", "u"), ("moment", "-1")],
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
            &[("something", "else")],
        ] {
            assert!(read(&entry(fields)).unwrap().record.is_none(), "{fields:?}");
        }
        let bad = StreamId {
            id: "x".to_owned(),
            ..StreamId::default()
        };
        assert!(read(&bad).is_none());
        let known = [("user", "u"), ("moment", "5"), ("later", "x")];
        assert!(read(&entry(&known)).unwrap().record.is_some());
    }
}
