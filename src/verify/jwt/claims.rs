//! The claims of a token, parsed in one pass.

use std::fmt;

use serde::Deserialize;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};

use super::actor::ActorReader;
use super::json::{self, Str, Strings};
use crate::error::AuthErrorKind;
use crate::user::{Identity, NumericDate, TextReader};

/// The claims of a token whose signature has not been checked.
pub(in crate::verify) struct Claims {
    pub(in crate::verify) identity: Identity,
    not_before: Option<NumericDate>,
    seen: Seen,
}

impl Claims {
    /// Parses decoded claims: a JSON object in which every known member occurs at most once and has the
    /// right type.
    pub(in crate::verify) fn parse(text: String) -> Result<Self, AuthErrorKind> {
        let mut reader = TextReader::new(&text);
        let mut claims = json::read(&text, ClaimsVisitor(&mut reader))
            .map_err(|_| AuthErrorKind::MalformedClaims)?;
        claims.identity.text = reader.finish(text);
        Ok(claims)
    }

    pub(in crate::verify) fn times(&self) -> Option<Times> {
        Some(Times {
            expires_at: self.identity.expires_at?,
            not_before: self.not_before,
            issued_at: self.identity.issued_at,
        })
    }

    pub(in crate::verify) fn has(&self, claim: Claim) -> bool {
        self.seen.0 & claim.bit() != 0
    }
}

/// The identity in unverified claims: for a caller that a test constructs.
#[cfg(feature = "testkit")]
pub(crate) fn unverified_identity(claims: String) -> Identity {
    let claims = Claims::parse(claims);
    claims.expect("claims of the right types").identity
}

/// The name of a claim. Escapes in it make no difference.
#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
pub(in crate::verify) enum Claim {
    #[serde(rename = "iss")]
    Issuer,
    #[serde(rename = "sub")]
    Subject,
    #[serde(rename = "aud")]
    Audience,
    #[serde(rename = "exp")]
    Expiry,
    #[serde(rename = "nbf")]
    NotBefore,
    #[serde(rename = "iat")]
    IssuedAt,
    #[serde(rename = "jti")]
    TokenId,
    ClientId,
    Scope,
    AuthTime,
    Amr,
    #[serde(rename = "cnf")]
    Confirmation,
    #[serde(rename = "act")]
    Actor,
    #[serde(rename = "https://authgear.com/claims/user/is_anonymous")]
    IsAnonymous,
    #[serde(rename = "https://authgear.com/claims/user/is_verified")]
    IsVerified,
    #[serde(rename = "https://authgear.com/claims/user/can_reauthenticate")]
    CanReauthenticate,
    #[serde(rename = "https://authgear.com/claims/user/roles")]
    Roles,
    /// A claim that is not read.
    #[serde(other)]
    Other,
}

impl Claim {
    fn bit(self) -> u32 {
        1 << self as u32
    }
}

#[derive(Default)]
struct Seen(u32);

impl Seen {
    fn add<E: Error>(&mut self, claim: Claim) -> Result<(), E> {
        if self.0 & claim.bit() != 0 {
            return Err(json::duplicate());
        }
        self.0 |= claim.bit();
        Ok(())
    }
}

struct ClaimsVisitor<'r>(&'r mut TextReader);

impl<'de> Visitor<'de> for ClaimsVisitor<'_> {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims of an access token")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Claims, A::Error> {
        let reader = self.0;
        let mut identity = Identity::default();
        let mut not_before = None;
        let mut seen = Seen::default();
        while let Some(claim) = members.next_key()? {
            if !matches!(claim, Claim::Other) {
                seen.add(claim)?;
            }
            match claim {
                Claim::Issuer => identity.issuer = reader.span(&string(&mut members)?),
                Claim::Subject => identity.subject = reader.span(&string(&mut members)?),
                Claim::ClientId => identity.client_id = Some(reader.span(&string(&mut members)?)),
                Claim::TokenId => identity.token_id = Some(reader.span(&string(&mut members)?)),
                Claim::Scope => identity.scope = reader.span(&string(&mut members)?),
                Claim::Expiry => identity.expires_at = Some(members.next_value()?),
                Claim::IssuedAt => identity.issued_at = Some(members.next_value()?),
                Claim::AuthTime => identity.auth_time = Some(members.next_value()?),
                Claim::NotBefore => not_before = Some(members.next_value()?),
                Claim::IsAnonymous => identity.is_identified = !members.next_value::<bool>()?,
                Claim::IsVerified => identity.is_verified = members.next_value()?,
                Claim::CanReauthenticate => identity.can_reauthenticate = members.next_value()?,
                // RFC 7519 §4.1.3: a single audience can be a string.
                Claim::Audience => identity.audiences = list(&mut members, reader, true, false)?,
                Claim::Amr => identity.amr = list(&mut members, reader, false, false)?,
                // A server without roles can send `null`.
                Claim::Roles => identity.roles = list(&mut members, reader, false, true)?,
                Claim::Actor => {
                    let mark = reader.mark();
                    members.next_value_seed(ActorReader::new(reader))?;
                    identity.actors = reader.list_since(mark);
                }
                Claim::Confirmation | Claim::Other => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Claims {
            identity,
            not_before,
            seen,
        })
    }
}

fn string<'de, A: MapAccess<'de>>(members: &mut A) -> Result<std::borrow::Cow<'de, str>, A::Error> {
    members.next_value().map(|Str(text)| text)
}

fn list<'de, A: MapAccess<'de>>(
    members: &mut A,
    reader: &mut TextReader,
    one: bool,
    null: bool,
) -> Result<crate::user::SpanList, A::Error> {
    let mark = reader.mark();
    members.next_value_seed(Strings {
        each: |text: &str| reader.push(text),
        one,
        null,
    })?;
    Ok(reader.list_since(mark))
}

/// The claims that are compared with the clock at each use of the token.
#[derive(Clone, Copy, Debug)]
pub(in crate::verify) struct Times {
    pub(super) expires_at: NumericDate,
    pub(super) not_before: Option<NumericDate>,
    pub(super) issued_at: Option<NumericDate>,
}

#[cfg(test)]
impl Times {
    pub(in crate::verify) fn for_tests() -> Self {
        Self {
            expires_at: NumericDate(0.0),
            not_before: None,
            issued_at: None,
        }
    }
}
