//! The encoding of a token: JWS compact serialization (RFC 7515 §3.1) and its header.
//!
//! Nothing here needs a key, and nothing here is trusted.

use std::borrow::Cow;
use std::fmt;

use base64_simd::{AsOut, URL_SAFE_NO_PAD};
use memchr::{memchr, memrchr};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};

use super::json::{self, Str};
use crate::error::AuthErrorKind;

/// The maximum length of a token.
pub(in crate::verify) const MAX_TOKEN: usize = 8 * 1024;
/// An RSA signature of 8,192 bits.
const MAX_SIGNATURE: usize = 1024;
/// Up to this size, decoding needs no allocation. Authgear's headers have about 90 bytes, and its signatures
/// 256.
const USUAL_SIZE: usize = 512;
/// The maximum number of unknown header members; Authgear's headers have none. Each is compared with the
/// earlier ones: hundreds would cost more than the signature of a valid token.
const MAX_OTHER_MEMBERS: usize = 32;

/// The parts of a token.
#[derive(Clone, Copy)]
pub(in crate::verify) struct Jws<'t> {
    header: &'t [u8],
    claims: &'t [u8],
    message: &'t [u8],
    signature: &'t [u8],
}

impl<'t> Jws<'t> {
    /// Splits a token into its parts. An extra dot fails later, because it is no character of base64url.
    pub(in crate::verify) fn split(token: &'t [u8]) -> Result<Self, AuthErrorKind> {
        let (message, signature) = memrchr(b'.', token)
            .and_then(|dot| around(token, dot))
            .ok_or_else(|| without_dots(token))?;
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

    /// Whether the header begins with `{"`, as libraries write it. JSON allows other whitespace, too.
    pub(in crate::verify) fn begins_as_usual(&self) -> bool {
        self.header.starts_with(START_OF_JWT)
    }

    /// The signed part.
    pub(in crate::verify) fn message(&self) -> &'t [u8] {
        self.message
    }

    /// The undecoded header.
    pub(in crate::verify) fn encoded_header(&self) -> &'t [u8] {
        self.header
    }

    /// The header, decoded into `buffer`.
    pub(in crate::verify) fn header<'b>(
        &self,
        buffer: &'b mut DecodeBuffer,
    ) -> Result<Header<'b>, AuthErrorKind> {
        let decoded = buffer.decode(self.header)?;
        let text = str::from_utf8(decoded).map_err(|_| AuthErrorKind::MalformedTokenHeader)?;
        json::read(text, HeaderVisitor).map_err(|_| AuthErrorKind::MalformedTokenHeader)
    }

    /// The decoded claims, not parsed yet.
    pub(in crate::verify) fn claims(&self) -> Result<String, AuthErrorKind> {
        let decoded = URL_SAFE_NO_PAD
            .decode_to_vec(self.claims)
            .map_err(|_| AuthErrorKind::MalformedToken)?;
        String::from_utf8(decoded).map_err(|_| AuthErrorKind::MalformedClaims)
    }

    /// Checks that the signature can be decoded.
    pub(in crate::verify) fn check_signature(&self) -> Result<(), AuthErrorKind> {
        let is_fit = URL_SAFE_NO_PAD.estimated_decoded_length(self.signature.len())
            <= MAX_SIGNATURE
            && URL_SAFE_NO_PAD.check(self.signature).is_ok();
        is_fit.then_some(()).ok_or(AuthErrorKind::MalformedToken)
    }

    /// The signature, decoded into `buffer`.
    pub(in crate::verify) fn signature<'b>(
        &self,
        buffer: &'b mut DecodeBuffer,
    ) -> Result<&'b [u8], AuthErrorKind> {
        buffer.decode(self.signature)
    }
}

/// An opaque token has only letters and digits. A token that begins like a JWT is a truncated one.
fn without_dots(token: &[u8]) -> AuthErrorKind {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if token.is_empty() || token.starts_with(START_OF_JWT) || !token.iter().all(is_plain) {
        AuthErrorKind::MalformedToken
    } else {
        AuthErrorKind::OpaqueToken
    }
}

/// `{"` in base64url.
const START_OF_JWT: &[u8] = b"eyJ";

/// The parts before and after the byte at `place`.
fn around(text: &[u8], place: usize) -> Option<(&[u8], &[u8])> {
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// A buffer for a decoded header or signature: most fit without an allocation.
pub(in crate::verify) struct DecodeBuffer {
    usual: [u8; USUAL_SIZE],
    large: Vec<u8>,
}

impl DecodeBuffer {
    pub(in crate::verify) fn new() -> Self {
        Self {
            usual: [0; USUAL_SIZE],
            large: Vec::new(),
        }
    }

    fn decode(&mut self, encoded: &[u8]) -> Result<&[u8], AuthErrorKind> {
        let length = URL_SAFE_NO_PAD.estimated_decoded_length(encoded.len());
        let place = if let Some(usual) = self.usual.get_mut(..length) {
            usual
        } else {
            self.large.resize(length, 0);
            &mut self.large
        };
        let decoded = URL_SAFE_NO_PAD.decode(encoded, place.as_out());
        Ok(decoded.map_err(|_| AuthErrorKind::MalformedToken)?)
    }
}

/// The known members of a header. `jku`, `x5u`, `x5c` and `jwk`, which bring a key, are not among them.
#[derive(Default)]
pub(in crate::verify) struct Header<'h> {
    pub(in crate::verify) algorithm: Option<Cow<'h, str>>,
    pub(in crate::verify) token_type: Option<Cow<'h, str>>,
    pub(in crate::verify) key_id: Option<Cow<'h, str>>,
    /// `crit`, `zip` or `b64`: each changes the meaning of the token.
    pub(in crate::verify) has_extension: bool,
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
