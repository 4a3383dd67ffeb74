//! The outside of a token: JWS compact serialization (RFC 7515 §3.1) and its header.
//!
//! Nothing here needs a key, and nothing here is trusted.

use std::borrow::Cow;
use std::fmt;

use base64_simd::{AsOut, Out, URL_SAFE_NO_PAD};
use memchr::{memchr, memrchr};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};

use super::json::{self, Str};
use crate::error::AuthErrorKind;

/// Longest token that is looked at.
pub(super) const MAX_TOKEN: usize = 8 * 1024;
/// An RSA signature of 8,192 bits.
const MAX_SIGNATURE: usize = 1024;
/// Headers up to this size are decoded without an allocation. Authgear's have about 90 bytes.
const USUAL_HEADER: usize = 512;
/// Members of a header that we do not read; Authgear's have none. Each is compared with those before
/// it: hundreds would cost more than the signature of a good token.
const MAX_OTHER_MEMBERS: usize = 32;

/// The parts of a token.
#[derive(Clone, Copy)]
pub(super) struct Jws<'t> {
    header: &'t [u8],
    claims: &'t [u8],
    message: &'t [u8],
    signature: &'t [u8],
}

impl<'t> Jws<'t> {
    /// Takes a token apart. A dot too many fails later, as no character of base64url.
    pub(super) fn split(token: &'t [u8]) -> Result<Self, AuthErrorKind> {
        let (message, signature) = memrchr(b'.', token)
            .and_then(|dot| around(token, dot))
            .ok_or(AuthErrorKind::MalformedToken)?;
        let (header, claims) = memchr(b'.', message)
            .and_then(|dot| around(message, dot))
            .ok_or(AuthErrorKind::MalformedToken)?;
        if signature.is_empty() {
            return Err(AuthErrorKind::MalformedToken);
        }
        Ok(Self {
            header,
            claims,
            message,
            signature,
        })
    }

    /// What is signed.
    pub(super) fn message(&self) -> &'t [u8] {
        self.message
    }

    /// The header as it came.
    pub(super) fn encoded_header(&self) -> &'t [u8] {
        self.header
    }

    /// The header, decoded into `buffer`.
    pub(super) fn header<'b>(
        &self,
        buffer: &'b mut HeaderBuffer,
    ) -> Result<Header<'b>, AuthErrorKind> {
        let decoded = URL_SAFE_NO_PAD
            .decode(self.header, buffer.of_size(self.header.len()))
            .map_err(|_| AuthErrorKind::MalformedToken)?;
        let text = str::from_utf8(decoded).map_err(|_| AuthErrorKind::MalformedTokenHeader)?;
        json::read(text, HeaderVisitor).map_err(|_| AuthErrorKind::MalformedTokenHeader)
    }

    /// The claims, decoded. They are not parsed yet.
    pub(super) fn claims(&self) -> Result<String, AuthErrorKind> {
        let decoded = URL_SAFE_NO_PAD
            .decode_to_vec(self.claims)
            .map_err(|_| AuthErrorKind::MalformedToken)?;
        String::from_utf8(decoded).map_err(|_| AuthErrorKind::MalformedClaims)
    }

    pub(super) fn signature(&self) -> Result<Signature, AuthErrorKind> {
        let mut bytes = [0; MAX_SIGNATURE];
        let length = URL_SAFE_NO_PAD.estimated_decoded_length(self.signature.len());
        let buffer = bytes
            .get_mut(..length)
            .ok_or(AuthErrorKind::MalformedToken)?;
        let length = URL_SAFE_NO_PAD
            .decode(self.signature, buffer.as_out())
            .map_err(|_| AuthErrorKind::MalformedToken)?
            .len();
        Ok(Signature { bytes, length })
    }
}

/// What stands before and after the byte at `place`.
fn around(text: &[u8], place: usize) -> Option<(&[u8], &[u8])> {
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// Where a header is decoded: most fit without an allocation.
pub(super) struct HeaderBuffer {
    usual: [u8; USUAL_HEADER],
    large: Vec<u8>,
}

impl HeaderBuffer {
    pub(super) fn new() -> Self {
        Self {
            usual: [0; USUAL_HEADER],
            large: Vec::new(),
        }
    }

    fn of_size(&mut self, encoded: usize) -> Out<'_, [u8]> {
        let length = URL_SAFE_NO_PAD.estimated_decoded_length(encoded);
        if let Some(buffer) = self.usual.get_mut(..length) {
            return buffer.as_out();
        }
        self.large.resize(length, 0);
        self.large.as_mut_slice().as_out()
    }
}

/// A decoded signature.
pub(super) struct Signature {
    bytes: [u8; MAX_SIGNATURE],
    length: usize,
}

impl Signature {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The members of a header that we read. `jku`, `x5u`, `x5c` and `jwk`, which bring a key along,
/// are not among them.
#[derive(Default)]
pub(super) struct Header<'h> {
    pub(super) algorithm: Option<Cow<'h, str>>,
    pub(super) token_type: Option<Cow<'h, str>>,
    pub(super) key_id: Option<Cow<'h, str>>,
    /// `crit`, `zip` or `b64`: each changes what the token means.
    pub(super) has_extension: bool,
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut header = Header::default();
        // RFC 7515 §4: names must be unique.
        let mut others: Vec<Cow<'de, str>> = Vec::new();
        while let Some(Str(name)) = members.next_key()? {
            let known = match &*name {
                "alg" => Some(&mut header.algorithm),
                "typ" => Some(&mut header.token_type),
                "kid" => Some(&mut header.key_id),
                _ => None,
            };
            if let Some(place) = known {
                let Str(value) = members.next_value()?;
                if place.replace(value).is_some() {
                    return Err(json::duplicate());
                }
                continue;
            }
            header.has_extension |= matches!(&*name, "crit" | "zip" | "b64");
            members.next_value::<IgnoredAny>()?;
            if others.contains(&name) {
                return Err(json::duplicate());
            }
            if others.len() == MAX_OTHER_MEMBERS {
                return Err(A::Error::custom("too many members"));
            }
            others.push(name);
        }
        Ok(header)
    }
}
