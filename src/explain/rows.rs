//! The checks of a mode, each with the token's value and the result.

use std::error::Error;

use super::cure::cure;
use super::facts::{Facts, Outcome, Rules};
use super::kinds::check_of;
use super::report::{Check, CheckName, CheckStatus, Explanation, Verdict};
use super::text::{moment, quoted, time, value};
use crate::error::{AuthError, AuthErrorKind};

/// The whole report.
pub(super) fn explanation(facts: &Facts) -> Explanation {
    let names = facts.names();
    let failed = facts.error().map(|error| {
        let name = check_of(error.kind());
        // If this mode has no such check, the first check gets the refusal.
        names.iter().position(|own| *own == name).unwrap_or(0)
    });
    let checks = names.iter().enumerate().map(|(place, name)| {
        let status = match failed {
            Some(failed) if place > failed => CheckStatus::NotReached,
            Some(failed) if place == failed => CheckStatus::Failed,
            _ => CheckStatus::Passed,
        };
        let error = facts.error();
        Check {
            name: *name,
            status,
            expected: facts.expected(*name),
            // The verifier can read a few values that cannot be shown.
            found: facts
                .found(*name, status)
                .or_else(|| (status != CheckStatus::NotReached).then(|| "nothing to show".into())),
            cure: error
                .filter(|_| status == CheckStatus::Failed)
                .map(|error| cure(error.kind(), facts)),
        }
    });
    Explanation {
        verdict: facts.verdict(),
        likeness: facts.likeness,
        checks: checks.collect(),
        notes: facts.notes(),
    }
}

impl Facts {
    fn verdict(&self) -> Verdict {
        match self.error() {
            None => Verdict::Good,
            Some(error) if error.retry_after().is_some() => Verdict::Unknown(error.kind()),
            Some(error) => Verdict::Refused(error.kind()),
        }
    }

    /// The checks of the mode, in the verifier's order.
    fn names(&self) -> Vec<CheckName> {
        let names: &[CheckName] = match (&self.rules, self.has_session) {
            (None, false) => &[CheckName::Mode],
            (None, true) => &[CheckName::Shape],
            (Some(_), _) => &[
                CheckName::Shape,
                CheckName::Header,
                CheckName::Claims,
                CheckName::Issuer,
                CheckName::Audience,
                CheckName::Times,
                CheckName::Client,
                CheckName::Key,
                CheckName::Signature,
                CheckName::Revocation,
            ],
        };
        let mut names = names.to_vec();
        let rules = self.rules.as_ref();
        if rules.is_some_and(|rules| rules.is_issuer_first) {
            names.sort_by_key(|name| match name {
                CheckName::Shape => 0,
                CheckName::Claims | CheckName::Issuer => 1,
                _ => 2,
            });
        }
        if self.has_custom_claims && self.rules.is_some() {
            names.push(CheckName::CustomClaims);
        }
        if self.has_session {
            names.push(CheckName::Session);
        }
        names
    }

    fn expected(&self, name: CheckName) -> Option<String> {
        let rules = self.rules.as_ref();
        Some(match name {
            CheckName::Mode => "a gateway that says who the user is".to_owned(),
            CheckName::Shape if rules.is_none() => {
                "one text without blanks, 8 KiB at most".to_owned()
            }
            CheckName::Shape => "three parts of base64url, 8 KiB at most".to_owned(),
            CheckName::Header => format!(
                "alg {}, typ at+jwt, a kid, none of crit, zip, b64",
                rules?.algorithms.join(" or ")
            ),
            CheckName::Claims => "a JSON object, each claim once and of its type".to_owned(),
            CheckName::Issuer => any_of(&rules?.issuers),
            CheckName::Audience => any_of(&rules?.audiences),
            CheckName::Times => format!(
                "exp in the future, nbf and iat in the past, within {}",
                time(rules?.leeway.as_secs_f64())
            ),
            CheckName::Client => match &rules?.client_ids {
                Some(ids) => format!("a user or a machine, client {}", any_of(ids)),
                None => "a user or a machine, of any client".to_owned(),
            },
            CheckName::Key => "a key that the project lists".to_owned(),
            CheckName::Signature => "the signature of that key".to_owned(),
            CheckName::Revocation => "no revocation".to_owned(),
            CheckName::CustomClaims => "the claims that the application reads".to_owned(),
            CheckName::Session => "a live session at Authgear".to_owned(),
        })
    }

    fn found(&self, name: CheckName, status: CheckStatus) -> Option<String> {
        let is_failed = status == CheckStatus::Failed;
        let is_passed = status == CheckStatus::Passed;
        let reading = &self.reading;
        let claim = |name| reading.claim(name).map(value);
        match name {
            CheckName::Mode => Some("a token".to_owned()),
            CheckName::Shape if is_failed => Some(match self.error() {
                Some(error) if error.kind() == AuthErrorKind::TokenTooLong => {
                    format!("{} bytes", reading.length)
                }
                _ => self.likeness.as_str().to_owned(),
            }),
            CheckName::Shape if self.rules.is_none() => is_passed.then(|| "one text".to_owned()),
            CheckName::Shape => Some(match reading.parts {
                1 => "one part".to_owned(),
                parts => format!("{parts} parts"),
            }),
            CheckName::Header => {
                let header = reading.header.as_ref();
                if header.is_none() && is_failed {
                    return Some("no JSON object".to_owned());
                }
                let member = |name: &str| {
                    let member = header?.get(name).map(value);
                    Some(format!("{name} {}", member.as_deref().unwrap_or("missing")))
                };
                let extension = ["crit", "zip", "b64"]
                    .into_iter()
                    .find(|name| header.is_some_and(|header| header.contains_key(*name)));
                let mut found = [member("alg")?, member("typ")?, member("kid")?].join(", ");
                if let Some(extension) = extension {
                    found.push_str(", ");
                    found.push_str(extension);
                }
                Some(found)
            }
            CheckName::Claims => match &reading.claims {
                Some(claims) if claims.contains_key("cnf") => {
                    Some("cnf: it is bound to a key of the client".to_owned())
                }
                Some(_) if is_failed => Some(
                    reading
                        .wrong_type()
                        .unwrap_or_else(|| "a duplicate claim".to_owned()),
                ),
                Some(_) => Some("a JSON object".to_owned()),
                None => is_failed.then(|| "no JSON object".to_owned()),
            },
            CheckName::Issuer => claim("iss"),
            CheckName::Audience => claim("aud"),
            CheckName::Times => self.times(),
            CheckName::Client => self.client(),
            CheckName::Key => match self.error() {
                Some(error) if is_failed => Some(causes(error)),
                _ => reading
                    .header("kid")
                    .filter(|_| is_passed)
                    .map(|kid| format!("kid {}", value(kid))),
            },
            CheckName::Signature if is_failed => self.error().map(ToString::to_string),
            CheckName::Signature => is_passed.then(|| "valid".to_owned()),
            CheckName::Revocation => match self.error() {
                Some(error) if is_failed => Some(causes(error)),
                _ => is_passed.then(|| "none".to_owned()),
            },
            CheckName::CustomClaims if is_failed => Some("claims of another type".to_owned()),
            CheckName::CustomClaims => is_passed.then(|| "they can be read".to_owned()),
            CheckName::Session => match &self.outcome {
                Outcome::Refused(error) => is_failed.then(|| causes(error)),
                Outcome::Machine => Some("a machine has none".to_owned()),
                Outcome::User { is_confirmed: true } => {
                    Some("confirmed by the resolver".to_owned())
                }
                Outcome::User {
                    is_confirmed: false,
                } => Some("not confirmed: the resolver is down, in the grace period".to_owned()),
            },
        }
    }

    fn times(&self) -> Option<String> {
        self.reading.claims.as_ref()?;
        let each = ["exp", "nbf", "iat"].into_iter().filter_map(|name| {
            let claim = self.reading.claim(name)?;
            Some(match claim.as_f64() {
                Some(at) => format!("{name} {}", moment(at, self.now)),
                None => format!("{name} {}", value(claim)),
            })
        });
        let found = each.collect::<Vec<_>>().join(", ");
        Some(if found.is_empty() {
            "no times".to_owned()
        } else {
            found
        })
    }

    fn client(&self) -> Option<String> {
        self.reading.claims.as_ref()?;
        let member = |name: &str| {
            let claim = self.reading.claim(name).map(value);
            format!("{name} {}", claim.as_deref().unwrap_or("missing"))
        };
        let role = if self.reading.is_of_machine() {
            "a machine"
        } else {
            "a user"
        };
        Some(format!(
            "{role}, {}, {}",
            member("sub"),
            member("client_id")
        ))
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.is_good_machine() {
            notes.push(
                "a machine's token: routes with `AuthClient` or `Principal` let it in, routes for \
                 users answer 403"
                    .to_owned(),
            );
        }
        let names_no_client = |rules: &Rules| rules.client_ids.is_none();
        if self.error().is_none()
            && !self.is_good_machine()
            && self.rules.as_ref().is_some_and(names_no_client)
        {
            notes.push(
                "tokens of every client of the project are let in, third-party ones too: name \
                 yours with `.client_ids([…])`"
                    .to_owned(),
            );
        }
        notes
    }
}

fn any_of(texts: &[String]) -> String {
    let shown: Vec<_> = texts
        .iter()
        .take(MAX_SHOWN)
        .map(|text| quoted(text))
        .collect();
    let more = if texts.len() > MAX_SHOWN {
        " or …"
    } else {
        ""
    };
    format!("{}{more}", shown.join(" or "))
}

const MAX_SHOWN: usize = 8;

/// An error with all its causes, as one line. The causes come from the configuration and the network.
fn causes(error: &AuthError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text.chars()
        .flat_map(|char| {
            let escaped = char.is_control().then(|| char.escape_default());
            let plain = escaped.is_none().then_some(char);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}
