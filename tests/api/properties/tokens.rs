//! Tokens that are almost good, and those that are nothing of the kind.

use base64_simd::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use super::stage;

/// A good token after a few changes, or parts of any content.
pub(super) fn any_token() -> impl Strategy<Value = String> {
    let changes = prop::collection::vec((change(), 0_usize..3), 1..4);
    let almost_good = (any::<Index>(), changes).prop_map(|(index, changes)| {
        let mut parts: Vec<String> = stage()
            .a_good(index)
            .split('.')
            .map(str::to_owned)
            .collect();
        for (change, part) in changes {
            change.apply(&mut parts, part);
        }
        parts.join(".")
    });
    let part = || {
        prop_oneof![
            any_json().prop_map(|json| encoded(json.to_string().as_bytes())),
            prop::collection::vec(any::<u8>(), 0..100).prop_map(|bytes| encoded(&bytes)),
            any::<Index>()
                .prop_map(|index| { stage().a_good(index).split('.').next().unwrap().to_owned() }),
            any::<String>(),
        ]
    };
    let made = prop::collection::vec(part(), 1..6).prop_map(|parts| parts.join("."));
    prop_oneof![4 => almost_good, 1 => made, 1 => any::<String>()]
}

/// One change to a token.
#[derive(Clone, Debug)]
enum Change {
    /// Of the decoded part.
    FlipBit(Index, u8),
    /// Of the text: also into what is no base64url.
    ReplaceByte(Index, u8),
    InsertText(Index, String),
    RemoveText(Index, Index),
    /// With that part of another token.
    SwapPart(Index),
    ReplacePart(Vec<u8>),
    /// Of the header or the claims, if the part is one of them.
    SetMember(String, Value),
    RemoveMember(String),
    RepeatMember(String, Value),
    Padded,
    StandardAlphabet,
    /// The bits behind the last byte, which base64 can carry without a meaning.
    TrailingBits(u8),
    AsArray,
    SignedBySomeoneElse,
    Unsigned,
    MorePart(String),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    let member = || "(alg|typ|kid|crit|b64|jwk|jku|iss|sub|aud|exp|nbf|iat|client_id|scope|cnf|x)";
    prop_oneof![
        3 => (index(), 0_u8..8).prop_map(|(at, bit)| Change::FlipBit(at, bit)),
        2 => (index(), any::<u8>()).prop_map(|(at, byte)| Change::ReplaceByte(at, byte)),
        1 => (index(), "[A-Za-z0-9_.=+/ -]{1,6}").prop_map(|(at, text)| Change::InsertText(at, text)),
        1 => (index(), index()).prop_map(|(from, length)| Change::RemoveText(from, length)),
        2 => index().prop_map(Change::SwapPart),
        1 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Change::ReplacePart),
        3 => (member(), any_json()).prop_map(|(name, value)| Change::SetMember(name, value)),
        1 => member().prop_map(Change::RemoveMember),
        1 => (member(), any_json()).prop_map(|(name, value)| Change::RepeatMember(name, value)),
        1 => Just(Change::Padded),
        1 => Just(Change::StandardAlphabet),
        1 => (1_u8..16).prop_map(Change::TrailingBits),
        1 => Just(Change::AsArray),
        2 => Just(Change::SignedBySomeoneElse),
        1 => Just(Change::Unsigned),
        1 => "[A-Za-z0-9_-]{0,10}".prop_map(Change::MorePart),
    ]
}

impl Change {
    fn apply(&self, parts: &mut Vec<String>, part: usize) {
        if self.changes_the_whole(parts) {
            return;
        }
        let Some(text) = parts.get_mut(part) else {
            return;
        };
        // What an earlier change has made unreadable can only be changed as text.
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(&*text).ok();
        match self {
            Self::FlipBit(at, bit) => {
                if let Some(mut bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
                    let at = at.index(bytes.len());
                    bytes[at] ^= 1 << bit;
                    *text = encoded(&bytes);
                }
            }
            Self::ReplaceByte(at, byte) => {
                let mut bytes = text.clone().into_bytes();
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = *byte;
                }
                *text = String::from_utf8_lossy(&bytes).into_owned();
            }
            Self::InsertText(at, more) => {
                let at = at.index(text.len() + 1);
                if text.is_char_boundary(at) {
                    text.insert_str(at, more);
                }
            }
            Self::RemoveText(from, length) => {
                let from = from.index(text.len() + 1);
                let length = length.index(text.len() - from + 1);
                if text.is_char_boundary(from) && text.is_char_boundary(from + length) {
                    text.replace_range(from..from + length, "");
                }
            }
            Self::SwapPart(other) => {
                let other = stage().a_good(*other).split('.').nth(part);
                other.unwrap_or_default().clone_into(text);
            }
            Self::ReplacePart(bytes) => *text = encoded(bytes),
            Self::Padded => {
                if let Some(bytes) = bytes {
                    *text = URL_SAFE.encode_to_string(bytes);
                }
            }
            Self::StandardAlphabet => {
                if let Some(bytes) = bytes {
                    *text = STANDARD.encode_to_string(bytes);
                }
            }
            Self::TrailingBits(bits) => set_trailing_bits(text, *bits),
            _ => {
                let json = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
                if let Some(Value::Object(members)) = json {
                    *text = encoded(self.changed_json(members).as_bytes());
                }
            }
        }
    }

    fn changed_json(&self, mut members: serde_json::Map<String, Value>) -> String {
        match self {
            Self::SetMember(name, value) => {
                members.insert(name.clone(), value.clone());
            }
            Self::RemoveMember(name) => {
                members.remove(name);
            }
            Self::RepeatMember(name, value) => {
                let text = Value::Object(members).to_string();
                return format!("{{\"{name}\":{value},{}", &text[1..]);
            }
            Self::AsArray => {
                return Value::Array(members.into_iter().map(|(_, value)| value).collect())
                    .to_string();
            }
            _ => {}
        }
        Value::Object(members).to_string()
    }

    fn changes_the_whole(&self, parts: &mut Vec<String>) -> bool {
        match self {
            Self::SignedBySomeoneElse => {
                if let [header, claims, ..] = parts.as_slice()
                    && let Some(token) = signed_by_someone_else(header, claims)
                {
                    *parts = token.split('.').map(str::to_owned).collect();
                }
            }
            Self::Unsigned => {
                parts.truncate(2);
                parts.push(String::new());
            }
            Self::MorePart(text) => parts.push(text.clone()),
            _ => return false,
        }
        true
    }
}

/// The last character of base64 without padding has bits to spare unless the length is a multiple
/// of four.
fn set_trailing_bits(text: &mut String, bits: u8) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let spare = match text.len() % 4 {
        2 => 0b1111,
        3 => 0b11,
        _ => return,
    };
    let last = text.pop().unwrap();
    let value = ALPHABET.iter().position(|own| char::from(*own) == last);
    match value {
        Some(value) => text.push(char::from(ALPHABET[value ^ usize::from(bits & spare)])),
        None => text.push(last),
    }
}

/// A real signature of these parts, by a key that the issuer does not list.
fn signed_by_someone_else(header: &str, claims: &str) -> Option<String> {
    let [header, claims] = [header, claims].map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(part).ok()?;
        String::from_utf8(bytes).ok()
    });
    let stage = stage();
    let token = stage.fake.client_token("job", "https://api.example");
    let token = token.raw_header(&header?).raw_claims(&claims?);
    Some(token.signed_by(&stage.foreign).sign())
}

/// Any JSON, and often what a token's header or claims have.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(none|RS256|HS256|at\\+jwt|JWT|alice|spa|b64)".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}
