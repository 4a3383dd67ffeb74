//! Credentials that the requests carry, good ones and bad ones.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum_authgear::testkit::{FakeAuthgear, SigningKey, TokenBuilder, User};

use crate::judge::Sender;
use crate::lane::Case;
use crate::ledger::lock;

/// What the servers allow for clocks that differ: `AUTHGEAR_LEEWAY_SECS`.
pub const LEEWAY: Duration = Duration::from_secs(2);
/// Of most tokens in mode `jwt`.
pub const LIFETIME: Duration = Duration::from_secs(150);

/// A token of the user that no session stands behind: with a million sessions it is the fake that would
/// grow.
pub fn token(fake: &FakeAuthgear, user: &User) -> TokenBuilder {
    fake.client_token("spa", fake.endpoint())
        .claim("sub", user.id())
        .lifetime(LIFETIME)
}

/// What is wrong with a token that was never good. The keys are those of the fake, and one that is not.
pub fn never_good(
    sender: Sender,
    fake: &FakeAuthgear,
    user: &User,
    foreign: &SigningKey,
    turn: usize,
) -> String {
    let token = token(fake, user);
    let now = fake.clock().now().unix().as_secs();
    match sender {
        Sender::Forged if turn.is_multiple_of(2) => token
            .signed_by(foreign)
            .kid(fake.signing_kid())
            .claim("iat", now)
            .sign(),
        Sender::Forged => token.tamper_signature().sign(),
        Sender::Garbage => match turn % 4 {
            0 => "garbage".to_owned(),
            1 => format!("a.{turn}.c"),
            2 => token.unsigned().header("alg", "none").sign(),
            _ => token.raw_claims("[]").sign(),
        },
        Sender::UnknownKey => token.signed_by(foreign).sign(),
        Sender::Expired => token.issued_at(now - 1_000).sign(),
        other => unreachable!("{other:?} was good once"),
    }
}

/// Requests that must be refused from a moment on.
#[derive(Default)]
pub struct Refused(Mutex<Cases>);

#[derive(Default)]
struct Cases {
    /// The oldest first.
    list: VecDeque<(Instant, Case)>,
    turn: usize,
}

impl Refused {
    /// Then they are forgotten: the key of a token is listed for as long at least, and a token that is
    /// refused for another reason says nothing.
    const KEPT: Duration = Duration::from_secs(120);

    pub fn add(&self, from: Instant, case: Case) {
        lock(&self.0).list.push_back((from, case));
    }

    /// One of them whose moment has come, by turns.
    pub fn next(&self) -> Option<Case> {
        let now = Instant::now();
        let Cases { list, turn } = &mut *lock(&self.0);
        while list
            .front()
            .is_some_and(|(from, _)| *from + Self::KEPT < now)
        {
            list.pop_front();
        }
        let due = list.iter().take_while(|(from, _)| *from <= now).count();
        *turn += 1;
        let (_, case) = list.get(turn.checked_rem(due)?)?;
        Some(case.clone())
    }
}

/// The keys of a fake that were listed one after the other: the first stays, and the latest four.
#[derive(Default)]
pub struct Rotation(Mutex<VecDeque<String>>);

impl Rotation {
    pub fn listed(&self, fake: &FakeAuthgear, kid: String) {
        let mut kids = lock(&self.0);
        kids.push_back(kid);
        if kids.len() > 4
            && let Some(kid) = kids.pop_front()
        {
            fake.remove_key(&kid);
        }
    }
}
