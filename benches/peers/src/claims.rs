//! What the others read of a token, and what a handler sees of it: no less than it needs to ask who the
//! caller is and what they may do.

use std::time::UNIX_EPOCH;

use huskarl_resource_server::validator::ValidatedRequest;
use huskarl_resource_server::validator::rfc9068::Rfc9068AccessTokenClaims;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
pub struct Claims {
    iss: String,
    sub: String,
    exp: u64,
    client_id: Option<String>,
    #[serde(default)]
    scope: String,
    auth_time: Option<u64>,
    #[serde(default)]
    amr: Vec<String>,
    #[serde(rename = "https://authgear.com/claims/user/is_anonymous", default)]
    is_anonymous: bool,
    #[serde(rename = "https://authgear.com/claims/user/is_verified", default)]
    is_verified: bool,
    #[serde(
        rename = "https://authgear.com/claims/user/can_reauthenticate",
        default
    )]
    can_reauthenticate: bool,
    #[serde(rename = "https://authgear.com/claims/user/roles", default)]
    roles: Vec<String>,
}

/// The same without those of RFC 9068, which huskarl reads itself.
#[derive(Clone, Debug, Deserialize)]
pub struct ExtraClaims {
    #[serde(rename = "https://authgear.com/claims/user/is_anonymous", default)]
    is_anonymous: bool,
    #[serde(rename = "https://authgear.com/claims/user/is_verified", default)]
    is_verified: bool,
    #[serde(
        rename = "https://authgear.com/claims/user/can_reauthenticate",
        default
    )]
    can_reauthenticate: bool,
    #[serde(rename = "https://authgear.com/claims/user/roles", default)]
    roles: Vec<String>,
}

/// Who calls, wherever a crate keeps it.
#[derive(Debug)]
pub struct User<'a> {
    pub id: &'a str,
    pub is_anonymous: bool,
    pub is_verified: bool,
    pub can_reauthenticate: bool,
    pub roles: &'a [String],
    pub scope: &'a str,
    pub amr: &'a [String],
    pub auth_time: Option<u64>,
    pub client_id: Option<&'a str>,
    pub expires_at: u64,
    pub issuer: &'a str,
}

impl Claims {
    pub fn user(&self) -> User<'_> {
        User {
            id: &self.sub,
            is_anonymous: self.is_anonymous,
            is_verified: self.is_verified,
            can_reauthenticate: self.can_reauthenticate,
            roles: &self.roles,
            scope: &self.scope,
            amr: &self.amr,
            auth_time: self.auth_time,
            client_id: self.client_id.as_deref(),
            expires_at: self.exp,
            issuer: &self.iss,
        }
    }
}

impl<'a> From<&'a ValidatedRequest<Rfc9068AccessTokenClaims<ExtraClaims>>> for User<'a> {
    fn from(token: &'a ValidatedRequest<Rfc9068AccessTokenClaims<ExtraClaims>>) -> Self {
        let (claims, extra) = (&token.claims, &token.claims.extra_claims);
        let end = token.exp.unwrap().duration_since(UNIX_EPOCH).unwrap();
        Self {
            id: token.sub.as_deref().unwrap(),
            is_anonymous: extra.is_anonymous,
            is_verified: extra.is_verified,
            can_reauthenticate: extra.can_reauthenticate,
            roles: &extra.roles,
            scope: claims.scope.as_deref().unwrap_or_default(),
            amr: &claims.amr,
            auth_time: claims.auth_time,
            client_id: Some(&claims.client_id),
            expires_at: end.as_secs(),
            issuer: token.iss.as_deref().unwrap(),
        }
    }
}
