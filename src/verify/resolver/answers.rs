//! The answers of the resolver, and how long they are used.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use super::bounded_map::BoundedMap;
use super::call::CallError;
use super::options::CachePolicy;
use crate::clock::Timestamp;
use crate::credential::session_cookies;
use crate::macros::redacted_debug;
use crate::user::{CredentialForm, Digest, NumericDate, Session, SessionCredential};
use crate::verify::jwt::claims::Claims;
use crate::verify::jwt::jws::Jws;
use crate::verify::session_headers::{self, SessionHeaders};

/// One answer of the resolver.
pub(crate) struct Answer {
    /// The start of the call: the answer does not reflect later changes at Authgear.
    asked_at: Timestamp,
    /// `None`: there is no session with this credential.
    session: Option<Arc<Session>>,
    /// The expiry of the credential, from its token.
    expires_at: Option<NumericDate>,
    set_cookies: Box<[HeaderValue]>,
    is_being_renewed: AtomicBool,
}

impl Answer {
    pub(super) fn read(
        headers: &HeaderMap,
        issuer: &str,
        credential: Arc<SessionCredential>,
        asked_at: Timestamp,
    ) -> Result<Self, CallError> {
        let read = session_headers::read(headers, issuer).map_err(|_| CallError::Malformed)?;
        let expires_at = expiry(&credential, asked_at);
        let session = match read {
            SessionHeaders::Valid(identity) => Some(Arc::new(Session {
                identity: Some(Arc::new(identity)),
                credential: Some(credential),
                confirmed_at: Some(asked_at),
            })),
            SessionHeaders::Absent | SessionHeaders::Invalid | SessionHeaders::Nameless => None,
        };
        let cookies = headers.get_all(header::SET_COOKIE).iter();
        Ok(Self {
            asked_at,
            session,
            expires_at,
            set_cookies: cookies.take(MAX_SET_COOKIES).cloned().collect(),
            is_being_renewed: AtomicBool::new(false),
        })
    }

    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }

    pub(crate) fn set_cookies(&self) -> &[HeaderValue] {
        &self.set_cookies
    }

    pub(super) fn asked_at(&self) -> Timestamp {
        self.asked_at
    }

    pub(crate) fn age(&self, now: Timestamp) -> Duration {
        now.elapsed(self.asked_at)
    }

    /// Whether this caller must renew it: exactly one of those who see that it is due.
    pub(crate) fn claim_renewal(&self) -> bool {
        !self.is_being_renewed.swap(true, Ordering::Relaxed)
    }

    fn counts(&self, now: Timestamp, max_age: Duration) -> bool {
        // The resolver applies no leeway either.
        self.age(now) < max_age
            && self
                .expires_at
                .is_none_or(|end| now.unix().as_secs_f64() < end.0)
    }

    fn is_of(&self, user_id: &str) -> bool {
        self.session
            .as_deref()
            .and_then(|session| session.identity.as_deref())
            .is_some_and(|identity| identity.subject() == user_id)
    }

    fn is_older_than(&self, other: &Self) -> bool {
        self.asked_at.is_before(other.asked_at)
    }
}

/// The expiry of a credential. If it looks like a JWT but cannot be parsed, it expires at once: its answer
/// is valid, but is not cached.
fn expiry(credential: &SessionCredential, asked_at: Timestamp) -> Option<NumericDate> {
    let (token, may_be_passed_over) = match credential.form() {
        CredentialForm::Bearer => (credential.value().as_bytes(), false),
        CredentialForm::SessionCookies => {
            (session_cookies::access_token(credential.value())?, true)
        }
    };
    if !token.contains(&b'.') {
        return None;
    }
    let claims = Jws::split(token)
        .and_then(|jws| jws.claims())
        .and_then(Claims::parse);
    let Some(end) = claims.ok().and_then(|claims| claims.identity.expires_at) else {
        return Some(NumericDate(0.0));
    };
    // The resolver did not use this one of the cookies.
    let is_long_over = end.0 + CLOCKS_APART.as_secs_f64() <= asked_at.unix().as_secs_f64();
    (!(may_be_passed_over && is_long_over)).then_some(end)
}

/// The maximum difference between Authgear's clock and this machine's.
const CLOCKS_APART: Duration = Duration::from_secs(60);

/// The cached answers.
pub(super) struct Answers {
    valid: BoundedMap<Arc<Answer>>,
    /// Stored separately, so that a flood of invented credentials evicts no valid answer.
    invalid: BoundedMap<Arc<Answer>>,
    /// The number of purges.
    generation: AtomicU64,
    keep: CachePolicy,
}

impl Answers {
    pub(super) fn new(keep: CachePolicy) -> Self {
        Self {
            valid: BoundedMap::new(keep.capacity),
            invalid: BoundedMap::new(keep.capacity.min(MAX_INVALID)),
            generation: AtomicU64::new(0),
            keep,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// The valid answer, if it is not older than this.
    pub(super) fn current(
        &self,
        digest: &Digest,
        now: Timestamp,
        max_age: Duration,
    ) -> Option<Arc<Answer>> {
        if self.keep.valid_ttl.is_zero() {
            return None;
        }
        let valid = self.valid.find(digest);
        valid
            .filter(|answer| answer.counts(now, max_age.min(self.keep.valid_ttl)))
            .or_else(|| {
                let invalid = self.invalid.find(digest);
                invalid.filter(|answer| answer.counts(now, self.keep.invalid_ttl))
            })
    }

    /// The last answer, of any age.
    pub(super) fn last(&self, digest: &Digest) -> Option<Arc<Answer>> {
        self.valid
            .find(digest)
            .or_else(|| self.invalid.find(digest))
    }

    /// Stores an answer whose call began in this generation.
    pub(super) fn keep(&self, digest: Digest, answer: &Arc<Answer>, generation: u64) {
        if self.keep.valid_ttl.is_zero() {
            return;
        }
        let (to, from) = if answer.session.is_some() {
            (&self.valid, &self.invalid)
        } else {
            (&self.invalid, &self.valid)
        };
        // A purge increments the counter first, and then clears. So a purge finds every answer that passes
        // this check.
        to.insert_if(digest, Arc::clone(answer), |current| {
            self.generation() == generation
                && current.is_none_or(|current| !answer.is_older_than(current))
        });
        from.remove_if(&digest, |old| !answer.is_older_than(old));
    }

    pub(super) fn invalidate_user(&self, user_id: &str) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.valid.retain(|answer| !answer.is_of(user_id));
    }
}

redacted_debug!(Answers { keep });

/// The maximum number of forwarded cookies of one answer.
const MAX_SET_COOKIES: usize = 4;
/// The maximum number of cached answers without a session. Each is used for a second or two.
const MAX_INVALID: usize = 10_000;
