//! The inside of a token: its claims, read in one pass.

use std::fmt;

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
    /// Reads decoded claims: a JSON object whose members that we read are each there at most once
    /// and of the right type.
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

/// The identity in claims that nobody has verified: for a caller that a test makes.
#[cfg(feature = "testkit")]
pub(crate) fn unverified_identity(claims: String) -> Identity {
    let claims = Claims::parse(claims);
    claims.expect("claims of the right types").identity
}

/// The claims that we read.
#[derive(Clone, Copy)]
pub(in crate::verify) enum Claim {
    Issuer,
    Subject,
    Audience,
    Expiry,
    NotBefore,
    IssuedAt,
    TokenId,
    ClientId,
    Scope,
    AuthTime,
    Amr,
    Confirmation,
    Actor,
    IsAnonymous,
    IsVerified,
    CanReauthenticate,
    Roles,
}

impl Claim {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "iss" => Self::Issuer,
            "sub" => Self::Subject,
            "aud" => Self::Audience,
            "exp" => Self::Expiry,
            "nbf" => Self::NotBefore,
            "iat" => Self::IssuedAt,
            "jti" => Self::TokenId,
            "client_id" => Self::ClientId,
            "scope" => Self::Scope,
            "auth_time" => Self::AuthTime,
            "amr" => Self::Amr,
            "cnf" => Self::Confirmation,
            "act" => Self::Actor,
            _ => match name.strip_prefix("https://authgear.com/claims/user/")? {
                "is_anonymous" => Self::IsAnonymous,
                "is_verified" => Self::IsVerified,
                "can_reauthenticate" => Self::CanReauthenticate,
                "roles" => Self::Roles,
                _ => return None,
            },
        })
    }

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
        while let Some(Name(claim)) = members.next_key()? {
            let Some(claim) = claim else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            seen.add(claim)?;
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
                Claim::IsAnonymous => identity.is_anonymous = members.next_value()?,
                Claim::IsVerified => identity.is_verified = members.next_value()?,
                Claim::CanReauthenticate => identity.can_reauthenticate = members.next_value()?,
                // RFC 7519 §4.1.3: one audience may stand alone.
                Claim::Audience => identity.audiences = list(&mut members, reader, true, false)?,
                Claim::Amr => identity.amr = list(&mut members, reader, false, false)?,
                // A server that has no roles to tell may say `null`.
                Claim::Roles => identity.roles = list(&mut members, reader, false, true)?,
                Claim::Actor => {
                    let mark = reader.mark();
                    members.next_value_seed(ActorReader::new(reader))?;
                    identity.actors = reader.list_since(mark);
                }
                Claim::Confirmation => {
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

/// The name of a member, if it is one that we read; escapes in it make no difference.
struct Name(Option<Claim>);

impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
                Ok(Name(Claim::from_name(name)))
            }
        }

        deserializer.deserialize_identifier(NameVisitor)
    }
}

/// The claims that are compared with the clock, each time that the token comes.
#[derive(Clone, Copy, Debug)]
pub(in crate::verify) struct Times {
    pub(super) expires_at: NumericDate,
    pub(super) not_before: Option<NumericDate>,
    pub(super) issued_at: Option<NumericDate>,
}
