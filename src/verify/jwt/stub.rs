//! A verifier for unit tests. It fetches no keys.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;

use super::{JwtVerifier, Validation};
use crate::clock::Clock;
use crate::jwks::fetch::{FetchedKeys, KeyFetchError, KeySource};
use crate::jwks::{KeyAddresses, KeyPolicy, KeyStore, Refresher};
use crate::revocation::{RevocationPolicy, Revocations};
use crate::telemetry::{MetricScope, ProjectTelemetry};
use crate::user::NoClaims;

struct Nowhere(Arc<ProjectTelemetry>);

impl KeySource for Nowhere {
    async fn fetch(&mut self) -> Result<FetchedKeys, KeyFetchError> {
        std::future::pending().await
    }

    fn telemetry(&self) -> &ProjectTelemetry {
        &self.0
    }

    fn start_over(&mut self) {}
}

pub(in crate::verify) fn telemetry(issuer: &str) -> Arc<ProjectTelemetry> {
    Arc::new(ProjectTelemetry::new(issuer, &MetricScope::default()))
}

/// A verifier whose keys are those that are put into its store. Its tasks end at once, because their
/// runtime ends.
pub(in crate::verify) fn verifier(issuer: &str, algorithm: Algorithm) -> JwtVerifier<NoClaims> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let clock = Clock::default();
    let keys = Arc::new(KeyStore::new(KeyPolicy::default(), clock.clone()));
    let algorithms = vec![algorithm];
    let handle = runtime.handle();
    let refresher = Refresher::spawn(
        handle,
        Arc::clone(&keys),
        Nowhere(telemetry(issuer)),
        algorithms.clone(),
        None,
        None,
    );
    let policy = RevocationPolicy {
        retention: None,
        leeway: Duration::ZERO,
    };
    JwtVerifier {
        validation: Validation {
            issuer: issuer.to_owned(),
            audiences: Arc::new([issuer.to_owned()]),
            former_issuers: Vec::new(),
            client_ids: None,
            algorithms,
            leeway: Duration::ZERO,
        },
        revocations: Arc::new(Revocations::start(policy, clock.clone(), handle)),
        clock,
        keys,
        addresses: KeyAddresses::default(),
        read_claims: |_| Ok(NoClaims),
        scope_inclusions: None,
        refresher,
    }
}
