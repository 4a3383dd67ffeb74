//! The actor in a token.

use super::identity::{ActorPart, Identity};
use crate::macros::redacted_debug;

/// The actor in the claim `act` of a token (RFC 8693 §4.1): another service or user that acts for the user,
/// after a token exchange.
///
/// Only the outermost actor, from [`AuthUser::actor`](crate::AuthUser::actor), may decide about access;
/// earlier actors are information. The subject of an actor belongs to the token's issuer, unless
/// [`issuer`](Self::issuer) names another.
///
/// ```
/// # use axum_authgear::AuthUser;
/// fn describe(user: &AuthUser) -> String {
///     match user.actor().and_then(|actor| actor.subject()) {
///         Some(actor) => format!("{actor} for {}", user.id()),
///         None => user.id().to_owned(),
///     }
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Actor<'u> {
    identity: &'u Identity,
    /// The position in the list, which begins with the first actor.
    position: usize,
}

impl<'u> Actor<'u> {
    /// The current actor.
    pub(super) fn current(identity: &'u Identity) -> Option<Self> {
        let position = identity.actor_count().checked_sub(1)?;
        Some(Self { identity, position })
    }

    /// The actor's `sub`.
    #[must_use]
    pub fn subject(&self) -> Option<&'u str> {
        self.part(ActorPart::Subject)
    }

    /// The actor's `iss`: the issuer of its subject, if it is not the token's issuer.
    #[must_use]
    pub fn issuer(&self) -> Option<&'u str> {
        self.part(ActorPart::Issuer)
    }

    /// The actor's `client_id`.
    #[must_use]
    pub fn client_id(&self) -> Option<&'u str> {
        self.part(ActorPart::ClientId)
    }

    /// The previous actor, who passed the token on.
    #[must_use]
    pub fn previous(&self) -> Option<Self> {
        let position = self.position.checked_sub(1)?;
        Some(Self { position, ..*self })
    }

    fn part(&self, part: ActorPart) -> Option<&'u str> {
        self.identity.actor_part(self.position, part)
    }
}

// Shows no claim.
redacted_debug!(Actor<'_>);
