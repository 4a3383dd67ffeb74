//! The claim `act` (RFC 8693 §4.1): the acting party, and the earlier ones.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::json::{Str, duplicate};
use crate::user::{ActorPart, TextReader};

/// The maximum number of actors in a token. Real delegation chains are shorter.
const MAX_ACTORS: usize = 8;

/// Reads an actor and the earlier ones, and adds their parts to the list, the first actor first.
pub(super) struct ActorReader<'r> {
    reader: &'r mut TextReader,
    left: usize,
}

impl<'r> ActorReader<'r> {
    pub(super) fn new(reader: &'r mut TextReader) -> Self {
        Self {
            reader,
            left: MAX_ACTORS,
        }
    }
}

impl<'de> DeserializeSeed<'de> for ActorReader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // Unlike a derived implementation, this refuses an array.
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ActorReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an actor")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(A::Error::custom("too many actors"));
        };
        let mut parts: [Option<Cow<'de, str>>; ActorPart::COUNT] = [const { None }; _];
        let [subject, issuer, client_id] = &mut parts;
        let mut has_previous = false;
        while let Some(Str(name)) = members.next_key()? {
            let part = match &*name {
                "sub" => &mut *subject,
                "iss" => &mut *issuer,
                "client_id" => &mut *client_id,
                "act" => {
                    if has_previous {
                        return Err(duplicate());
                    }
                    has_previous = true;
                    members.next_value_seed(ActorReader {
                        reader: self.reader,
                        left,
                    })?;
                    continue;
                }
                _ => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let Str(text) = members.next_value()?;
            if part.replace(text).is_some() {
                return Err(duplicate());
            }
        }
        let names =
            |part: &Option<Cow<'_, str>>| part.as_ref().is_some_and(|text| !text.is_empty());
        if !names(subject) && !names(client_id) {
            return Err(A::Error::custom("an actor without a name"));
        }
        for part in &parts {
            self.reader.push(part.as_deref().unwrap_or_default());
        }
        Ok(())
    }
}
