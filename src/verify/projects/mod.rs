//! The projects whose tokens count: one as a rule, or several.
//!
//! A token's issuer (`iss`) names the project, whose header rules, keys, times and revocations then
//! decide. It is read once, by the parser of the claims; there is no other reader that could find
//! another issuer. Projects come and go while requests run: the table is replaced as a whole, and a
//! project that was taken out ends whatever still waits for it.

mod changes;
mod health;
mod project;
mod resources;
#[cfg(test)]
pub(super) mod stub;
mod table;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;

pub(crate) use self::project::TrustedProject;
pub(crate) use self::resources::ProjectResources;
use self::table::Table;
use super::jwt::cache::{TokenDigest, VerifiedToken};
use super::jwt::claims::{Claim, Claims};
use super::jwt::expectation;
use super::jwt::jws::{Jws, MAX_TOKEN};
use super::jwt::{Audiences, Outcome, TokenCache};
use super::resolver::Requester;
use super::verification::{PendingVerification, Verification};
use crate::clock::Timestamp;
use crate::error::{AuthError, AuthErrorKind};
use crate::secret::Secret;
use crate::telemetry::{self, Cache};
use crate::user::{AuthUser, CredentialForm, Principal, VerifiedBy};

/// The projects whose tokens count.
pub(crate) struct ProjectSet<C> {
    table: ArcSwap<Table<C>>,
    /// Held by those who change the table, and by no request.
    changing: Mutex<()>,
    cache: Option<TokenCache<C>>,
    /// What further projects are made with. `None`: there will be none.
    resources: Option<ProjectResources<C>>,
}

/// What is asked about a token.
#[derive(Clone, Copy)]
struct Question<'q> {
    /// What it must be for, instead of what the project names.
    audiences: Option<&'q Audiences>,
    /// Whether the answer is kept for those who ask after this one.
    keeps: bool,
}

/// The same, for as long as it waits.
struct Asked {
    token: Secret,
    audiences: Option<Audiences>,
    keeps: bool,
    requester: Requester,
}

/// How far a verification comes without waiting.
enum Started<C> {
    Done(Result<Principal<C>, AuthError>),
    Waits(Arc<TrustedProject<C>>, PendingVerification<C>),
}

impl<C: Send + Sync + 'static> ProjectSet<C> {
    /// # Errors
    /// The issuer that two of the projects have in common.
    pub(crate) fn new(
        projects: impl IntoIterator<Item = TrustedProject<C>>,
        cache: Option<TokenCache<C>>,
        resources: Option<ProjectResources<C>>,
    ) -> Result<Self, Box<str>> {
        let mut table = Table::default();
        for project in projects {
            table.insert(&Arc::new(project))?;
        }
        if let Some(cache) = &cache {
            cache.divide_among(table.len());
        }
        Ok(Self {
            table: ArcSwap::from_pointee(table),
            changing: Mutex::default(),
            cache,
            resources,
        })
    }

    /// Verifies a token that is for one of `audiences`, or else of the project's own. If it is no good,
    /// `malformed` has the first say about the reason: the characters of a good one need not be looked
    /// at once more.
    pub(crate) fn verify(
        self: &Arc<Self>,
        token: &[u8],
        now: Timestamp,
        audiences: Option<&Audiences>,
        malformed: impl FnOnce() -> Option<AuthErrorKind>,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        let question = Question {
            audiences,
            keeps: true,
        };
        self.answer(question, token, now, malformed, requester)
    }

    /// Verifies a token as [`verify`](Self::verify) does, for who only wants to know: what is kept is
    /// used, and neither token nor answer is kept.
    pub(crate) fn verify_without_keeping(
        self: &Arc<Self>,
        token: &[u8],
        now: Timestamp,
        audiences: Option<&Audiences>,
        malformed: impl FnOnce() -> Option<AuthErrorKind>,
    ) -> Verification<C> {
        let question = Question {
            audiences,
            keeps: false,
        };
        self.answer(question, token, now, malformed, Requester::default)
    }

    fn answer(
        self: &Arc<Self>,
        question: Question<'_>,
        token: &[u8],
        now: Timestamp,
        malformed: impl FnOnce() -> Option<AuthErrorKind>,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        let mut asked_by = None;
        let requester = || asked_by.insert(requester()).clone();
        let started = self.start(question, token, now, requester);
        let (project, pending) = match started {
            Ok(Started::Done(outcome)) => return Verification::Ready(outcome),
            Ok(Started::Waits(project, pending)) => (project, pending),
            Err(error) => {
                let error = malformed().map_or(error, AuthError::from);
                return Verification::Ready(Err(error));
            }
        };
        // Only text gets as far as here.
        let token = Secret::new(String::from_utf8_lossy(token));
        let asked = Asked {
            token,
            audiences: question.audiences.cloned(),
            keeps: question.keeps,
            requester: asked_by.unwrap_or_default(),
        };
        let following = Arc::clone(self).follow(project, pending, asked);
        Verification::Pending(Box::pin(following))
    }

    /// Verifies Authgear's own cookies, which name no issuer: only where one project takes them.
    pub(crate) fn verify_cookies(
        &self,
        cookies: &str,
        now: Timestamp,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        match self.sole().as_deref().and_then(TrustedProject::live) {
            Some(live) => {
                live.verify_cookies(CredentialForm::SessionCookies, cookies, now, requester)
            }
            None => Verification::Ready(Err(AuthErrorKind::SessionInvalid.into())),
        }
    }

    /// # Errors
    /// What makes the token no good.
    fn start(
        &self,
        question: Question<'_>,
        token: &[u8],
        now: Timestamp,
        requester: impl FnOnce() -> Requester,
    ) -> Result<Started<C>, AuthError> {
        let Question { audiences, keeps } = question;
        if token.len() > MAX_TOKEN {
            return Err(AuthErrorKind::TokenTooLong.into());
        }
        let jws = Jws::split(token)?;
        let slot = self
            .cache
            .as_ref()
            .map(|cache| (cache, cache.digest(token)));
        if let Some((cache, digest)) = slot {
            let known = find_known(cache, digest, audiences, now);
            if keeps {
                telemetry::looked_up(Cache::Tokens, known.is_some());
            }
            if let Some((known, outcome)) = known {
                outcome?;
                let principal = known.principal.clone();
                let project = known.project();
                return Ok(project.confirm(principal, keeps, token, now, requester));
            }
        }
        let table = self.table.load();
        let (project, claims) = choose(&table, jws)
            .inspect_err(|kind| expectation::log_issuers(*kind, || table.issuers()))?;
        match project.jwt().verify(jws, claims, audiences, now)? {
            Outcome::Verified(verified) => {
                let principal = verified.principal.clone();
                if let Some((cache, digest)) = slot
                    && keeps
                {
                    let token = VerifiedToken::new(project, verified, audiences.is_none());
                    cache.insert(digest, token);
                    // Whoever took the project out meanwhile may have looked before it was there.
                    if !project.is_in() {
                        cache.remove(digest);
                    }
                }
                Ok(project.confirm(principal, keeps, token, now, requester))
            }
            Outcome::Waits { kid, issued_at } => {
                let token = str::from_utf8(token).map_err(|_| AuthErrorKind::MalformedToken)?;
                let asked = Asked {
                    token: Secret::new(token),
                    audiences: audiences.cloned(),
                    keeps,
                    requester: project.live().map(|_| requester()).unwrap_or_default(),
                };
                let waiting = Arc::clone(project).verify_later(asked, kid, issued_at);
                Ok(Started::Waits(Arc::clone(project), Box::pin(waiting)))
            }
        }
    }

    /// Waits for the outcome, and begins again where the project was replaced meanwhile: whatever a
    /// project says after it was taken out does not count.
    async fn follow(
        self: Arc<Self>,
        mut project: Arc<TrustedProject<C>>,
        mut pending: PendingVerification<C>,
        asked: Asked,
    ) -> Result<Principal<C>, AuthError> {
        for _ in 0..MAX_REPLACEMENTS {
            if let Some(outcome) = project.while_in(pending).await {
                return outcome;
            }
            let now = project.jwt().clock.now();
            let question = Question {
                audiences: asked.audiences.as_ref(),
                keeps: asked.keeps,
            };
            let requester = || asked.requester.clone();
            match self.start(question, asked.token.expose().as_bytes(), now, requester)? {
                Started::Done(outcome) => return outcome,
                Started::Waits(next, others) => (project, pending) = (next, others),
            }
        }
        Err(being_replaced(AuthErrorKind::KeysUnavailable))
    }

    /// Checks once more a user who was let in some time ago.
    pub(crate) async fn recheck(
        &self,
        user: &AuthUser<C>,
        audiences: Option<&Audiences>,
    ) -> Result<AuthUser<C>, AuthError> {
        for _ in 0..MAX_REPLACEMENTS {
            let project = self.find(user.issuer()).ok_or(AuthErrorKind::WrongIssuer)?;
            // What ends tokens ends no session that came by a cookie, and a request with one does not
            // ask whether it has.
            if user.verified().method == VerifiedBy::Jwt {
                project.jwt().recheck(user.verified(), audiences)?;
            }
            let Some(live) = project.live() else {
                return Ok(user.clone());
            };
            if let Some(outcome) = project.while_in(live.recheck(user)).await {
                return outcome;
            }
        }
        Err(being_replaced(AuthErrorKind::SessionUnavailable))
    }

    /// What further projects are made with, if there may be any.
    pub(crate) fn resources(&self) -> Option<&ProjectResources<C>> {
        self.resources.as_ref()
    }

    /// The project of this issuer.
    pub(crate) fn find(&self, issuer: &str) -> Option<Arc<TrustedProject<C>>> {
        self.table.load().find(issuer).cloned()
    }

    /// The only project, if there is one alone.
    pub(crate) fn sole(&self) -> Option<Arc<TrustedProject<C>>> {
        self.table.load().sole().cloned()
    }

    /// All projects, in the order of their issuers.
    pub(crate) fn all(&self) -> Vec<Arc<TrustedProject<C>>> {
        self.table.load().all()
    }
}

/// Whether a token still counts, or why it does not.
type Checked = Result<(), AuthError>;

/// A token that was verified before, if it need not be verified once more.
fn find_known<C>(
    cache: &TokenCache<C>,
    digest: TokenDigest,
    audiences: Option<&Audiences>,
    now: Timestamp,
) -> Option<(Arc<VerifiedToken<C>>, Checked)> {
    let known = cache.get(digest)?;
    let project = known.project();
    let outcome = if project.is_in() {
        project.jwt().check_known(&known, audiences, now)
    } else {
        None
    };
    if let Some(outcome) = outcome {
        return Some((known, outcome));
    }
    cache.remove(digest);
    None
}

/// The project that must verify a token, and the claims if they were read to find out.
fn choose<'t, C>(
    table: &'t Table<C>,
    jws: Jws<'_>,
) -> Result<(&'t Arc<TrustedProject<C>>, Option<Claims>), AuthErrorKind> {
    // It compares the issuer itself, after it has looked at the header.
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

/// How often one question is begun again because its project was replaced.
const MAX_REPLACEMENTS: usize = 8;

/// The project is in, and was replaced so often that nobody can say what the credential is worth.
fn being_replaced(kind: AuthErrorKind) -> AuthError {
    AuthError::unavailable(kind, Duration::from_secs(1), None)
}

impl<C> fmt::Debug for ProjectSet<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectSet")
            .field("table", &self.table.load())
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
