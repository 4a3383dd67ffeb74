//! Who acts for the user of a token.

use super::identity::Identity;
use crate::macros::redacted_debug;

/// Who acts for the user, by the claim `act` of the token (RFC 8693 §4.1): another service or user
/// that was given the token in exchange for one of the user's.
///
/// Only the outermost actor, which [`AuthUser::actor`](crate::AuthUser::actor) gives, may decide
/// anything; the ones before it are for the record. The subject of an actor is one of the token's
/// issuer, unless [`issuer`](Self::issuer) names another.
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
    /// Of the list, which begins with the first actor.
    position: usize,
}

impl<'u> Actor<'u> {
    /// The one who acts now.
    pub(super) fn current(identity: &'u Identity) -> Option<Self> {
        let position = identity.actor_count().checked_sub(1)?;
        Some(Self { identity, position })
    }

    /// The actor's `sub`.
    #[must_use]
    pub fn subject(&self) -> Option<&'u str> {
        self.part(Part::Subject)
    }

    /// The actor's `iss`: whose subject it is, where it is not one of the token's issuer.
    #[must_use]
    pub fn issuer(&self) -> Option<&'u str> {
        self.part(Part::Issuer)
    }

    /// The actor's `client_id`.
    #[must_use]
    pub fn client_id(&self) -> Option<&'u str> {
        self.part(Part::ClientId)
    }

    /// Who acted before this one, and handed the token on.
    #[must_use]
    pub fn previous(&self) -> Option<Self> {
        let position = self.position.checked_sub(1)?;
        Some(Self { position, ..*self })
    }

    fn part(&self, part: Part) -> Option<&'u str> {
        self.identity.actor_part(self.position, part)
    }
}

/// What the crate reads of an actor. The parts of all actors stand in one list, in this order.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Subject,
    Issuer,
    ClientId,
}

impl Part {
    pub(crate) const COUNT: usize = 3;
}

// Shows no claim.
redacted_debug!(Actor<'_>);
