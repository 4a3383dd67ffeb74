//! The claims about the bearer of a credential, a user or a machine.

use std::sync::Arc;

use serde::Deserialize;

use super::claim_text::{Span, SpanList, Text, TextReader};
use super::scope_inclusions::ScopeInclusions;
use crate::macros::redacted_debug;

/// All that the crate reads from a credential.
///
/// Only `verify` makes it, and it leaves that module only after the signature was checked. The default
/// fails closed: it has no claims, and counts as anonymous.
#[derive(Default)]
pub(crate) struct Identity {
    pub(crate) text: Text,
    pub(crate) subject: Span,
    pub(crate) issuer: Span,
    /// The issuer in the token, if it is not the endpoint.
    pub(crate) former_issuer: Option<Span>,
    pub(crate) client_id: Option<Span>,
    pub(crate) token_id: Option<Span>,
    pub(crate) scope: Span,
    /// The scope inclusions that the API declares. They are not in the credential.
    pub(crate) scope_inclusions: Option<Arc<ScopeInclusions>>,
    pub(crate) audiences: SpanList,
    pub(crate) roles: SpanList,
    pub(crate) amr: SpanList,
    /// The parts of each actor, the first actor first.
    pub(crate) actors: SpanList,
    /// Not an anonymous user. What no credential says fails closed.
    pub(crate) is_identified: bool,
    pub(crate) is_verified: bool,
    pub(crate) can_reauthenticate: bool,
    pub(crate) auth_time: Option<NumericDate>,
    pub(crate) issued_at: Option<NumericDate>,
    pub(crate) expires_at: Option<NumericDate>,
}

impl Identity {
    /// An empty identity of this issuer.
    pub(crate) fn of_issuer(issuer: &str) -> Self {
        let text = issuer.to_owned();
        let mut reader = TextReader::new(&text);
        Self {
            issuer: reader.span(&text),
            text: reader.finish(text),
            ..Self::default()
        }
    }

    pub(crate) fn subject(&self) -> &str {
        self.text.get(self.subject)
    }

    pub(crate) fn issuer(&self) -> &str {
        self.text.get(self.issuer)
    }

    /// Sets the current name of the issuer.
    pub(crate) fn set_issuer(&mut self, issuer: &str) {
        if self.issuer() != issuer {
            self.former_issuer = Some(self.issuer);
            self.issuer = self.text.append(issuer);
        }
    }

    /// The issuer in the token.
    pub(crate) fn named_issuer(&self) -> &str {
        self.text.get(self.former_issuer.unwrap_or(self.issuer))
    }

    pub(crate) fn client_id(&self) -> Option<&str> {
        self.client_id.map(|span| self.text.get(span))
    }

    pub(crate) fn token_id(&self) -> Option<&str> {
        self.token_id.map(|span| self.text.get(span))
    }

    /// RFC 6749 §3.3: separated by spaces.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> + Clone + '_ {
        self.text
            .get(self.scope)
            .split(' ')
            .filter(|scope| !scope.is_empty())
    }

    /// Whether the token has this scope, or one that includes it.
    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        let inclusions = self.scope_inclusions.as_deref();
        self.scopes().any(|own| {
            own == scope || inclusions.is_some_and(|inclusions| inclusions.includes(own, scope))
        })
    }

    pub(crate) fn audiences(&self) -> impl ExactSizeIterator<Item = &str> + Clone + '_ {
        self.text.list(self.audiences)
    }

    pub(crate) fn roles(&self) -> impl ExactSizeIterator<Item = &str> + Clone + '_ {
        self.text.list(self.roles)
    }

    pub(crate) fn amr(&self) -> impl ExactSizeIterator<Item = &str> + Clone + '_ {
        self.text.list(self.amr)
    }

    pub(super) fn actor_count(&self) -> usize {
        self.text.list(self.actors).len() / ActorPart::COUNT
    }

    pub(super) fn actor_part(&self, actor: usize, part: ActorPart) -> Option<&str> {
        let position = actor * ActorPart::COUNT + part as usize;
        let text = self.text.list(self.actors).nth(position)?;
        (!text.is_empty()).then_some(text)
    }
}

/// The claims of an actor. One list has the claims of all actors, in this order.
#[derive(Clone, Copy)]
pub(crate) enum ActorPart {
    Subject,
    Issuer,
    ClientId,
}

impl ActorPart {
    pub(crate) const COUNT: usize = 3;
}

// Claims must not be logged.
redacted_debug!(Identity);

/// RFC 7519 §2: seconds since the Unix epoch, with an optional fraction.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, PartialOrd)]
#[serde(transparent)]
pub(crate) struct NumericDate(pub(crate) f64);

impl NumericDate {
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact for any date of the next million years"
    )]
    pub(crate) fn from_unix(seconds: u64) -> Self {
        Self(seconds as f64)
    }

    /// Whole seconds, rounded down; 0 before 1970, and the largest number if it does not fit.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, which is what is wanted"
    )]
    pub(crate) fn unix_seconds(self) -> u64 {
        self.0.floor() as u64
    }
}
