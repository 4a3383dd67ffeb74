//! Verification of a JWT access token with the keys of one project.
//!
//! The checks that need no key run first. If the key is known, the whole verification runs without a wait.
//! Only an unknown key, or a key set that is too old, makes the request wait for the refresher.

mod actor;
pub(super) mod claims;
pub(super) mod expectation;
mod json;
pub(super) mod jws;
#[cfg(test)]
pub(super) mod stub;
pub(super) mod validation;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;

use self::claims::{Claims, Times};
use self::jws::{DecodeBuffer, Jws, MAX_TOKEN};
use self::validation::Subject;
pub(crate) use self::validation::{Audiences, FormerIssuer, Validation, name as asymmetric_name};
use crate::clock::{Clock, Timestamp};
use crate::error::{AuthError, AuthErrorKind};
use crate::jwks::{CurrentKeys, KeyAddresses, KeyStore, Refresher, VerificationKey};
use crate::macros::redacted_debug;
use crate::revocation::Revocations;
use crate::runtime::RuntimeEnded;
use crate::secret::Secret;
use crate::user::{
    AuthClient, AuthUser, NumericDate, Principal, ScopeInclusions, TimeContext, VerifiedBy,
    VerifiedUser,
};

/// Parses the custom claims from the text of all claims.
pub(crate) type ReadClaims<C> = fn(&str) -> Result<C, serde_json::Error>;

/// Verifies access tokens of one project.
pub(crate) struct JwtVerifier<C> {
    pub(crate) validation: Validation,
    pub(crate) clock: Clock,
    pub(crate) keys: Arc<KeyStore>,
    /// The configured source of the keys, besides the issuer.
    pub(crate) addresses: KeyAddresses,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) read_claims: ReadClaims<C>,
    /// The scopes that other scopes include, as the API configures it.
    pub(crate) scope_inclusions: Option<Arc<ScopeInclusions>>,
    /// Stops when the last verifier is dropped.
    pub(crate) refresher: Refresher,
}

/// The result of a token's verification.
pub(super) enum Outcome<C> {
    Verified(Verified<C>),
    /// The result depends on a pending fetch: see [`JwtVerifier::verify_later`].
    Waits {
        kid: Secret,
        issued_at: Option<NumericDate>,
    },
}

/// A token that passed every check.
pub(super) struct Verified<C> {
    pub(super) principal: Principal<C>,
    pub(super) key: Arc<VerificationKey>,
    pub(super) times: Times,
    /// The length of the text of its claims.
    pub(super) length: usize,
}

impl<C> JwtVerifier<C> {
    pub(crate) fn keys(&self) -> &KeyStore {
        &self.keys
    }

    /// # Errors
    /// The known keys will not be renewed any more.
    pub(crate) fn check_runtime(&self) -> Result<(), RuntimeEnded> {
        self.refresher.check()
    }

    /// Whether a known key of this project made the signature, whatever the claims contain. This is no
    /// verification: nothing else is checked.
    pub(crate) fn is_signed_by_project(&self, token: &[u8]) -> bool {
        if token.len() > MAX_TOKEN {
            return false;
        }
        let keys = self.keys.current(self.clock.now());
        let mut header = None;
        let mut signature = DecodeBuffer::new();
        let parsed =
            Jws::split(token).and_then(|jws| self.parse_header(jws, keys.as_ref(), &mut header));
        let Ok(parsed) = parsed else {
            return false;
        };
        parsed.key.is_some_and(|key| {
            let signature = parsed.jws.signature(&mut signature);
            let message = parsed.jws.message();
            signature
                .is_ok_and(|signature| key.verify(parsed.algorithm, message, signature).is_ok())
        })
    }

    /// Verifies a token. Its claims can be parsed already. The token must be for one of `audiences`; without
    /// them, for one of the project's own.
    pub(super) fn verify(
        &self,
        jws: Jws<'_>,
        claims: Option<Claims>,
        audiences: Option<&Audiences>,
        now: Timestamp,
    ) -> Result<Outcome<C>, AuthError> {
        let keys = self.keys.current(now);
        let mut buffer = None;
        let opened = self.parse_header(jws, keys.as_ref(), &mut buffer)?;
        let claims = match claims {
            Some(claims) => claims,
            None => Claims::parse(jws.claims()?)?,
        };
        let unverified = self.check_claims(&opened, claims, audiences, now)?;
        let issued_at = unverified.claims.identity.issued_at;
        match opened.key {
            Some(key) if self.revocations.store().is_synced() => self
                .check_signature(&opened, unverified, key, now)
                .map(Outcome::Verified),
            None if self.keys.is_unknown(&opened.kid, issued_at, now) => {
                Err(AuthErrorKind::UnknownKey.into())
            }
            _ => Ok(Outcome::Waits {
                kid: Secret::new(opened.kid),
                issued_at,
            }),
        }
    }

    /// Checks again what can have changed since the token was verified: the configuration, the time, the
    /// keys, and the revocations.
    pub(crate) fn recheck(
        &self,
        verified: &VerifiedUser<C>,
        audiences: Option<&Audiences>,
    ) -> Result<(), AuthError> {
        let now = self.clock.now();
        if verified.signed_by.is_some() {
            self.validation
                .check_identity(&verified.identity, audiences)?;
        }
        if let Some(expires_at) = verified.identity.expires_at {
            self.validation.check_expiry(expires_at, now.unix())?;
        }
        if let Some(key) = &verified.signed_by {
            self.keys.check_current(key, now)?;
        }
        self.revocations.store().check(&verified.identity, now)
    }

    /// Waits for the key and the revocations, then verifies the token again, because time has passed.
    pub(super) async fn verify_later(
        &self,
        token: &str,
        kid: &Secret,
        issued_at: Option<NumericDate>,
        audiences: Option<Audiences>,
    ) -> Result<Principal<C>, AuthError> {
        let key = self.keys.wait_for(kid.expose(), issued_at).await?;
        self.revocations.store().synced().await;
        let mut buffer = None;
        let now = self.clock.now();
        let jws = Jws::split(token.as_bytes())?;
        let opened = self.parse_header(jws, None, &mut buffer)?;
        let claims = Claims::parse(jws.claims()?)?;
        let unverified = self.check_claims(&opened, claims, audiences.as_ref(), now)?;
        let verified = self.check_signature(&opened, unverified, &key, now)?;
        Ok(verified.principal)
    }

    /// Whether a verified token is still valid. `None` if it must be verified again. It checks everything
    /// that can have changed: the times, the revocations, and the key, whose material must be in the current
    /// set. The audience, too, unless the token is for the project (`is_for_project`) and no other audience is
    /// required.
    pub(super) fn check_known(
        &self,
        known: &Verified<C>,
        is_for_project: bool,
        audiences: Option<&Audiences>,
        now: Timestamp,
    ) -> Option<Result<(), AuthError>> {
        self.validation.check_times(&known.times, now.unix()).ok()?;
        if !self.keys.current(now)?.contains(&known.key) {
            return None;
        }
        // Another resource of this `Authgear` can have cached it.
        if !(is_for_project && audiences.is_none()) {
            let identity = known.principal.identity();
            if let Err(kind) = self.validation.check_audience(identity, audiences) {
                return Some(Err(kind.into()));
            }
        }
        let revocations = self.revocations.store();
        Some(match &known.principal {
            Principal::User(user) => revocations.check(&user.verified().identity, now),
            Principal::Client(client) => revocations.check_client(client.identity(), now),
        })
    }

    /// Finds the key that a token names, in `keys`.
    fn parse_header<'v>(
        &self,
        jws: Jws<'v>,
        keys: Option<&'v CurrentKeys>,
        buffer: &'v mut Option<DecodeBuffer>,
    ) -> Result<ParsedToken<'v>, AuthErrorKind> {
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

    /// Checks the rest that needs no key.
    fn check_claims(
        &self,
        opened: &ParsedToken<'_>,
        mut claims: Claims,
        audiences: Option<&Audiences>,
        now: Timestamp,
    ) -> Result<Unverified, AuthErrorKind> {
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
        // A token without an expiry was refused.
        let times = claims.times().ok_or(AuthErrorKind::MissingExpiry)?;
        // A user of a project is one user, whichever issuer name the token has.
        claims.identity.set_issuer(&self.validation.issuer);
        Ok(Unverified {
            claims,
            bearer,
            times,
        })
    }

    /// Checks the signature, and then the parts that only need a check if it is valid.
    fn check_signature(
        &self,
        opened: &ParsedToken<'_>,
        unverified: Unverified,
        key: &Arc<VerificationKey>,
        now: Timestamp,
    ) -> Result<Verified<C>, AuthError> {
        let mut buffer = DecodeBuffer::new();
        let signature = opened.jws.signature(&mut buffer)?;
        key.verify(opened.algorithm, opened.jws.message(), signature)?;
        key.remember_header(opened.jws.encoded_header(), opened.algorithm);
        let mut identity = unverified.claims.identity;
        identity.scope_inclusions.clone_from(&self.scope_inclusions);
        let length = identity.text.original().len();
        let principal = match unverified.bearer {
            Subject::Machine => {
                self.revocations.store().check_client(&identity, now)?;
                Principal::Client(AuthClient::new(Arc::new(identity)))
            }
            Subject::User => {
                self.revocations.store().check(&identity, now)?;
                // The parser's own error would quote the claims.
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
        Ok(Verified {
            principal,
            key: Arc::clone(key),
            times: unverified.times,
            length,
        })
    }
}

/// A token with a valid header.
struct ParsedToken<'v> {
    jws: Jws<'v>,
    algorithm: Algorithm,
    kid: Cow<'v, str>,
    /// The key with that name, if it is known.
    key: Option<&'v Arc<VerificationKey>>,
}

/// The rest of a token that has passed every check except the signature's.
struct Unverified {
    claims: Claims,
    bearer: Subject,
    times: Times,
}

redacted_debug!(<C> JwtVerifier<C> { validation, keys });

#[cfg(test)]
mod property;
