//! [`ProjectPlan`]: the options of one project, checked.

use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use super::AuthgearBuilder;
use super::mode::{Mode, ModeContext};
use super::options::Options;
use super::setup::Setup;
use super::urls::Endpoint;
use crate::error::ConfigError;
use crate::jwks::{KeyAddresses, KeyPolicy, KeySnapshot};
use crate::outbound::{HttpOptions, Outbound, OutboundPool};
use crate::revocation::RevocationPlan;
#[cfg(feature = "redis")]
use crate::revocation::{RedisLog, RedisServer};
use crate::telemetry::ProjectTelemetry;
use crate::verify::{ProjectResources, TrustedProject, Validation, Verifier};
#[cfg(feature = "webhook")]
use crate::webhook::WebhookSecrets;

/// One project, before its start.
pub(super) struct ProjectPlan {
    pub(super) endpoint: Endpoint,
    pub(super) mode: Mode,
    pub(super) validation: Validation,
    pub(super) keys: KeyPolicy,
    pub(super) addresses: KeyAddresses,
    jwks_seed: Option<KeySnapshot>,
    key_dir: Option<PathBuf>,
    revocation: RevocationPlan,
    #[cfg(feature = "webhook")]
    pub(super) webhook_secrets: Option<Arc<WebhookSecrets>>,
    /// `None`: the shared client of the projects.
    http: Option<HttpOptions>,
    allow_http: bool,
}

/// The context in which the options of a project are checked.
pub(super) struct PlanContext<'c> {
    pub(super) mode: ModeContext<'c>,
    #[cfg(feature = "redis")]
    pub(super) redis: Option<&'c Arc<RedisServer>>,
}

impl ProjectPlan {
    pub(super) fn new(options: &Options, context: &PlanContext<'_>) -> Result<Self, ConfigError> {
        let endpoint = options.endpoint()?;
        let addresses = KeyAddresses {
            internal: options.internal_url()?,
            jwks_uri: options.jwks_uri()?,
        };
        let validation = options.validation(endpoint.issuer.clone())?;
        options.keys.check()?;
        options.check_kept_keys()?;
        let revocation = RevocationPlan {
            policy: options.revocation_policy()?,
            #[cfg(feature = "redis")]
            log: context
                .redis
                .map(|server| RedisLog::new(server, &endpoint.issuer)),
        };
        let mode = options.mode(&endpoint, &context.mode)?;
        Ok(Self {
            endpoint,
            mode,
            validation,
            keys: options.keys,
            addresses,
            jwks_seed: options.jwks_seed.clone(),
            key_dir: options.key_dir.clone(),
            revocation,
            #[cfg(feature = "webhook")]
            webhook_secrets: options.webhook_secrets()?.map(Arc::new),
            http: None,
            allow_http: options.allow_http,
        })
    }

    /// One of several projects.
    pub(super) fn of_many(
        project: AuthgearBuilder,
        context: &PlanContext<'_>,
    ) -> Result<Self, ConfigError> {
        if project.projects.is_some() {
            return Err(ConfigError::Conflict {
                option: "any_of",
                reason: "takes projects, and not what it gave itself: name them all at once",
            });
        }
        let options = project.options;
        options.check_of_project(project.reads_claims)?;
        let mut plan = Self::new(&options, context)?;
        plan.mode.check_of_many()?;
        if !options.http.is_default() {
            options.http.timeouts.check()?;
            plan.http = Some(options.http);
        }
        Ok(plan)
    }

    pub(super) fn has_former_issuers(&self) -> bool {
        !self.validation.former_issuers.is_empty()
    }

    /// Starts the verifier of this project's tokens. `previous` is the same project with other options. Its
    /// keys are reused if they come from the same address.
    pub(super) fn start<C: Send + Sync + 'static>(
        self,
        resources: &ProjectResources<C>,
        previous: Option<&TrustedProject<C>>,
    ) -> Result<TrustedProject<C>, ConfigError> {
        let outbound = self.outbound(&resources.outbound)?;
        let (setup, mode) = self.begin(outbound, resources);
        let live = match mode {
            Mode::Live(live, url) => Some(setup.live(&live, url)?),
            Mode::Jwt | Mode::Resolver(..) | Mode::Gateway(_) => None,
        };
        let issuer = &setup.endpoint.issuer;
        let telemetry = Arc::new(ProjectTelemetry::new(issuer, &resources.metrics));
        let jwt = setup.jwt(previous, &telemetry);
        Ok(TrustedProject::new(jwt, live.map(Arc::new), telemetry))
    }

    /// Starts the verifier for the users of the only project, in a mode that parses no token.
    pub(super) fn start_without_tokens<C: Send + Sync + 'static>(
        self,
        resources: &ProjectResources<C>,
        issuers: &[String],
    ) -> Result<Verifier<C>, ConfigError> {
        let outbound = self.outbound(&resources.outbound)?;
        let (setup, mode) = self.begin(outbound, resources);
        Ok(match mode {
            Mode::Resolver(resolver, url) => {
                Verifier::Resolver(Arc::new(setup.resolver(&resolver, url)?))
            }
            Mode::Gateway(proof) => Verifier::Gateway(setup.gateway(proof, issuers)?),
            Mode::Jwt | Mode::Live(..) => unreachable!("these read tokens"),
        })
    }

    fn begin<C>(self, outbound: Outbound, resources: &ProjectResources<C>) -> (Setup<'_, C>, Mode) {
        let issuer = &self.endpoint.issuer;
        let (clock, runtime) = (&resources.clock, &resources.runtime);
        let former = self.validation.issuers().filter(|own| own != issuer);
        let ledger = &resources.ledger;
        let revocations = ledger.open(issuer, former, self.revocation, clock, runtime);
        let setup = Setup {
            resources,
            outbound,
            revocations,
            endpoint: self.endpoint,
            addresses: self.addresses,
            jwks_seed: self.jwks_seed,
            key_dir: self.key_dir,
            keys: self.keys,
            validation: self.validation,
        };
        (setup, self.mode)
    }

    fn outbound(&self, pool: &OutboundPool) -> Result<Outbound, ConfigError> {
        let KeyAddresses { internal, jwks_uri } = &self.addresses;
        let asks_endpoint = internal.is_none() && jwks_uri.is_none() && self.mode.needs_keys();
        let asked: Vec<&Url> = internal
            .iter()
            .chain(jwks_uri)
            .chain(self.mode.resolver().map(|(_, url)| url))
            .chain(asks_endpoint.then_some(&self.endpoint.url))
            .collect();
        match &self.http {
            None => pool.client(self.allow_http, &asked),
            Some(own) => OutboundPool::new(own.clone()).client(self.allow_http, &asked),
        }
    }
}
