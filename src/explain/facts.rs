//! What a report is made of: the verifier's outcome, the reading, and what is configured.

use std::time::Duration;

use super::reading::Reading;
use super::report::Likeness;
use crate::error::AuthError;
use crate::user::Principal;
use crate::verify::{Audiences, Validation, asymmetric_name};

/// All that a report is made of.
pub(super) struct Facts {
    pub(super) reading: Reading,
    pub(super) likeness: Likeness,
    /// What is configured. `None`: no token is read in this mode.
    pub(super) rules: Option<Rules>,
    pub(super) has_session: bool,
    pub(super) has_custom_claims: bool,
    /// Whether a known key of the project made the signature, whatever else holds.
    pub(super) is_signed_by_project: bool,
    pub(super) outcome: Outcome,
    pub(super) now: Duration,
}

impl Facts {
    /// Why the verifier refuses, if it does.
    pub(super) fn error(&self) -> Option<&AuthError> {
        match &self.outcome {
            Outcome::Refused(error) => Some(error),
            Outcome::Machine | Outcome::User { .. } => None,
        }
    }

    pub(super) fn is_good_machine(&self) -> bool {
        matches!(self.outcome, Outcome::Machine)
    }
}

/// What the verifier says.
pub(super) enum Outcome {
    Machine,
    User {
        /// Whether the resolver has confirmed the session.
        is_confirmed: bool,
    },
    Refused(AuthError),
}

impl<C> From<Result<Principal<C>, AuthError>> for Outcome {
    fn from(outcome: Result<Principal<C>, AuthError>) -> Self {
        match outcome {
            Ok(Principal::Client(_)) => Self::Machine,
            Ok(Principal::User(user)) => Self::User {
                is_confirmed: user.is_confirmed(),
            },
            Err(error) => Self::Refused(error),
        }
    }
}

/// What a token is compared with.
pub(super) struct Rules {
    pub(super) issuer: String,
    /// That one, and the former ones.
    pub(super) issuers: Vec<String>,
    pub(super) audiences: Vec<String>,
    pub(super) client_ids: Option<Vec<String>>,
    pub(super) algorithms: Vec<&'static str>,
    pub(super) leeway: Duration,
}

impl Rules {
    pub(super) fn of(validation: &Validation, audiences: Option<&Audiences>) -> Self {
        Self {
            issuer: validation.issuer.clone(),
            issuers: validation.issuers().map(str::to_owned).collect(),
            audiences: match audiences {
                Some(of_resource) => of_resource.to_vec(),
                None => validation.all_audiences().map(str::to_owned).collect(),
            },
            client_ids: validation.client_ids.clone(),
            algorithms: validation
                .algorithms
                .iter()
                .filter_map(|algorithm| asymmetric_name(*algorithm))
                .collect(),
            leeway: validation.leeway,
        }
    }
}
