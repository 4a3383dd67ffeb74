//! The rules for tokens, as pure functions of token and time.

use std::borrow::Cow;
use std::collections::HashSet;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;

use super::claims::Times;
use super::claims::{Claim, Claims};
use super::jws::Header;
use crate::error::AuthErrorKind;
use crate::user::{Identity, NumericDate};

/// The accepted audiences. All requests to a resource share them.
pub(crate) type Audiences = Arc<[String]>;

/// The requirements for a valid token.
#[derive(Clone, Debug)]
pub(crate) struct Validation {
    pub(crate) issuer: String,
    /// Used if a resource does not name its own.
    pub(crate) audiences: Audiences,
    pub(crate) former_issuers: Vec<FormerIssuer>,
    /// `None`: any client.
    pub(crate) client_ids: Option<Vec<String>>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) leeway: Duration,
}

/// A former name of the issuer. Tokens with it belong to the project, too.
#[derive(Clone, Debug)]
pub(crate) struct FormerIssuer {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
}

/// The subject of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    User,
    Machine,
}

impl Validation {
    /// The algorithm and the key that the token names, if both are allowed.
    pub(super) fn check_header<'h>(
        &self,
        header: Header<'h>,
    ) -> Result<(Algorithm, Cow<'h, str>), AuthErrorKind> {
        let algorithm = header
            .algorithm
            .as_deref()
            .ok_or(AuthErrorKind::MalformedTokenHeader)?;
        let algorithm = self
            .algorithms
            .iter()
            .copied()
            .find(|allowed| is_named(*allowed, algorithm))
            .ok_or(AuthErrorKind::AlgorithmNotAllowed)?;
        if !header.token_type.as_deref().is_some_and(is_access_token) {
            return Err(AuthErrorKind::WrongTokenType);
        }
        if header.has_extension {
            return Err(AuthErrorKind::UnsupportedTokenHeader);
        }
        let kid = header
            .key_id
            .filter(|kid| !kid.is_empty())
            .ok_or(AuthErrorKind::MissingKeyId)?;
        Ok((algorithm, kid))
    }

    /// Checks everything that depends on the claims only.
    pub(super) fn check_claims(
        &self,
        claims: &Claims,
        audiences: Option<&Audiences>,
        now: Duration,
    ) -> Result<Subject, AuthErrorKind> {
        if claims.has(Claim::Confirmation) {
            return Err(AuthErrorKind::SenderConstrainedToken);
        }
        let identity = &claims.identity;
        if !claims.has(Claim::Issuer) {
            return Err(AuthErrorKind::MissingIssuer);
        }
        self.check_issuer(identity)?;
        if !claims.has(Claim::Audience) {
            return Err(AuthErrorKind::MissingAudience);
        }
        self.check_audience(identity, audiences)?;
        let times = claims.times().ok_or(AuthErrorKind::MissingExpiry)?;
        self.check_times(&times, now)?;
        let bearer = bearer(identity)?;
        self.check_client(identity)?;
        Ok(bearer)
    }

    /// Checks what can have been reconfigured since the token was verified.
    pub(super) fn check_identity(
        &self,
        identity: &Identity,
        audiences: Option<&Audiences>,
    ) -> Result<(), AuthErrorKind> {
        self.check_issuer(identity)?;
        self.check_audience(identity, audiences)?;
        self.check_client(identity)
    }

    fn check_issuer(&self, identity: &Identity) -> Result<(), AuthErrorKind> {
        if self.issuers().any(|own| own == identity.named_issuer()) {
            Ok(())
        } else {
            Err(AuthErrorKind::WrongIssuer)
        }
    }

    fn check_client(&self, identity: &Identity) -> Result<(), AuthErrorKind> {
        if let Some(allowed) = &self.client_ids
            && !identity
                .client_id()
                .is_some_and(|client| allowed.iter().any(|own| own == client))
        {
            return Err(AuthErrorKind::ClientNotAllowed);
        }
        Ok(())
    }

    /// The audiences of which a token of its issuer must have one.
    fn audiences_of(&self, identity: &Identity) -> &[String] {
        let issuer = identity.named_issuer();
        if issuer == self.issuer {
            return &self.audiences;
        }
        let mut former = self.former_issuers.iter();
        let former = former.find(|former| former.issuer == issuer);
        former.map_or(&[], |former| &former.audiences)
    }

    /// All accepted issuers, the endpoint first.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = &str> + Clone {
        let former = self.former_issuers.iter();
        iter::once(&*self.issuer).chain(former.map(|former| &*former.issuer))
    }

    /// The accepted audiences of all issuers.
    pub(crate) fn all_audiences(&self) -> impl Iterator<Item = &str> {
        let former = self
            .former_issuers
            .iter()
            .flat_map(|former| &former.audiences);
        let mut seen = HashSet::new();
        let all = self.audiences.iter().chain(former).map(String::as_str);
        all.filter(move |audience| seen.insert(*audience))
    }

    /// RFC 7519 §4.1.3: whether the token is for one of `audiences`, or else for one of the project's own.
    pub(super) fn check_audience(
        &self,
        identity: &Identity,
        audiences: Option<&Audiences>,
    ) -> Result<(), AuthErrorKind> {
        let ours = audiences.map_or_else(|| self.audiences_of(identity), |own| &**own);
        let is_ours = |audience: &str| ours.iter().any(|own| own == audience);
        if identity.audiences().any(is_ours) {
            Ok(())
        } else {
            Err(AuthErrorKind::WrongAudience)
        }
    }

    /// RFC 7519 §4.1.4 to §4.1.6, each with the leeway in favour of the token.
    pub(super) fn check_times(&self, times: &Times, at: Duration) -> Result<(), AuthErrorKind> {
        let now = at.as_secs_f64();
        let leeway = self.leeway.as_secs_f64();
        self.check_expiry(times.expires_at, at)?;
        if times.not_before.is_some_and(|from| now + leeway < from.0) {
            return Err(AuthErrorKind::NotYetValid);
        }
        if times.issued_at.is_some_and(|at| now + leeway < at.0) {
            return Err(AuthErrorKind::IssuedInFuture);
        }
        Ok(())
    }

    /// RFC 7519 §4.1.4: the time from which a token must not be accepted.
    pub(super) fn check_expiry(
        &self,
        expires_at: NumericDate,
        now: Duration,
    ) -> Result<(), AuthErrorKind> {
        if now.as_secs_f64() >= expires_at.0 + self.leeway.as_secs_f64() {
            return Err(AuthErrorKind::Expired);
        }
        Ok(())
    }
}

/// RFC 9068 §2.1 and §4: `at+jwt`, with or without `application/`, in any case.
fn is_access_token(token_type: &str) -> bool {
    token_type.eq_ignore_ascii_case("at+jwt")
        || token_type.eq_ignore_ascii_case("application/at+jwt")
}

/// The subject of a machine's token is its client: by RFC 9068 §2.2 the same id, at Authgear with a prefix.
fn bearer(identity: &Identity) -> Result<Subject, AuthErrorKind> {
    let subject = identity.subject();
    if subject.is_empty() {
        return Err(AuthErrorKind::MissingSubject);
    }
    let client = identity.client_id().filter(|client| !client.is_empty());
    if client == Some(subject) {
        return Ok(Subject::Machine);
    }
    match subject.strip_prefix("client_id_") {
        None => Ok(Subject::User),
        Some(own) if client == Some(own) => Ok(Subject::Machine),
        Some(_) => Err(AuthErrorKind::SubjectMismatch),
    }
}

/// Whether `alg` names this algorithm. `Ed25519` is the name of RFC 9864 §2.2 for `EdDSA` with that curve,
/// which is the only supported one.
fn is_named(algorithm: Algorithm, alg: &str) -> bool {
    name(algorithm) == Some(alg) || (algorithm == Algorithm::EdDSA && alg == "Ed25519")
}

/// Parses the name of an algorithm (RFC 7518 §3.1), if it is a supported asymmetric one.
pub(crate) fn name(algorithm: Algorithm) -> Option<&'static str> {
    Some(match algorithm {
        Algorithm::ES256 => "ES256",
        Algorithm::ES384 => "ES384",
        Algorithm::RS256 => "RS256",
        Algorithm::RS384 => "RS384",
        Algorithm::RS512 => "RS512",
        Algorithm::PS256 => "PS256",
        Algorithm::PS384 => "PS384",
        Algorithm::PS512 => "PS512",
        Algorithm::EdDSA => "EdDSA",
        _ => return None,
    })
}
