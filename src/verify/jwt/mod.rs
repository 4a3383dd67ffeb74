//! Verification of a JWT access token with the project's keys.
//!
//! What needs no key refuses first. If the key is known, everything happens at once, without
//! waiting; only an unknown key, or a set that is too old, makes the request wait for the refresher.

mod actor;
pub(super) mod cache;
pub(super) mod claims;
mod expectation;
mod json;
pub(super) mod jws;
pub(super) mod validation;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;

pub(crate) use self::cache::TokenCache;
use self::cache::{TokenDigest, VerifiedToken};
use self::claims::Claims;
use self::jws::{DecodeBuffer, Jws, MAX_TOKEN};
use self::validation::Subject;
pub(crate) use self::validation::{Audiences, FormerIssuer, Validation, name as asymmetric_name};
use super::verification::Verification;
use crate::clock::{Clock, Timestamp};
use crate::error::{AuthError, AuthErrorKind};
use crate::jwks::{CurrentKeys, KeyStore, Refresher, VerificationKey};
use crate::revocation::Revocations;
use crate::runtime::RuntimeEnded;
use crate::secret::Secret;
use crate::telemetry::{self, Cache};
use crate::user::{
    AuthClient, AuthUser, NumericDate, Principal, TimeContext, VerifiedBy, VerifiedUser,
};

/// Reads the custom claims from the text of all claims.
pub(crate) type ReadClaims<C> = fn(&str) -> Result<C, serde_json::Error>;

/// Verifies access tokens of one project.
pub(crate) struct JwtVerifier<C> {
    pub(crate) validation: Validation,
    pub(crate) clock: Clock,
    pub(crate) keys: Arc<KeyStore>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) cache: Option<TokenCache<C>>,
    pub(crate) read_claims: ReadClaims<C>,
    /// Stops with the last verifier.
    pub(crate) refresher: Refresher,
}

impl<C> JwtVerifier<C> {
    pub(crate) fn keys(&self) -> &KeyStore {
        &self.keys
    }

    /// # Errors
    /// When the keys that there are will not be renewed any more.
    pub(crate) fn check_runtime(&self) -> Result<(), RuntimeEnded> {
        self.refresher.check()
    }

    /// The same verifier, which reads and fills no cache.
    pub(crate) fn without_cache(&self) -> Self {
        Self {
            validation: self.validation.clone(),
            clock: self.clock.clone(),
            keys: Arc::clone(&self.keys),
            revocations: Arc::clone(&self.revocations),
            cache: None,
            read_claims: self.read_claims,
            refresher: self.refresher.clone(),
        }
    }

    /// Whether a known key of this project made the signature, whatever the claims say. It is no
    /// verdict: nothing else is checked.
    pub(crate) fn is_signed_by_project(&self, token: &[u8]) -> bool {
        let keys = self.keys.current(self.clock.now());
        let mut header = None;
        let mut signature = DecodeBuffer::new();
        let Ok(parsed) = self.parse_header(token, keys.as_ref(), &mut header) else {
            return false;
        };
        parsed.key.is_some_and(|key| {
            let signature = parsed.jws.signature(&mut signature);
            let message = parsed.jws.message();
            signature
                .is_ok_and(|signature| key.verify(parsed.algorithm, message, signature).is_ok())
        })
    }

    /// Verifies a token, which must be for one of `audiences`: without them, for one of the project's own.
    /// If it is refused, `malformed` has the first say about the reason: the characters of a good token
    /// need not be looked at once more.
    pub(crate) fn verify(
        self: &Arc<Self>,
        bytes: &[u8],
        now: Timestamp,
        audiences: Option<&Audiences>,
        malformed: impl FnOnce() -> Option<AuthErrorKind>,
    ) -> Verification<C>
    where
        C: Send + Sync + 'static,
    {
        let refuse = |kind| Verification::Ready(Err(malformed().unwrap_or(kind).into()));
        let keys = self.keys.current(now);
        let mut buffer = None;
        let opened = match self.parse_header(bytes, keys.as_ref(), &mut buffer) {
            Ok(opened) => opened,
            Err(kind) => return refuse(kind),
        };
        // What is kept was signed by a key that can be found here, if it counts at all.
        let memory = opened
            .key
            .and(self.cache.as_ref().zip(keys.as_ref()))
            .map(|(cache, keys)| CacheSlot {
                cache,
                keys,
                digest: cache.digest(bytes),
                is_for_project: audiences.is_none(),
            });
        if let Some(memory) = &memory {
            let known = self.cached(memory, audiences, now);
            telemetry::looked_up(Cache::Tokens, known.is_some());
            if let Some(outcome) = known {
                return Verification::Ready(outcome);
            }
        }
        let unverified = match self.check_claims(&opened, audiences, now) {
            Ok(unverified) => unverified,
            Err(kind) => return refuse(kind),
        };
        let issued_at = unverified.claims.identity.issued_at;
        match opened.key {
            Some(key) if self.revocations.store().is_synced() => Verification::Ready(
                self.check_signature(&opened, unverified, key, memory.as_ref(), now),
            ),
            None if self.keys.is_unknown(&opened.kid, issued_at, now) => {
                Verification::Ready(Err(AuthErrorKind::UnknownKey.into()))
            }
            _ => match str::from_utf8(bytes) {
                Ok(token) => Verification::Pending(Box::pin(Arc::clone(self).verify_later(
                    Secret::new(token),
                    Secret::new(opened.kid),
                    issued_at,
                    audiences.cloned(),
                ))),
                Err(_) => refuse(AuthErrorKind::MalformedToken),
            },
        }
    }

    /// Checks once more what can have changed since the token was verified: the time, the keys,
    /// and what is known of ended users.
    pub(crate) fn recheck(
        &self,
        verified: &VerifiedUser<C>,
        audiences: Option<&Audiences>,
    ) -> Result<(), AuthError> {
        let now = self.clock.now();
        // One that was made by hand in a test has no token.
        if verified.signed_by.is_some() {
            self.validation
                .check_audience(&verified.identity, audiences)?;
        }
        if let Some(expires_at) = verified.identity.expires_at {
            self.validation.check_expiry(expires_at, now.unix())?;
        }
        if let Some(key) = &verified.signed_by {
            self.keys.check_current(key, now)?;
        }
        self.revocations.store().check(&verified.identity, now)
    }

    /// Waits for the key and for what is known of ended users, then verifies the token once more:
    /// time has passed.
    async fn verify_later(
        self: Arc<Self>,
        token: Secret,
        kid: Secret,
        issued_at: Option<NumericDate>,
        audiences: Option<Audiences>,
    ) -> Result<Principal<C>, AuthError> {
        let key = self.keys.wait_for(kid.expose(), issued_at).await?;
        self.revocations.store().synced().await;
        let mut buffer = None;
        let now = self.clock.now();
        let opened = self.parse_header(token.expose().as_bytes(), None, &mut buffer)?;
        let unverified = self.check_claims(&opened, audiences.as_ref(), now)?;
        self.check_signature(&opened, unverified, &key, None, now)
    }

    /// The caller, if this very token was verified before and everything that can change since
    /// still holds: the times, and the key, whose material must be in the current set. Or why the
    /// caller does not count any more.
    fn cached(
        &self,
        memory: &CacheSlot<'_, C>,
        audiences: Option<&Audiences>,
        now: Timestamp,
    ) -> Option<Result<Principal<C>, AuthError>> {
        let known = memory.cache.get(memory.digest)?;
        if self
            .validation
            .check_times(&known.times, now.unix())
            .is_err()
        {
            memory.cache.remove(memory.digest);
            return None;
        }
        if !memory.keys.contains(&known.key) {
            return None;
        }
        // Another resource of ours may have kept it.
        if !(known.is_for_project && audiences.is_none()) {
            let identity = known.principal.identity();
            if let Err(kind) = self.validation.check_audience(identity, audiences) {
                return Some(Err(kind.into()));
            }
        }
        let revocations = self.revocations.store();
        let checked = match &known.principal {
            Principal::User(user) => revocations.check(&user.verified().identity, now),
            Principal::Client(client) => revocations.check_client(client.identity(), now),
        };
        Some(checked.map(|()| known.principal))
    }

    /// Takes a token apart and finds out which key it asks for; `keys` are those to look among.
    fn parse_header<'v>(
        &self,
        bytes: &'v [u8],
        keys: Option<&'v CurrentKeys>,
        buffer: &'v mut Option<DecodeBuffer>,
    ) -> Result<ParsedToken<'v>, AuthErrorKind> {
        if bytes.len() > MAX_TOKEN {
            return Err(AuthErrorKind::TokenTooLong);
        }
        let jws = Jws::split(bytes)?;
        let known = keys.and_then(|keys| keys.find_by_header(jws.encoded_header()));
        if let Some((key, algorithm)) = known {
            return Ok(ParsedToken {
                jws,
                algorithm,
                kid: key.id().into(),
                key: Some(key),
            });
        }
        let header = jws.header(buffer.insert(DecodeBuffer::new()))?;
        let (algorithm, kid) = self.validation.check_header(header).inspect_err(|kind| {
            expectation::log(&self.validation, *kind, None, None, Duration::ZERO);
        })?;
        let key = keys.and_then(|keys| keys.find(&kid));
        Ok(ParsedToken {
            jws,
            algorithm,
            kid,
            key,
        })
    }

    /// Reads and checks the rest of what needs no key.
    fn check_claims(
        &self,
        opened: &ParsedToken<'_>,
        audiences: Option<&Audiences>,
        now: Timestamp,
    ) -> Result<Unverified, AuthErrorKind> {
        let mut claims = Claims::parse(opened.jws.claims()?)?;
        claims.identity.former_issuer = self.validation.former_issuer(&claims.identity);
        let bearer = self
            .validation
            .check_claims(&claims, audiences, now.unix())
            .inspect_err(|kind| {
                let times = claims.times();
                expectation::log(
                    &self.validation,
                    *kind,
                    audiences,
                    times.as_ref(),
                    now.unix(),
                );
            })?;
        opened.jws.check_signature()?;
        // One user of a project is one user, whichever name of the issuer the token has.
        if claims.identity.former_issuer.is_some() {
            claims.identity.set_issuer(&self.validation.issuer);
        }
        Ok(Unverified { claims, bearer })
    }

    /// The signature, and what is only worth reading once it holds.
    fn check_signature(
        &self,
        opened: &ParsedToken<'_>,
        unverified: Unverified,
        key: &Arc<VerificationKey>,
        memory: Option<&CacheSlot<'_, C>>,
        now: Timestamp,
    ) -> Result<Principal<C>, AuthError> {
        let mut buffer = DecodeBuffer::new();
        let signature = opened.jws.signature(&mut buffer)?;
        key.verify(opened.algorithm, opened.jws.message(), signature)?;
        key.remember_header(opened.jws.encoded_header(), opened.algorithm);
        let times = unverified.claims.times();
        let mut identity = unverified.claims.identity;
        identity
            .scope_inclusions
            .clone_from(&self.validation.scope_inclusions);
        let length = identity.text.original().len();
        let principal = match unverified.bearer {
            Subject::Machine => {
                self.revocations.store().check_client(&identity, now)?;
                Principal::Client(AuthClient::new(Arc::new(identity)))
            }
            Subject::User => {
                self.revocations.store().check(&identity, now)?;
                // The reader's own error would quote the claims.
                let claims = (self.read_claims)(identity.text.original())
                    .map_err(|_| AuthErrorKind::MalformedCustomClaims)?;
                Principal::User(AuthUser::new(Arc::new(VerifiedUser {
                    identity,
                    claims,
                    method: VerifiedBy::Jwt,
                    time: TimeContext {
                        clock: self.clock.clone(),
                        leeway: self.validation.leeway,
                    },
                    signed_by: Some(Arc::clone(key) as _),
                })))
            }
        };
        if let Some((memory, times)) = memory.zip(times) {
            let token = VerifiedToken {
                principal: principal.clone(),
                key: Arc::clone(key),
                times,
                length,
                is_for_project: memory.is_for_project,
            };
            memory.cache.insert(memory.digest, token);
        }
        Ok(principal)
    }
}

/// The cache, and what is needed to look a token up in it.
struct CacheSlot<'v, C> {
    cache: &'v TokenCache<C>,
    keys: &'v CurrentKeys,
    digest: TokenDigest,
    /// Whether no resource of its own is asked for.
    is_for_project: bool,
}

/// A token whose header has been understood.
struct ParsedToken<'v> {
    jws: Jws<'v>,
    algorithm: Algorithm,
    kid: Cow<'v, str>,
    /// The key of that name, if it is known.
    key: Option<&'v Arc<VerificationKey>>,
}

/// The rest of a token that has passed every check but that of its signature.
struct Unverified {
    claims: Claims,
    bearer: Subject,
}

impl<C> fmt::Debug for JwtVerifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifier")
            .field("validation", &self.validation)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
