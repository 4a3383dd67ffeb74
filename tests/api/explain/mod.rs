//! `explain`: its verdict is the layer's, and what it says beside it helps and leaks nothing.

mod claims;
mod cures;
mod modes;
mod texts;

use axum_authgear::explain::{Check, CheckName, CheckStatus, Explanation, Verdict};
use axum_authgear::testkit::{Clock, FakeAuthgear, User};
use axum_authgear::{AuthErrorKind, Authgear, AuthgearBuilder};

use crate::support::{Answer, api, get};

const NOW: u64 = 1_800_000_000;
/// What the machines' tokens are for.
const RESOURCE: &str = "https://api.example.com";

/// A fake whose clock stands still, and a user of it.
struct World {
    fake: FakeAuthgear,
    alice: User,
}

impl World {
    async fn new() -> Self {
        let clock = Clock::frozen_at(NOW);
        let fake = FakeAuthgear::builder().clock(clock).start().await;
        let alice = fake.add_user(User::new("alice"));
        Self { fake, alice }
    }

    fn builder(&self) -> AuthgearBuilder {
        Authgear::builder(self.fake.endpoint())
            .dangerous()
            .clock(self.fake.clock().clone())
    }
}

/// What the layer does with a bearer, in the words of a verdict.
fn verdict_of(answer: &Answer) -> Verdict {
    match (answer.kind, answer.status.as_u16()) {
        (None, 200) => Verdict::Good,
        (Some(kind), 503) => Verdict::Unknown(kind),
        (Some(kind), _) => Verdict::Refused(kind),
        other => panic!("{other:?}"),
    }
}

/// Explains a token after the layer has judged it, and holds the one against the other.
pub async fn explain(authgear: &Authgear, token: &str) -> Explanation {
    let explanation = authgear.explain(token).await;
    let answer = get(&api(authgear), "/any", token).await;
    assert_eq!(
        explanation.verdict(),
        verdict_of(&answer),
        "{token}\n{explanation}"
    );
    assert_consistent(&explanation);
    explanation
}

/// Whether the rows fit the verdict, and one another.
pub fn assert_consistent(explanation: &Explanation) {
    let statuses: Vec<_> = explanation.checks().iter().map(Check::status).collect();
    let failed = statuses
        .iter()
        .position(|status| *status == CheckStatus::Failed);
    assert_eq!(
        failed.is_none(),
        explanation.verdict() == Verdict::Good,
        "{explanation}"
    );
    for (place, check) in explanation.checks().iter().enumerate() {
        let wanted = match failed {
            Some(failed) if place > failed => CheckStatus::NotReached,
            Some(failed) if place == failed => CheckStatus::Failed,
            _ => CheckStatus::Passed,
        };
        assert_eq!(check.status(), wanted, "{explanation}");
        assert_eq!(check.cure().is_some(), wanted == CheckStatus::Failed);
        if wanted != CheckStatus::NotReached {
            assert!(
                check.expected().is_some() && check.found().is_some(),
                "{check}"
            );
        }
    }
    assert_printed(explanation);
}

/// Whether the printed form is one line for each check, then the cure, then the verdict.
fn assert_printed(explanation: &Explanation) {
    let text = explanation.to_string();
    let mut lines = text.lines().skip_while(|line| line.starts_with("note: "));
    for check in explanation.checks() {
        let mark = match check.status() {
            CheckStatus::Passed => "ok ",
            CheckStatus::Failed => "FAILED ",
            _ => "- ",
        };
        let line = lines.next().unwrap();
        assert!(line.starts_with(mark), "{line}");
        assert!(line[8..].starts_with(check.name().as_str()), "{line}");
        assert!(line.len() < 1_000, "{}: {line}", line.len());
    }
    if let Some(cure) = explanation.cure() {
        assert_eq!(lines.next(), Some(&*format!("cure: {cure}")));
        assert!(cure.len() < 400 && !cure.is_empty(), "{cure}");
    }
    let verdict = match explanation.verdict() {
        Verdict::Good => "verdict: good".to_owned(),
        Verdict::Refused(kind) => format!("verdict: refused: {}", kind.as_str()),
        _ => "verdict: unknown".to_owned(),
    };
    assert_eq!(lines.next(), Some(&*verdict), "{text}");
    assert_eq!(lines.next(), None, "{text}");
}

fn failed(explanation: &Explanation) -> Option<&Check> {
    let mut checks = explanation.checks().iter();
    checks.find(|check| check.status() == CheckStatus::Failed)
}

/// Whether it is refused for this, by this check, and the cure says this.
#[track_caller]
fn assert_refused(explanation: &Explanation, kind: AuthErrorKind, check: CheckName, cure: &str) {
    assert_eq!(
        explanation.verdict(),
        Verdict::Refused(kind),
        "{explanation}"
    );
    assert_eq!(
        failed(explanation).map(Check::name),
        Some(check),
        "{explanation}"
    );
    let own = explanation.cure().unwrap();
    assert!(own.contains(cure), "{cure:?} is missing: {own}");
}
