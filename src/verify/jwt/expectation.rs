//! The expected values for a refused token: for the log, at DEBUG.
//!
//! The configuration is no secret. Of the token itself, only the difference of a time is logged.

use std::time::Duration;

use super::claims::Times;
use super::validation::{Audiences, Validation, name};
use crate::error::AuthErrorKind as Kind;
use crate::telemetry::{self, Expectation};

/// Logs it, if DEBUG is on. `times` are the token's, if they could be parsed.
#[cold]
pub(super) fn log(
    validation: &Validation,
    kind: Kind,
    audiences: Option<&Audiences>,
    times: Option<&Times>,
    now: Duration,
) {
    if !telemetry::is_debug() {
        return;
    }
    let expected = match kind {
        Kind::WrongIssuer | Kind::MissingIssuer => {
            Some(list(&validation.issuers().collect::<Vec<_>>()))
        }
        Kind::WrongAudience | Kind::MissingAudience => Some(match audiences {
            Some(of_resource) => list(of_resource),
            None => list(&validation.all_audiences().collect::<Vec<_>>()),
        }),
        Kind::ClientNotAllowed => validation.client_ids.as_deref().map(list),
        Kind::AlgorithmNotAllowed => {
            let names = validation.algorithms.iter().copied().filter_map(name);
            Some(list(&names.collect::<Vec<_>>()))
        }
        Kind::WrongTokenType => Some("at+jwt".to_owned()),
        _ => None,
    };
    let off = |time: f64| whole_seconds((time - now.as_secs_f64()).abs());
    let seconds_off = times.and_then(|times| match kind {
        Kind::Expired => Some(off(times.expires_at.0)),
        Kind::NotYetValid => times.not_before.map(|time| off(time.0)),
        Kind::IssuedInFuture => times.issued_at.map(|time| off(time.0)),
        _ => None,
    });
    if expected.is_some() || seconds_off.is_some() {
        telemetry::token_refused(&Expectation {
            kind,
            issuer: Some(&validation.issuer),
            expected,
            seconds_off,
            leeway_secs: validation.leeway.as_secs(),
        });
    }
}

/// Logs the trusted issuers, if there are several projects.
#[cold]
pub(in crate::verify) fn log_issuers(kind: Kind, issuers: impl FnOnce() -> Vec<String>) {
    if telemetry::is_debug() && matches!(kind, Kind::WrongIssuer | Kind::MissingIssuer) {
        telemetry::token_refused(&Expectation {
            kind,
            issuer: None,
            expected: Some(list(&issuers())),
            seconds_off: None,
            leeway_secs: 0,
        });
    }
}

/// The members, without the rest of a very long list.
fn list<T: AsRef<str>>(members: &[T]) -> String {
    let shown: Vec<&str> = members.iter().take(MAX_SHOWN).map(AsRef::as_ref).collect();
    let mut list = shown.join(", ");
    if members.len() > MAX_SHOWN {
        list.push_str(", ...");
    }
    list
}

const MAX_SHOWN: usize = 20;

#[expect(
    clippy::cast_possible_truncation,
    reason = "as much as there can be is enough"
)]
fn whole_seconds(seconds: f64) -> i64 {
    seconds as i64
}
