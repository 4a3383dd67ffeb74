//! Why a requirement is not met, and which of two reasons the response names.

use crate::error::{AuthError, AuthErrorKind, ChallengeHints};
use crate::user::{ScopeInclusions, join_scopes};

/// The refusal of a requirement, with text borrowed from it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Denial<'r> {
    pub(super) kind: AuthErrorKind,
    pub(super) scopes: Vec<&'r str>,
    pub(super) max_age: Option<u64>,
    pub(super) acr_values: Vec<&'r str>,
}

/// What the caller can do about a refusal. A larger value means less.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Remedy {
    /// The user signs in again.
    Authenticate,
    /// The client requests a token with more scopes.
    AskForScopes,
    Nothing,
}

impl<'r> Denial<'r> {
    pub(super) fn new(kind: AuthErrorKind) -> Self {
        Self {
            kind,
            scopes: Vec::new(),
            max_age: None,
            acr_values: Vec::new(),
        }
    }

    /// The result of a requirement with these missing scopes.
    pub(super) fn for_scopes(missing: Vec<&'r str>) -> Result<(), Self> {
        if missing.is_empty() {
            return Ok(());
        }
        Err(Self {
            scopes: missing,
            ..Self::new(AuthErrorKind::InsufficientScope)
        })
    }

    /// If both must be met: the refusal that the caller can do less about. So no user signs in again in
    /// vain.
    pub(super) fn for_all(self, other: Self) -> Self {
        match self.remedy().cmp(&other.remedy()) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Greater => self,
            std::cmp::Ordering::Equal => self.together_with(other),
        }
    }

    /// If one is enough: the refusal that the caller can do more about, or the first one if they are alike.
    pub(super) fn for_any(self, other: Self) -> Self {
        if other.remedy() < self.remedy() {
            other
        } else {
            self
        }
    }

    /// Both at once: a caller who does what the challenge asks for then meets both.
    fn together_with(mut self, other: Self) -> Self {
        self.scopes.extend(other.scopes);
        self.max_age = match (self.max_age, other.max_age) {
            (Some(own), Some(others)) => Some(own.min(others)),
            (own, others) => own.or(others),
        };
        if self.acr_values.is_empty() {
            self.acr_values = other.acr_values;
        }
        self
    }

    pub(super) fn is_about_authentication(&self) -> bool {
        self.remedy() == Remedy::Authenticate
    }

    /// The error, whose hints ask for no more than these scopes: see [`join_scopes`].
    pub(super) fn into_error(self, inclusions: Option<&ScopeInclusions>) -> AuthError {
        let acr_values = self.acr_values;
        AuthError::denied(
            self.kind,
            ChallengeHints {
                scope: join_scopes(&self.scopes, inclusions),
                max_age: self.max_age,
                acr_values: (!acr_values.is_empty()).then(|| acr_values.join(" ")),
            },
        )
    }

    fn remedy(&self) -> Remedy {
        match self.kind {
            AuthErrorKind::AuthenticationTooOld | AuthErrorKind::AuthenticationTooWeak => {
                Remedy::Authenticate
            }
            AuthErrorKind::InsufficientScope => Remedy::AskForScopes,
            _ => Remedy::Nothing,
        }
    }
}
