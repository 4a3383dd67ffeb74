//! The live session: a JWT that is verified here, and whose session the resolver has confirmed
//! within a bound.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::jwt::JwtVerifier;
use super::resolver::{
    Answer, CallError, Keep, MAX_COUNT, Requester, Resolver, Sessions, check, unavailable,
};
use super::verification::Verification;
use crate::clock::Moment;
use crate::error::{AuthError, AuthErrorKind, ConfigError};
use crate::user::{
    AuthUser, CredentialForm, Digest, Identity, Principal, Session, SessionCredential, Verified,
    VerifiedBy,
};

/// How sessions are kept confirmed, for
/// [`AuthgearBuilder::live_sessions`](crate::AuthgearBuilder::live_sessions).
///
/// ```
/// # use std::time::Duration;
/// # use axum_authgear::{Authgear, LiveSessions};
/// # async fn build() -> Result<(), axum_authgear::ConfigError> {
/// let authgear = Authgear::builder("https://my-project.authgear.cloud")
///     .client_ids(["spa", "mobile"])
///     .live_sessions(LiveSessions::within(Duration::from_secs(10)))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "this does nothing until it is given to a builder"]
pub struct LiveSessions {
    pub(crate) bound: Duration,
    pub(crate) grace: Duration,
    pub(crate) session_cookies: bool,
    pub(crate) max_sessions: usize,
    pub(crate) resolver: Resolver,
}

impl LiveSessions {
    /// A session must have been confirmed within this time, counted from when the question was sent:
    /// a disabled user is out no later. 10 seconds are a good choice.
    ///
    /// While its user is active, a session is confirmed anew in the background once half of the
    /// bound is over; a request waits for the resolver only with a token that is new here, or when
    /// the bound has passed.
    pub fn within(bound: Duration) -> Self {
        Self {
            bound,
            grace: Duration::ZERO,
            session_cookies: false,
            max_sessions: 65_536,
            resolver: Resolver::new(),
        }
    }

    /// While the resolver is away, lets the JWT count alone for this long, counted from when that was
    /// found out. Default: zero: 503 as soon as the bound has passed.
    ///
    /// A probe finds it out, whose credential is an invented one: a connection that cannot be made or
    /// is cut, no answer within the timeout, or a status of 500 to 599. One is sent as soon as a
    /// question fails, and the request waits for its word; one question that fails while probes are
    /// answered is that request's 503. So is every failed question where the probe meets another
    /// status or an answer that makes no sense: then something answers, and nothing is away.
    ///
    /// In that time a user who was disabled stays in until the token expires, and
    /// [`verified_by`](crate::AuthUser::verified_by) is `jwt`. What the resolver said last of a
    /// session still counts: its roles, and that it has ended.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Also takes Authgear's own cookies, after all other sources: for an API that serves both
    /// mobile applications (with a JWT) and a website on the same parent domain. They are
    /// [one credential](Resolver::cookie_prefix). The resolver says whose it is, with the same bound;
    /// there is no grace for it.
    ///
    /// The client of such a session is not known, so that
    /// [`client_ids`](crate::AuthgearBuilder::client_ids) are not asked of it: the cookies are
    /// Authgear's own.
    pub fn session_cookies(mut self) -> Self {
        self.session_cookies = true;
        self
    }

    /// Remembers at most so many sessions, those in use first. Default: 65,536. One takes some
    /// 0.5 KiB, and as much again as its token is long (1 KiB as a rule); 24 KiB at the very most. A
    /// session that is forgotten is asked for again.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions;
        self
    }

    /// How the resolver is asked. Its cache plays no part here: the bound does.
    pub fn through(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let invalid = |option, value: Duration, reason| {
            Err(ConfigError::invalid(option, format!("{value:?}"), reason))
        };
        if self.bound.is_zero() {
            return invalid(
                "live_sessions",
                self.bound,
                "is zero: use the resolver alone",
            );
        }
        if self.bound > MAX_BOUND {
            return invalid("live_sessions", self.bound, "is longer than an hour");
        }
        if self.grace > MAX_GRACE {
            return invalid("grace", self.grace, "is longer than a day");
        }
        if !(1..=MAX_COUNT).contains(&self.max_sessions) {
            return Err(ConfigError::invalid(
                "max_sessions",
                self.max_sessions.to_string(),
                "is not between one and a million",
            ));
        }
        if !self.resolver.cache.is_zero() {
            return Err(ConfigError::Conflict {
                option: "cache",
                reason: "live sessions keep answers for as long as their bound says",
            });
        }
        self.resolver.check()
    }

    pub(crate) fn keep(&self) -> Keep {
        Keep {
            capacity: self.max_sessions,
            good: self.bound,
            nobody: MAX_NOBODY.min(self.bound / 2),
        }
    }
}

const MAX_BOUND: Duration = Duration::from_secs(60 * 60);
const MAX_GRACE: Duration = Duration::from_secs(24 * 60 * 60);
/// A fault at Authgear can make a good session nobody's for a moment.
const MAX_NOBODY: Duration = Duration::from_secs(2);

/// Verifies JWTs with the project's keys, and their sessions by the resolver.
pub(crate) struct LiveVerifier<C> {
    jwt: Arc<JwtVerifier<C>>,
    sessions: Arc<Sessions>,
    bound: Duration,
    grace: Duration,
    /// What there is of a user without a token. `None`: Authgear's cookies are not taken.
    cookie_base: Option<Arc<Verified<C>>>,
}

impl<C: Send + Sync + 'static> LiveVerifier<C> {
    pub(crate) fn new(
        jwt: Arc<JwtVerifier<C>>,
        sessions: Arc<Sessions>,
        options: &LiveSessions,
        cookie_base: Option<Arc<Verified<C>>>,
    ) -> Self {
        Self {
            jwt,
            sessions,
            bound: options.bound,
            grace: options.grace,
            cookie_base,
        }
    }

    pub(crate) fn jwt(&self) -> &Arc<JwtVerifier<C>> {
        &self.jwt
    }

    pub(crate) fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// How old a confirmation may be.
    pub(crate) fn bound(&self) -> Duration {
        self.bound
    }

    /// After this time a session is confirmed anew.
    pub(crate) fn half(&self) -> Duration {
        self.bound / 2
    }

    pub(crate) fn verify(
        self: &Arc<Self>,
        form: CredentialForm,
        value: &str,
        now: Moment,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        if form != CredentialForm::Bearer {
            return match (&self.cookie_base, check(form, value)) {
                (Some(base), Ok(())) => {
                    let user = AuthUser::new(Arc::clone(base));
                    self.confirm(user, form, value, now, requester)
                }
                (_, Err(kind)) => Verification::Done(Err(kind.into())),
                (None, _) => Verification::Done(Err(AuthErrorKind::SessionInvalid.into())),
            };
        }
        match self.jwt.verify(value.as_bytes(), now, || None) {
            Verification::Done(Ok(Principal::User(user))) => {
                self.confirm(user, form, value, now, requester)
            }
            // The resolver knows no machines.
            done @ Verification::Done(_) => done,
            Verification::Waiting(pending) => {
                let this = Arc::clone(self);
                let credential = new_credential(form, value);
                let requester = requester();
                Verification::Waiting(Box::pin(async move {
                    match pending.await? {
                        Principal::User(user) => {
                            let user = this.confirm_now(user, credential, requester).await?;
                            Ok(Principal::User(user))
                        }
                        machine @ Principal::Client(_) => Ok(machine),
                    }
                }))
            }
        }
    }

    /// Lets a verified user pass whose session is confirmed, and asks where it is not.
    fn confirm(
        self: &Arc<Self>,
        user: AuthUser<C>,
        form: CredentialForm,
        value: &str,
        now: Moment,
        requester: impl FnOnce() -> Requester,
    ) -> Verification<C> {
        let digest = form.digest(value);
        if let Some(answer) = self.sessions.current(&digest, now, self.bound) {
            if let Some(session) = answer.session()
                && let Some(credential) = &session.credential
                && answer.age(now) >= self.half()
                && answer.claim_renewal()
            {
                let credential = Arc::clone(credential);
                let requester = requester();
                requester.hand_over(&answer);
                self.sessions
                    .renew(credential, requester.client, self.half());
            } else if !answer.set_cookies().is_empty() {
                requester().hand_over(&answer);
            }
            return Verification::Done(Self::conclude(user, &answer).map(Principal::User));
        }
        let requester = requester();
        let credential = Arc::new(SessionCredential::new(form, value, digest));
        if self.is_in_grace(&user) {
            // Nobody waits for a resolver that is known to be away; it is asked all the same.
            self.sessions
                .renew(Arc::clone(&credential), requester.client, self.bound);
            let outcome = self.without_resolver(user, credential, self.sessions.error());
            return Verification::Done(outcome.map(Principal::User));
        }
        let this = Arc::clone(self);
        Verification::Waiting(Box::pin(async move {
            let user = this.confirm_now(user, credential, requester).await?;
            Ok(Principal::User(user))
        }))
    }

    async fn confirm_now(
        &self,
        user: AuthUser<C>,
        credential: Arc<SessionCredential>,
        requester: Requester,
    ) -> Result<AuthUser<C>, AuthError> {
        let client = requester.client.clone();
        let asked = self
            .sessions
            .ask(Arc::clone(&credential), client, self.bound);
        match asked.await {
            Ok(answer) => {
                requester.hand_over(&answer);
                Self::conclude(user, &answer)
            }
            Err(error) if self.grace_opens(&user, &error).await => {
                self.without_resolver(user, credential, Some(error))
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    fn conclude(user: AuthUser<C>, answer: &Answer) -> Result<AuthUser<C>, AuthError> {
        let session = answer.session().ok_or(AuthErrorKind::SessionInvalid)?;
        let is_of_token = user.verified().method == VerifiedBy::Jwt;
        let user_id = session.identity.as_deref().map(Identity::subject);
        if is_of_token && user_id != Some(user.verified().identity.subject()) {
            return Err(AuthErrorKind::SessionMismatch.into());
        }
        Ok(user.with_session(Some(Arc::clone(session))))
    }

    /// Whether the resolver has been away for no longer than the grace, and the user has a token
    /// that can stand alone.
    fn is_in_grace(&self, user: &AuthUser<C>) -> bool {
        self.may_have_grace(user)
            && self
                .sessions
                .away_for()
                .is_some_and(|time| time < self.grace)
    }

    /// The same, once a probe has said whether a question has failed because of the resolver.
    async fn grace_opens(&self, user: &AuthUser<C>, error: &CallError) -> bool {
        if self.may_have_grace(user) && self.sessions.away_for().is_none() {
            self.sessions.verdict(error).await;
        }
        self.is_in_grace(user)
    }

    fn may_have_grace(&self, user: &AuthUser<C>) -> bool {
        !self.grace.is_zero() && user.verified().method == VerifiedBy::Jwt
    }

    /// The token alone, and what the resolver said last.
    fn without_resolver(
        &self,
        user: AuthUser<C>,
        credential: Arc<SessionCredential>,
        error: Option<Arc<CallError>>,
    ) -> Result<AuthUser<C>, AuthError> {
        let last = match self.sessions.last(credential.digest()) {
            // It had ended already: that it came back is for the resolver to say.
            Some(answer) if answer.session().is_none() => {
                return Err(unavailable(
                    error.unwrap_or_else(|| Arc::new(CallError::Late)),
                ));
            }
            Some(answer) => Some(Self::conclude(user.clone(), &answer)?),
            None => None,
        };
        let last = last.as_ref().and_then(AuthUser::session);
        let session = Session {
            identity: last.and_then(|session| session.identity.clone()),
            credential: Some(credential),
            confirmed_at: None,
        };
        Ok(user.with_session(Some(Arc::new(session))))
    }

    /// Checks a user once more: the token, and the session if it was confirmed longer ago than half
    /// of the bound.
    pub(crate) async fn recheck(&self, user: &AuthUser<C>) -> Result<AuthUser<C>, AuthError> {
        // What ends tokens ends no session that came by a cookie, and a request with one does not
        // ask whether it has.
        if user.verified().method == VerifiedBy::Jwt {
            self.jwt.recheck(user.verified())?;
        }
        let bare = AuthUser::new(Arc::clone(user.shared()));
        let Some(credential) = user
            .session()
            .and_then(|session| session.credential.clone())
        else {
            return Ok(bare);
        };
        let client = super::resolver::Client::default();
        let answer = match self
            .sessions
            .ask(Arc::clone(&credential), client, self.half())
            .await
        {
            Ok(answer) => answer,
            Err(error) => {
                let now = self.sessions.clock().now();
                match self.sessions.current(credential.digest(), now, self.bound) {
                    Some(answer) => answer,
                    None if self.grace_opens(user, &error).await => {
                        return self.without_resolver(bare, credential, Some(error));
                    }
                    None => return Err(unavailable(error)),
                }
            }
        };
        let again = Self::conclude(bare, &answer)?;
        // A cookie's session has no token to compare with.
        if again.id() == user.id() {
            Ok(again)
        } else {
            Err(AuthErrorKind::SessionMismatch.into())
        }
    }
}

fn new_credential(form: CredentialForm, value: &str) -> Arc<SessionCredential> {
    let digest: Digest = form.digest(value);
    Arc::new(SessionCredential::new(form, value, digest))
}

impl<C> fmt::Debug for LiveVerifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveVerifier")
            .field("jwt", &self.jwt)
            .field("sessions", &self.sessions)
            .field("bound", &self.bound)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}
