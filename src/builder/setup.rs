//! [`Setup`]: starts what one project needs.

use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use super::mode::NO_CLAIMS;
use super::urls::Endpoint;
use crate::error::ConfigError;
use crate::jwks::{
    HttpKeySource, KeyAddresses, KeyFolder, KeyPolicy, KeySnapshot, KeyStore, Refresher, restore,
};
use crate::outbound::{Outbound, Upstream};
use crate::revocation::Revocations;
use crate::telemetry::ProjectTelemetry;
use crate::user::{Identity, TimeContext, VerifiedBy, VerifiedUser};
use crate::verify::{
    CachePolicy, GatewayVerifier, HttpResolver, JwtVerifier, LiveSessions, LiveVerifier,
    ProjectResources, Proof, ResolverClient, ResolverVerifier, SessionResolver, TrustedProject,
    Validation,
};

/// The parts of a verifier.
pub(super) struct Setup<'r, C> {
    pub(super) resources: &'r ProjectResources<C>,
    pub(super) outbound: Outbound,
    pub(super) revocations: Arc<Revocations>,
    pub(super) endpoint: Endpoint,
    pub(super) addresses: KeyAddresses,
    pub(super) jwks_seed: Option<KeySnapshot>,
    pub(super) key_dir: Option<PathBuf>,
    pub(super) keys: KeyPolicy,
    pub(super) validation: Validation,
}

impl<C: Send + Sync + 'static> Setup<'_, C> {
    pub(super) fn jwt(
        self,
        previous: Option<&TrustedProject<C>>,
        telemetry: &Arc<ProjectTelemetry>,
    ) -> Arc<JwtVerifier<C>> {
        let resources = self.resources;
        let folder = self.key_dir.map(|path| {
            KeyFolder::new(
                path,
                &self.endpoint.issuer,
                resources.clock.clone(),
                self.keys.leeway,
            )
        });
        let source = HttpKeySource::new(
            self.outbound,
            Upstream::new(self.endpoint.url, self.addresses.internal.clone()),
            self.endpoint.issuer,
            self.addresses.jwks_uri.clone(),
            Arc::clone(telemetry),
        );
        let clock = resources.clock.clone();
        let algorithms = self.validation.algorithms.clone();
        // Same address and algorithms: reuse the keys, so that no request waits for a fetch.
        let known = previous.map(TrustedProject::jwt).filter(|previous| {
            previous.addresses == self.addresses && previous.validation.algorithms == algorithms
        });
        let keys = Arc::new(match known {
            Some(known) => KeyStore::with_keys_of(self.keys, clock.clone(), known.keys()),
            None => KeyStore::new(self.keys, clock.clone()),
        });
        if let Some(seed) = &self.jwks_seed {
            restore(&keys, seed, &algorithms, "seed", telemetry);
        }
        let refresher = Refresher::spawn(
            &resources.runtime,
            Arc::clone(&keys),
            source,
            algorithms,
            resources.spread.clone(),
            folder,
        );
        Arc::new(JwtVerifier {
            validation: self.validation,
            clock,
            keys,
            addresses: self.addresses,
            revocations: self.revocations,
            read_claims: resources.read_claims,
            scope_inclusions: resources.scope_inclusions.clone(),
            refresher,
        })
    }

    pub(super) fn live(
        &self,
        live: &LiveSessions,
        url: Url,
    ) -> Result<LiveVerifier<C>, ConfigError> {
        let base = live
            .session_cookies
            .then(|| self.without_token(VerifiedBy::Resolver))
            .transpose()?;
        let sessions = self.sessions(&live.resolver, url, live.keep());
        Ok(LiveVerifier::new(sessions, live, base))
    }

    pub(super) fn resolver(
        &self,
        resolver: &SessionResolver,
        url: Url,
    ) -> Result<ResolverVerifier<C>, ConfigError> {
        let base = self.without_token(VerifiedBy::Resolver)?;
        let keep = resolver.keep();
        let sessions = self.sessions(resolver, url, keep);
        Ok(ResolverVerifier::new(sessions, base, keep.valid_ttl))
    }

    pub(super) fn gateway(
        &self,
        proof: Proof,
        issuers: &[String],
    ) -> Result<GatewayVerifier<C>, ConfigError> {
        let base = self.without_token(VerifiedBy::Gateway)?;
        Ok(GatewayVerifier::new(proof, issuers.to_vec(), base))
    }

    fn sessions(
        &self,
        resolver: &SessionResolver,
        url: Url,
        keep: CachePolicy,
    ) -> Arc<ResolverClient> {
        let outbound = self.outbound.clone();
        let source = HttpResolver::new(outbound, url, &self.endpoint.url, resolver);
        let issuer = &self.endpoint.issuer;
        let clock = self.resources.clock.clone();
        let runtime = &self.resources.runtime;
        let sessions = ResolverClient::new(source, issuer, resolver, keep, clock, runtime);
        let sessions = Arc::new(sessions);
        // An answer from before a revocation does not count after it.
        let kept = Arc::downgrade(&sessions);
        self.revocations.store().on_change(Box::new(move |user| {
            if let Some(sessions) = kept.upgrade() {
                sessions.invalidate_user(user);
            }
        }));
        sessions
    }

    /// The part that all users without a token share. They have no custom claims.
    fn without_token(&self, method: VerifiedBy) -> Result<Arc<VerifiedUser<C>>, ConfigError> {
        let claims = (self.resources.read_claims)("{}").map_err(|_| NO_CLAIMS)?;
        Ok(Arc::new(VerifiedUser {
            identity: Identity::of_issuer(&self.endpoint.issuer),
            claims,
            method,
            signed_by: None,
            time: TimeContext {
                clock: self.resources.clock.clone(),
                leeway: self.keys.leeway,
            },
        }))
    }
}
