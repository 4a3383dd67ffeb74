//! Verification of a JWT access token with the project's keys.
//!
//! What needs no key refuses first. If the key is known, everything happens at once, without
//! waiting; only an unknown key, or a set that is too old, makes the request wait for the refresher.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use jsonwebtoken::Algorithm;

use super::claims::Claims;
use super::jws::{HeaderBuffer, Jws, Signature};
use super::validation::{Bearer, Validation};
use crate::clock::{Clock, Moment};
use crate::error::{AuthError, AuthErrorKind};
use crate::jwks::{KeyStore, Refresher, VerificationKey};
use crate::revocation::{Revocations, Trouble};
use crate::secret::Secret;
use crate::user::{AuthClient, AuthUser, NumericDate, Principal, Verified, VerifiedBy};

/// Reads the custom claims from the text of all claims.
pub(crate) type ReadClaims<C> = fn(&str) -> Result<C, serde_json::Error>;

/// The outcome of a verification, now or later.
pub(crate) enum Verification<C> {
    Done(Result<Principal<C>, AuthError>),
    Waiting(PendingVerification<C>),
}

/// A verification that waits for something outside of this process.
pub(crate) type PendingVerification<C> =
    Pin<Box<dyn Future<Output = Result<Principal<C>, AuthError>> + Send>>;

/// Verifies access tokens of one project.
pub(crate) struct JwtVerifier<C> {
    validation: Validation,
    clock: Clock,
    keys: Arc<KeyStore>,
    revocations: Arc<Revocations>,
    read_claims: ReadClaims<C>,
    /// Stops with the last verifier.
    _refresher: Refresher,
}

impl<C> JwtVerifier<C> {
    pub(crate) fn new(
        validation: Validation,
        clock: Clock,
        keys: Arc<KeyStore>,
        refresher: Refresher,
        revocations: Arc<Revocations>,
        read_claims: ReadClaims<C>,
    ) -> Self {
        Self {
            validation,
            clock,
            keys,
            revocations,
            read_claims,
            _refresher: refresher,
        }
    }

    pub(crate) fn keys(&self) -> &KeyStore {
        &self.keys
    }

    pub(crate) fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// What keeps us from knowing all that other replicas know, if anything does.
    pub(crate) fn revocation_trouble(&self) -> Option<Trouble> {
        self.revocations.trouble(self.clock.now())
    }

    /// Verifies a token.
    pub(crate) fn verify(self: &Arc<Self>, token: &str) -> Verification<C>
    where
        C: Send + Sync + 'static,
    {
        let now = self.clock.now();
        let mut buffer = HeaderBuffer::new();
        let unverified = match self.check(token, &mut buffer, now) {
            Ok(unverified) => unverified,
            Err(kind) => return Verification::Done(Err(kind.into())),
        };
        match self.keys.find(&unverified.kid, now) {
            Some(key) if self.revocations.is_settled() => {
                Verification::Done(self.finish(unverified, &key, now))
            }
            _ => Verification::Waiting(Box::pin(Arc::clone(self).verify_later(
                Secret::new(token),
                Secret::new(unverified.kid),
                unverified.claims.identity.issued_at,
            ))),
        }
    }

    /// Waits for the key and for what is known of ended users, then verifies the token once more: time has passed.
    async fn verify_later(
        self: Arc<Self>,
        token: Secret,
        kid: Secret,
        issued_at: Option<NumericDate>,
    ) -> Result<Principal<C>, AuthError> {
        let key = self.keys.wait_for(kid.expose(), issued_at).await?;
        self.revocations.settled().await;
        let mut buffer = HeaderBuffer::new();
        let now = self.clock.now();
        let unverified = self.check(token.expose(), &mut buffer, now)?;
        self.finish(unverified, &key, now)
    }

    /// Everything that needs no key.
    fn check<'t>(
        &self,
        token: &'t str,
        buffer: &'t mut HeaderBuffer,
        now: Moment,
    ) -> Result<Unverified<'t>, AuthErrorKind> {
        let jws = Jws::split(token)?;
        let (algorithm, kid) = self.validation.check_header(jws.header(buffer)?)?;
        let claims = Claims::parse(jws.claims()?)?;
        let bearer = self.validation.check_claims(&claims, now.unix())?;
        Ok(Unverified {
            message: jws.message(),
            signature: jws.signature()?,
            algorithm,
            kid,
            claims,
            bearer,
        })
    }

    /// The signature, and what is only worth reading once it holds.
    fn finish(
        &self,
        unverified: Unverified<'_>,
        key: &VerificationKey,
        now: Moment,
    ) -> Result<Principal<C>, AuthError> {
        key.verify(
            unverified.algorithm,
            unverified.message,
            unverified.signature.as_bytes(),
        )?;
        let identity = unverified.claims.identity;
        Ok(match unverified.bearer {
            Bearer::Machine => Principal::Client(AuthClient::new(Arc::new(identity))),
            Bearer::User => {
                self.revocations.check(&identity, now)?;
                // The reader's own error would quote the claims.
                let claims = (self.read_claims)(identity.text.original())
                    .map_err(|_| AuthErrorKind::MalformedCustomClaims)?;
                Principal::User(AuthUser::new(Arc::new(Verified {
                    identity,
                    claims,
                    method: VerifiedBy::Jwt,
                })))
            }
        })
    }
}

/// A token that has passed every check but that of its signature.
struct Unverified<'t> {
    message: &'t [u8],
    signature: Signature,
    algorithm: Algorithm,
    kid: Cow<'t, str>,
    claims: Claims,
    bearer: Bearer,
}

impl<C> fmt::Debug for JwtVerifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifier")
            .field("validation", &self.validation)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
