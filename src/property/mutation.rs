//! Inputs that are almost good: good ones, changed in their bytes or in their JSON.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value};

/// What a real Authgear answered: a file of `tests/recorded`.
pub(crate) fn recorded(file: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let text = fs::read(folder.join(file)).expect("a recorded file");
    serde_json::from_slice(&text).expect("JSON")
}

/// One of these inputs, after up to five changes of its bytes.
pub(crate) fn any_bytes(inputs: &'static [Vec<u8>]) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec(byte_change(), 0..6);
    (any::<Index>(), changes).prop_map(move |(input, changes)| {
        let mut bytes = input.get(inputs).clone();
        for change in changes {
            change.apply(&mut bytes, inputs);
        }
        bytes
    })
}

/// One of these documents as text, after up to five changes of its JSON, and sometimes of its bytes.
pub(crate) fn any_json(documents: &'static [Value]) -> impl Strategy<Value = Vec<u8>> {
    let few_bytes = prop_oneof![
        4 => Just(Vec::new()),
        1 => prop::collection::vec(byte_change(), 1..4),
    ];
    let changes = prop::collection::vec((any::<Index>(), json_change()), 0..6);
    (any::<Index>(), changes, few_bytes).prop_map(move |(document, changes, few_bytes)| {
        let mut document = document.get(documents).clone();
        for (place, change) in changes {
            change.apply(place, &mut document, documents);
        }
        let mut bytes = text_of(&document).into_bytes();
        for change in few_bytes {
            change.apply(&mut bytes, &[]);
        }
        bytes
    })
}

/// One change of bytes. A range is a place and a share of the rest.
#[derive(Clone, Debug)]
enum ByteChange {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Cut(Index),
    Repeat(Index, Index, usize),
    /// A range of another input.
    Splice(Index, Index, Index, Index),
}

fn byte_change() -> impl Strategy<Value = ByteChange> {
    use ByteChange::{Cut, Flip, Insert, Remove, Repeat, Set, Splice};
    let index = any::<Index>;
    let inserted = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..9),
        prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    prop_oneof![
        3 => (index(), 0..8_u8).prop_map(|(at, bit)| Flip(at, bit)),
        2 => (index(), any::<u8>()).prop_map(|(at, byte)| Set(at, byte)),
        3 => (index(), inserted).prop_map(|(at, bytes)| Insert(at, bytes)),
        2 => (index(), index()).prop_map(|(from, length)| Remove(from, length)),
        1 => index().prop_map(Cut),
        1 => (index(), index(), 1..40_usize).prop_map(|(from, length, times)| Repeat(from, length, times)),
        1 => (index(), index(), index(), index())
            .prop_map(|(input, from, length, at)| Splice(input, from, length, at)),
    ]
}

/// What parsers of text disagree about.
const PIECES: &[&str] = &[
    " ",
    "\t",
    "\0",
    "\r\n",
    "\n",
    ",",
    ";",
    "=",
    ".",
    "-",
    "+",
    "\"",
    "\\",
    "\\u0000",
    "{",
    "}",
    "[",
    "]",
    "[[[[[[[[",
    "null",
    "0",
    "-0",
    "1e999",
    "18446744073709551616",
    "0.5",
    "é",
    "\u{a0}",
    "\u{202e}",
    "\u{feff}",
    "\u{10ffff}",
];

impl ByteChange {
    fn apply(self, bytes: &mut Vec<u8>, inputs: &[Vec<u8>]) {
        match self {
            Self::Flip(at, bit) => {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] ^= 1 << bit;
                }
            }
            Self::Set(at, byte) => {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            Self::Insert(at, more) => insert(bytes, at, &more),
            Self::Remove(from, length) => {
                let range = range(bytes, from, length);
                bytes.drain(range);
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Self::Repeat(from, length, times) => {
                let range = range(bytes, from, length);
                let end = range.end;
                let more = bytes[range].repeat(times);
                bytes.splice(end..end, more.into_iter().take(MAX_MORE));
            }
            Self::Splice(input, from, length, at) => {
                if !inputs.is_empty() {
                    let other = input.get(inputs);
                    insert(bytes, at, &other[range(other, from, length)]);
                }
            }
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: Index, more: &[u8]) {
    let at = at.index(bytes.len() + 1);
    bytes.splice(at..at, more.iter().copied());
}

fn range(bytes: &[u8], from: Index, length: Index) -> std::ops::Range<usize> {
    let from = from.index(bytes.len() + 1);
    from..from + length.index(bytes.len() - from + 1)
}

const MAX_MORE: usize = 4096;

/// One change of a value anywhere in a document.
#[derive(Clone, Debug)]
enum JsonChange {
    Replace(Value),
    /// By a value of any document.
    Copy(Index, Index),
    Nest(usize),
    Text(ByteChange),
    /// These need an object or an array.
    Remove(Index),
    Rename(Index, Index),
    Add(String, Value),
    /// A member a second time, before or after the first one.
    Again(Index, Value, bool),
    Many(Index, usize),
}

fn json_change() -> impl Strategy<Value = JsonChange> {
    use JsonChange::{Add, Again, Copy, Many, Nest, Remove, Rename, Replace, Text};
    let index = any::<Index>;
    prop_oneof![
        4 => odd_value().prop_map(Replace),
        3 => (index(), index()).prop_map(|(document, place)| Copy(document, place)),
        1 => prop_oneof![1..4_usize, 100..200_usize].prop_map(Nest),
        3 => byte_change().prop_map(Text),
        3 => index().prop_map(Remove),
        1 => (index(), index()).prop_map(|(from, to)| Rename(from, to)),
        1 => (any::<String>(), odd_value()).prop_map(|(name, value)| Add(name, value)),
        2 => (index(), odd_value(), any::<bool>())
            .prop_map(|(member, value, first)| Again(member, value, first)),
        1 => (index(), 1..80_usize).prop_map(|(member, times)| Many(member, times)),
    ]
}

fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..3_u64).prop_map(Value::from),
        prop::sample::select(RAW)
            .prop_map(|text| Value::from(format!("{RAW_MARK}{text}{RAW_MARK}"))),
        any::<String>().prop_map(Value::from),
        prop::sample::select(PIECES).prop_map(Value::from),
        Just(Value::from(SURROGATE)),
        (1..2_000_usize).prop_map(|length| Value::from("x".repeat(length))),
        Just(Value::from(Vec::<Value>::new())),
        Just(Value::Object(Map::new())),
    ]
}

/// Numbers that a [`Value`] does not hold.
const RAW: &[&str] = &[
    "1e999",
    "-1e999",
    "18446744073709551616",
    "1.0",
    "-0.0",
    "1e0",
    "01",
    "NaN",
];
/// Around text that is written without quotes.
const RAW_MARK: char = '\u{e001}';
/// Written as half of a pair, which is no character.
const SURROGATE: &str = "\u{e002}";
/// Before a name that is there once more. The first sorts before all other names, the second behind.
const FIRST: char = '\u{1}';
const LAST: char = '\u{e003}';

fn text_of(document: &Value) -> String {
    document
        .to_string()
        .replace(&format!("\"{RAW_MARK}"), "")
        .replace(&format!("{RAW_MARK}\""), "")
        .replace(SURROGATE, "\\ud800")
        .replace("\\u0001", "")
        .replace(LAST, "")
}

impl JsonChange {
    fn apply(self, place: Index, document: &mut Value, documents: &[Value]) {
        let mut left = place.index(count(document));
        let Some(value) = nth(document, &mut left) else {
            return;
        };
        match self {
            Self::Replace(other) => *value = other,
            Self::Copy(other, place) => {
                let mut other = other.get(documents).clone();
                let mut left = place.index(count(&other));
                if let Some(found) = nth(&mut other, &mut left) {
                    *value = found.take();
                }
            }
            Self::Nest(depth) => {
                for _ in 0..depth {
                    *value = Value::from(vec![value.take()]);
                }
            }
            Self::Text(change) => {
                if let Value::String(text) = value {
                    let mut bytes = std::mem::take(text).into_bytes();
                    change.apply(&mut bytes, &[]);
                    *text = String::from_utf8_lossy(&bytes).into_owned();
                }
            }
            change => match value {
                Value::Object(members) if !members.is_empty() => change.apply_to_members(members),
                Value::Array(values) if !values.is_empty() => change.apply_to_values(values),
                _ => {}
            },
        }
    }

    fn apply_to_members(self, members: &mut Map<String, Value>) {
        let names: Vec<String> = members.keys().cloned().collect();
        match self {
            Self::Remove(at) => drop(members.remove(at.get(&names))),
            Self::Rename(from, to) => {
                if let Some(value) = members.remove(from.get(&names)) {
                    members.insert(to.get(&names).clone(), value);
                }
            }
            Self::Add(name, value) => drop(members.insert(name, value)),
            Self::Again(at, value, is_first) => {
                let name = at.get(&names);
                let name = if is_first {
                    format!("{FIRST}{name}")
                } else {
                    format!("{name}{LAST}")
                };
                members.insert(name, value);
            }
            Self::Many(at, times) => {
                let name = at.get(&names);
                for number in 0..times {
                    members.insert(format!("{name}{number}"), Value::from(number));
                }
            }
            _ => {}
        }
    }

    fn apply_to_values(self, values: &mut Vec<Value>) {
        match self {
            Self::Remove(at) => drop(values.remove(at.index(values.len()))),
            Self::Rename(from, to) => {
                let length = values.len();
                values.swap(from.index(length), to.index(length));
            }
            Self::Add(_, value) => values.push(value),
            Self::Again(at, value, _) => values.insert(at.index(values.len()), value),
            Self::Many(at, times) => {
                let value = at.get(values).clone();
                values.extend(std::iter::repeat_n(value, times));
            }
            _ => {}
        }
    }
}

/// How many values a document has, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

fn nth<'v>(value: &'v mut Value, left: &mut usize) -> Option<&'v mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(values) => values.iter_mut().find_map(|value| nth(value, left)),
        Value::Object(members) => members.values_mut().find_map(|value| nth(value, left)),
        _ => None,
    }
}
