//! One request, or one long connection, and whether its outcome is as promised.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::world::{Answers, LEEWAY, LIFETIME, Project, Token, World, issuer};
use crate::error::{AuthError, AuthErrorKind};
use crate::simulation::issuer::Attempt;
use crate::user::{NoClaims, Principal};
use crate::verify::{Requester, Verification};

/// After this time, what happened to a project costs its callers nothing any more, if its keys are
/// known.
const SETTLED: Duration = Duration::from_secs(25);
/// The shortest time between fetches that nobody asks for.
const REFRESH: Duration = Duration::from_secs(216);
/// Long enough for what waits to begin again some times.
const LONGEST: Duration = Duration::from_secs(45);

pub(super) async fn verify(world: &World, token: &str) -> Result<Principal<NoClaims>, AuthError> {
    let now = world.clock.now();
    let requester = Requester::default;
    match world
        .set
        .verify(token.as_bytes(), now, None, || None, requester)
    {
        Verification::Ready(outcome) => outcome,
        Verification::Pending(pending) => pending.await,
    }
}

/// `is_own`: the project has signed it.
pub(super) async fn request(world: Arc<World>, token: Token, is_own: bool) -> Result<(), String> {
    let began = Instant::now();
    let number = token.project;
    let was_settled = world.with(number, |project| {
        let is_known = project.knows(token.key);
        if !(is_own && is_known) {
            // It may be asked for.
            project.disturbed_at = began;
        }
        is_own && is_known && project.is_settled(began)
    });
    let outcome = verify(&world, &token.text).await;
    let waited = began.elapsed();
    let now = world.unix_now();
    let wrong = world.with(number, |project| {
        let stayed_settled = was_settled && project.disturbed_at < began;
        let is_revoked = project
            .revoked
            .get(token.user)
            .is_some_and(|at| *at >= token.issued_at);
        let is_expired = now >= token.issued_at + LIFETIME + LEEWAY.as_secs();
        if waited > LONGEST {
            return Some("waited for too long");
        }
        if stayed_settled && !waited.is_zero() {
            return Some("waited, and all was well with its project");
        }
        if stayed_settled && !is_revoked && !is_expired && outcome.is_err() {
            return Some("was refused, and all was well with its project");
        }
        judge(&outcome, project, &token, is_own, began)
    });
    wrong.map_or(Ok(()), |wrong| {
        Err(format!("{wrong}: {outcome:?} after {waited:?}, {token:?}"))
    })
}

fn judge(
    outcome: &Result<Principal<NoClaims>, AuthError>,
    project: &Project,
    token: &Token,
    is_own: bool,
    began: Instant,
) -> Option<&'static str> {
    let is_revoked = || {
        let at = project.revoked.get(token.user);
        at.is_some_and(|at| *at >= token.issued_at)
    };
    let error = match outcome {
        Ok(Principal::Client(_)) => return Some("a machine"),
        Ok(Principal::User(user)) => {
            return match project.setup {
                None => Some("let in, and its project is out"),
                Some(setup) if !setup.allows_client => Some("let in against the options"),
                _ if user.issuer() != issuer(token.project) => Some("of another project"),
                _ if token.key != token.signer || !project.knows(token.key) => Some("a bad token"),
                _ if is_revoked() => Some("let in, and revoked"),
                Some(_) => None,
            };
        }
        Err(error) => error,
    };
    let was_out = project.setup.is_none() || project.out_at >= began;
    let was_listed = is_own && project.lists(token.key, token.issued_at);
    match error.kind() {
        AuthErrorKind::WrongIssuer if !was_out => Some("its project was in all the time"),
        AuthErrorKind::ClientNotAllowed
            if project.setup.is_none_or(|setup| setup.allows_client)
                && project.disallowed_at.is_none_or(|at| at < began) =>
        {
            Some("its client was allowed all the time")
        }
        AuthErrorKind::Revoked if !is_revoked() => Some("nobody has revoked it"),
        AuthErrorKind::UnknownKey | AuthErrorKind::BadSignature if was_listed => {
            Some("a good token is refused")
        }
        AuthErrorKind::KeysUnavailable | AuthErrorKind::SessionUnavailable
            if error.retry_after().is_none() =>
        {
            Some("says not when to come again")
        }
        AuthErrorKind::WrongIssuer
        | AuthErrorKind::ClientNotAllowed
        | AuthErrorKind::Revoked
        | AuthErrorKind::UnknownKey
        | AuthErrorKind::BadSignature
        | AuthErrorKind::Expired
        | AuthErrorKind::KeysUnavailable
        | AuthErrorKind::SessionUnavailable => None,
        _ => Some("another kind"),
    }
}

impl Project {
    /// Whether the last good fetch has brought that key.
    pub(super) fn knows(&self, key: usize) -> bool {
        let state = self.issuer.state();
        let good = |attempt: &Attempt| attempt.ended.as_ref()?.1.clone();
        let last = state.attempts.iter().rev().find_map(good);
        last.is_some_and(|keys| keys.contains(&key))
    }

    /// Whether that key has been listed since that time, in Unix seconds.
    fn lists(&self, key: usize, since: u64) -> bool {
        let is_listed = self.issuer.state().listed.contains(&key);
        is_listed && self.listed_since.get(&key).is_some_and(|at| *at <= since)
    }

    /// Whether nothing has happened to it lately.
    fn is_settled(&self, now: Instant) -> bool {
        self.setup.is_some_and(|setup| setup.allows_client)
            && self.issuer.state().fault.is_none()
            && self.resolver.answers() == Answers::Well
            && self.disturbed_at + SETTLED <= now
    }
}

impl World {
    /// Nobody fetches the keys of a project that is out, and what happens to others makes nobody fetch
    /// those of one that is in.
    pub(super) fn check_fetches(&self, number: usize) -> Result<(), String> {
        let project = &self.projects()[number];
        let state = project.issuer.state();
        let since = |from: Instant| {
            let begun = state.attempts.iter().filter(|attempt| attempt.at > from);
            begun.count()
        };
        if project.setup.is_none() {
            let fetches = since(project.out_at);
            return match fetches {
                0 => Ok(()),
                _ => Err(format!(
                    "{fetches} fetches of project {number}, which is out"
                )),
            };
        }
        // Retries may go on for a while after what was in their way.
        let from = project.disturbed_at + Duration::from_secs(60);
        let calm = Instant::now().saturating_duration_since(from);
        let most = calm.div_duration_f64(REFRESH) + 1.0;
        let fetches = since(from);
        if state.fault.is_none() && f64::from(u32::try_from(fetches).unwrap()) > most {
            return Err(format!(
                "{fetches} fetches of project {number} within {calm:?}"
            ));
        }
        Ok(())
    }
}

/// A long connection of a user who was let in.
pub(super) struct Stream {
    token: Token,
    /// Its project at that time was in without a gap as long as this is what it says.
    out_at: Instant,
    opened: Instant,
    was_live: bool,
    ended: JoinHandle<AuthError>,
}

impl Stream {
    /// `None`: the user was not let in.
    pub(super) async fn open(world: &Arc<World>, token: &Token) -> Option<Self> {
        let Ok(Principal::User(user)) = verify(world, &token.text).await else {
            world.disturb(token.project, |_| ());
            return None;
        };
        let world = Arc::clone(world);
        let (out_at, setup) = world.with(token.project, |project| (project.out_at, project.setup));
        Some(Self {
            token: token.clone(),
            out_at,
            opened: Instant::now(),
            was_live: setup.is_some_and(|setup| setup.is_live),
            ended: tokio::spawn(async move { world.verifier.ended(&user, None).await }),
        })
    }

    /// The stream, if it goes on.
    pub(super) async fn check(self, world: &World) -> Result<Option<Self>, String> {
        let token = &self.token;
        if !self.ended.is_finished() {
            let is_out = world.with(token.project, |project| project.setup.is_none());
            return if is_out {
                Err(format!("goes on, and its project is out: {token:?}"))
            } else {
                Ok(Some(self))
            };
        }
        let error = self.ended.await.map_err(|error| error.to_string())?;
        let wrong = world.with(token.project, |project| {
            let was_out = project.setup.is_none() || project.out_at != self.out_at;
            let was_disturbed = project.disturbed_at >= self.opened;
            match error.kind() {
                AuthErrorKind::WrongIssuer => !was_out,
                // It cannot be asked about.
                AuthErrorKind::SessionInvalid => self.was_live || !was_disturbed,
                AuthErrorKind::Revoked => {
                    let at = project.revoked.get(token.user);
                    at.is_none_or(|at| *at < token.issued_at)
                }
                AuthErrorKind::Expired => world.unix_now() < token.issued_at + LIFETIME,
                AuthErrorKind::ClientNotAllowed => {
                    project.disallowed_at.is_none_or(|at| at < self.opened)
                }
                AuthErrorKind::UnknownKey
                | AuthErrorKind::KeysUnavailable
                | AuthErrorKind::SessionUnavailable => !was_disturbed,
                _ => true,
            }
        });
        if wrong {
            return Err(format!("a stream has ended: {error:?}, {token:?}"));
        }
        Ok(None)
    }
}
