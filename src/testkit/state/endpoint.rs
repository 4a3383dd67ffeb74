//! [`Endpoint`]: the endpoints of a fake.

/// What can be made to fail, and is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`.
    Discovery,
    /// `/oauth2/jwks`.
    Jwks,
    /// `/_resolver/resolve` and `/resolve`.
    Resolver,
}
