//! The parts of a report: the verifier's outcome, the reading, and the configuration.

use std::time::Duration;

use super::reading::Reading;
use super::report::Likeness;
use crate::error::AuthError;
use crate::user::Principal;
use crate::verify::{Audiences, Validation, asymmetric_name};

/// All parts of a report.
pub(super) struct Facts {
    pub(super) reading: Reading,
    pub(super) likeness: Likeness,
    /// The configuration. `None`: this mode reads no token.
    pub(super) rules: Option<Rules>,
    pub(super) has_session: bool,
    pub(super) has_custom_claims: bool,
    /// Whether the signature is valid under a known key of the project.
    pub(super) is_signed_by_project: bool,
    pub(super) outcome: Outcome,
    pub(super) now: Duration,
}

impl Facts {
    /// The verifier's error, if it refuses the token.
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

/// The outcome of the verifier.
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

/// The configuration for the checks of a token.
pub(super) struct Rules {
    /// The endpoint of the token's project. `None`: it is none of several projects.
    pub(super) issuer: Option<String>,
    /// All trusted issuers, with the former ones.
    pub(super) issuers: Vec<String>,
    /// Whether the issuer is checked before the header, because it selects one of several projects.
    pub(super) is_issuer_first: bool,
    pub(super) audiences: Vec<String>,
    pub(super) client_ids: Option<Vec<String>>,
    pub(super) algorithms: Vec<&'static str>,
    pub(super) leeway: Duration,
}

impl Rules {
    /// The rules of `project`, or of `all` if there is none.
    pub(super) fn of<'v>(
        project: Option<&'v Validation>,
        all: impl Iterator<Item = &'v Validation> + Clone,
        audiences: Option<&Audiences>,
    ) -> Self {
        let compared: Vec<&Validation> = match project {
            Some(project) => vec![project],
            None => all.clone().collect(),
        };
        let compared = compared.iter();
        let clients = compared.clone().map(|own| own.client_ids.clone());
        let algorithms = compared.clone().flat_map(|own| &own.algorithms);
        Self {
            issuer: project.map(|project| project.issuer.clone()),
            is_issuer_first: all.clone().count() != 1,
            issuers: distinct(all.flat_map(Validation::issuers).map(str::to_owned)),
            audiences: match audiences {
                Some(of_resource) => of_resource.to_vec(),
                None => distinct(
                    compared
                        .clone()
                        .flat_map(|own| own.all_audiences())
                        .map(str::to_owned),
                ),
            },
            // If one project accepts every client, every client is accepted.
            client_ids: clients
                .collect::<Option<Vec<_>>>()
                .map(|all| distinct(all.into_iter().flatten())),
            algorithms: distinct(algorithms.filter_map(|own| asymmetric_name(*own))),
            leeway: compared.map(|own| own.leeway).max().unwrap_or_default(),
        }
    }
}

/// Each element once, in the order of first occurrence.
fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for one in all {
        if !distinct.contains(&one) {
            distinct.push(one);
        }
    }
    distinct
}
