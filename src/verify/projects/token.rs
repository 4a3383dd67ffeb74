//! The verification of a token, by the project that its issuer names.
//!
//! The issuer is parsed once, by the parser of the claims. There is no second parser that could find another
//! issuer.

use std::sync::Arc;

use super::cache::{CachedToken, TokenCache};
use super::digest::TokenDigest;
use super::project::{Asked, TrustedProject};
use super::table::Table;
use super::{MAX_REPLACEMENTS, ProjectSet, being_replaced};
use crate::clock::Timestamp;
use crate::error::{AuthError, AuthErrorKind};
use crate::secret::Secret;
use crate::telemetry::{self, Cache};
use crate::user::Principal;
use crate::verify::jwt::claims::{Claim, Claims};
use crate::verify::jwt::expectation;
use crate::verify::jwt::jws::{Jws, MAX_TOKEN};
use crate::verify::jwt::{Audiences, Outcome};
use crate::verify::resolver::Requester;
use crate::verify::verification::{PendingVerification, Verification};

/// The parameters of a token's verification.
#[derive(Clone, Copy)]
struct Question<'q> {
    /// The required audience, instead of the project's own.
    audiences: Option<&'q Audiences>,
    /// Whether the result is cached for later requests.
    keeps: bool,
    /// The remaining number of restarts.
    restarts: usize,
}

impl<C: Send + Sync + 'static> ProjectSet<C> {
    /// Verifies a token that is for one of `audiences`, or else for the project's own. If it is refused,
    /// `malformed` can give another reason: then the characters of a valid token are not checked twice.
    pub(crate) fn verify(
        self: &Arc<Self>,
        token: &[u8],
        now: Timestamp,
        audiences: Option<&Audiences>,
        malformed: impl FnOnce() -> Option<AuthErrorKind>,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        self.answer(audiences, true, token, now, malformed, requester)
    }

    /// Verifies a token as [`verify`](Self::verify) does. It uses cached results, but caches neither token
    /// nor answer.
    pub(crate) fn verify_without_keeping(
        self: &Arc<Self>,
        token: &[u8],
        now: Timestamp,
        audiences: Option<&Audiences>,
        malformed: impl FnOnce() -> Option<AuthErrorKind>,
    ) -> Verification<C> {
        self.answer(audiences, false, token, now, malformed, Requester::default)
    }

    fn answer(
        self: &Arc<Self>,
        audiences: Option<&Audiences>,
        keeps: bool,
        token: &[u8],
        now: Timestamp,
        malformed: impl FnOnce() -> Option<AuthErrorKind>,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        let question = Question {
            audiences,
            keeps,
            restarts: MAX_REPLACEMENTS,
        };
        match self.start(question, token, now, requester) {
            Ok(verification) => verification,
            Err(error) => {
                let error = malformed().map_or(error, AuthError::from);
                Verification::Ready(Err(error))
            }
        }
    }

    /// # Errors
    /// The reason for the refusal.
    fn start(
        self: &Arc<Self>,
        question: Question<'_>,
        token: &[u8],
        now: Timestamp,
        requester: impl FnOnce() -> Requester,
    ) -> Result<Verification<C>, AuthError> {
        let Question {
            audiences, keeps, ..
        } = question;
        if token.len() > MAX_TOKEN {
            return Err(AuthErrorKind::TokenTooLong.into());
        }
        let jws = Jws::split(token)?;
        // No digest for garbage. A token whose header begins in another way is verified each time.
        let cache = self.cache.as_ref().filter(|_| jws.looks_like_jwt());
        let slot = cache.map(|cache| (cache, cache.digest(token)));
        if let Some((cache, digest)) = slot {
            let known = find_known(cache, digest, audiences, now);
            if keeps {
                telemetry::looked_up(Cache::Tokens, known.is_some());
            }
            if let Some((known, outcome)) = known {
                let project = known.project();
                let principal = outcome.map(|()| known.verified.principal.clone());
                return Ok(self.conclude(project, principal, question, token, now, requester));
            }
        }
        let table = self.table.load();
        let (project, claims) = choose(&table, jws)
            .inspect_err(|kind| expectation::log_issuers(*kind, || table.issuers()))?;
        let outcome = project.jwt().verify(jws, claims, audiences, now);
        if keeps && outcome.as_ref().is_err_and(names_the_project) {
            project.tell(&outcome);
        }
        match outcome? {
            Outcome::Verified(verified) => {
                let principal = verified.principal.clone();
                if let Some((cache, digest)) = slot
                    && keeps
                    && cache.record_verification(digest, project)
                {
                    let token = CachedToken::new(project, verified, audiences.is_none());
                    cache.insert(digest, token);
                    // A concurrent removal of the project can have cleared the cache before this insertion.
                    if !project.is_in() {
                        cache.remove(digest);
                    }
                }
                Ok(self.conclude(project, Ok(principal), question, token, now, requester))
            }
            Outcome::Waits { kid, issued_at } => {
                let requester = project.live().map(|_| requester()).unwrap_or_default();
                let asked = question.kept(token, requester);
                let later = question.kept(token, asked.requester.clone());
                let pending = Arc::clone(project).verify_later(later, kid, issued_at);
                Ok(self.wait(project, Box::pin(pending), asked, question.restarts))
            }
        }
    }

    /// The remaining steps after the token was verified.
    fn conclude(
        self: &Arc<Self>,
        project: &Arc<TrustedProject<C>>,
        verified: Result<Principal<C>, AuthError>,
        question: Question<'_>,
        token: &[u8],
        now: Timestamp,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        let mut asked_by = None;
        let requester = || asked_by.insert(requester()).clone();
        let verification = match verified {
            Ok(principal) => project.confirm(principal, question.keeps, token, now, requester),
            Err(error) => Verification::Ready(Err(error)),
        };
        match verification {
            Verification::Ready(outcome) => {
                if question.keeps {
                    project.tell(&outcome);
                }
                Verification::Ready(outcome)
            }
            Verification::Pending(pending) => {
                let asked = question.kept(token, asked_by.unwrap_or_default());
                self.wait(project, pending, asked, question.restarts)
            }
        }
    }

    fn wait(
        self: &Arc<Self>,
        project: &Arc<TrustedProject<C>>,
        pending: PendingVerification<C>,
        asked: Asked,
        restarts: usize,
    ) -> Verification<C> {
        let waiting = Arc::clone(self).follow(Arc::clone(project), pending, asked, restarts);
        Verification::Pending(Box::pin(waiting))
    }

    /// Waits for the outcome, and restarts if the project was replaced meanwhile: an outcome of a removed
    /// project does not count.
    async fn follow(
        self: Arc<Self>,
        project: Arc<TrustedProject<C>>,
        pending: PendingVerification<C>,
        asked: Asked,
        restarts: usize,
    ) -> Result<Principal<C>, AuthError> {
        if let Some(outcome) = project.while_in(pending).await {
            if asked.keeps {
                project.tell(&outcome);
            }
            return outcome;
        }
        let now = project.jwt().clock.now();
        // The old value is not needed any more, and the next steps can take time.
        drop(project);
        let Some(restarts) = restarts.checked_sub(1) else {
            return Err(being_replaced(AuthErrorKind::KeysUnavailable));
        };
        let question = Question {
            audiences: asked.audiences.as_ref(),
            keeps: asked.keeps,
            restarts,
        };
        let token = asked.token.expose().as_bytes();
        match self.start(question, token, now, || asked.requester.clone())? {
            Verification::Ready(outcome) => outcome,
            Verification::Pending(pending) => pending.await,
        }
    }
}

impl Question<'_> {
    fn kept(self, token: &[u8], requester: Requester) -> Asked {
        Asked {
            // Only text can reach the wait.
            token: Secret::new(String::from_utf8_lossy(token)),
            audiences: self.audiences.cloned(),
            keeps: self.keeps,
            requester,
        }
    }
}

/// Whether a token is still valid, or why not.
type Checked = Result<(), AuthError>;

/// A verified token, if it need not be verified again.
fn find_known<C>(
    cache: &TokenCache<C>,
    digest: TokenDigest,
    audiences: Option<&Audiences>,
    now: Timestamp,
) -> Option<(Arc<CachedToken<C>>, Checked)> {
    let known = cache.get(digest)?;
    let project = known.project();
    if !project.is_in() {
        cache.remove(digest);
        return None;
    }
    // Else the entry stays: an outage of the keys ends.
    let outcome =
        project
            .jwt()
            .check_known(&known.verified, known.is_for_project, audiences, now)?;
    Some((known, outcome))
}

/// Whether a refused token names the project that refused it: the only project refuses other issuers, too.
fn names_the_project(error: &AuthError) -> bool {
    !matches!(
        error.kind(),
        AuthErrorKind::WrongIssuer | AuthErrorKind::MissingIssuer
    )
}

/// The project that must verify a token, and the claims if they were already parsed.
fn choose<'t, C>(
    table: &'t Table<C>,
    jws: Jws<'_>,
) -> Result<(&'t Arc<TrustedProject<C>>, Option<Claims>), AuthErrorKind> {
    // The project compares the issuer itself, after it has checked the header.
    if let Some(project) = table.sole() {
        return Ok((project, None));
    }
    let claims = Claims::parse(jws.claims()?)?;
    if !claims.has(Claim::Issuer) {
        return Err(AuthErrorKind::MissingIssuer);
    }
    let project = table
        .find(claims.identity.issuer())
        .ok_or(AuthErrorKind::WrongIssuer)?;
    Ok((project, Some(claims)))
}
