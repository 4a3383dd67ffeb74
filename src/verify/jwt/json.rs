//! Strict parsing of JSON: only objects, no type conversion, no copied text.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// Parses one JSON object, and refuses trailing content.
pub(in crate::verify) fn read<'t, V: Visitor<'t>>(
    text: &'t str,
    visitor: V,
) -> Result<V::Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // Unlike a derived implementation, this refuses an array.
    let value = deserializer.deserialize_map(visitor)?;
    deserializer.end()?;
    Ok(value)
}

/// A repeated member (RFC 8725 §2.4: parsers differ in which one they use).
pub(in crate::verify) fn duplicate<E: Error>() -> E {
    E::custom("duplicate member")
}

/// A string, borrowed from the text if it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(in crate::verify) struct Str<'t>(#[serde(borrow)] pub(in crate::verify) Cow<'t, str>);

/// Passes each string to a function: those of an array, a single string, or none for `null`.
pub(in crate::verify) struct Strings<F> {
    pub(in crate::verify) each: F,
    pub(in crate::verify) one: bool,
    pub(in crate::verify) null: bool,
}

impl<'de, F: FnMut(&str)> serde::de::DeserializeSeed<'de> for Strings<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: FnMut(&str)> Visitor<'de> for Strings<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("strings")
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        if !self.one {
            return Err(E::custom("a single string"));
        }
        (self.each)(text);
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.null {
            Ok(())
        } else {
            Err(E::custom("null"))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(Str(text)) = members.next_element()? {
            (self.each)(&text);
        }
        Ok(())
    }
}
