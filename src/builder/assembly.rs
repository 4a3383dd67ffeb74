//! Makes an [`Authgear`] from options: one project, or several.

use std::collections::HashSet;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use super::AuthgearBuilder;
use super::mode::ModeContext;
use super::options::sources;
use super::project_plan::{PlanContext, ProjectPlan};
use crate::authenticate::{Authenticator, AuthgearId, SharedAuthenticator};
use crate::authgear::Authgear;
use crate::error::ConfigError;
use crate::jwks::FetchSpread;
use crate::outbound::OutboundPool;
#[cfg(feature = "redis")]
use crate::revocation::RedisServer;
use crate::telemetry;
use crate::verify::{ProjectResources, ProjectSet, TokenCache, Verifier};
#[cfg(feature = "webhook")]
use crate::webhook::ProjectSecrets;

impl<C: Send + Sync + 'static> AuthgearBuilder<C> {
    /// Checks the options and starts the background refresher.
    ///
    /// It sends no request itself and does not wait. Use [`Authgear::ready`] to wait for the keys.
    ///
    /// # Errors
    /// An option is invalid, there is no tokio runtime or one without timers, or the system has no root
    /// certificates although https is used.
    pub fn build(self) -> Result<Authgear<C>, ConfigError> {
        let options = self.options;
        let is_union = self.projects.is_some();
        #[cfg(feature = "redis")]
        let redis = options.redis.as_ref().map(RedisServer::new).transpose()?;
        let context = PlanContext {
            mode: ModeContext {
                gateway: options.gateway.as_ref(),
                has_token_source: !options.sources.is_empty(),
                keeps_tokens: options.keep_access_tokens,
                reads_claims: self.reads_claims,
            },
            #[cfg(feature = "redis")]
            redis: redis.as_ref(),
        };
        let plans = match self.projects {
            None => vec![ProjectPlan::new(&options, &context)?],
            Some(projects) => {
                options.check_of_union()?;
                let projects = projects.into_iter();
                projects
                    .map(|project| ProjectPlan::of_many(project, &context))
                    .collect::<Result<Vec<_>, _>>()?
            }
        };
        let issuers: Vec<String> = plans
            .iter()
            .map(|plan| plan.endpoint.issuer.clone())
            .collect();
        check_distinct(plans.iter().flat_map(|plan| plan.validation.issuers()))?;

        let metrics = options.metric_scope();
        options.http.timeouts.check()?;
        options.check_token_cache()?;
        let scope_inclusions = options.scope_inclusions()?;
        let challenge = options.challenge(scope_inclusions.clone())?;
        let csrf = options.csrf()?;
        let resolvers = || plans.iter().filter_map(|plan| plan.mode.resolver());
        let client_info_rules = options.client_info_rules(is_union, resolvers())?;
        let forward_set_cookie = resolvers().any(|(resolver, _)| resolver.forward_set_cookie);
        let session_cookies = plans.iter().find_map(|plan| plan.mode.session_cookies());
        let sources = sources(options.sources, session_cookies)?;
        let names_issuer = is_union || plans.iter().any(ProjectPlan::has_former_issuers);
        let runtime = runtime().ok_or(ConfigError::NoRuntime)?;
        #[cfg(feature = "redis")]
        if redis.is_some() && options.gateway.is_some() {
            telemetry::gateway_decides("redis");
        }

        let resources = ProjectResources {
            runtime,
            clock: options.clock.clone(),
            outbound: OutboundPool::new(options.http),
            spread: is_union.then(FetchSpread::new),
            ledger: Arc::default(),
            metrics,
            #[cfg(feature = "redis")]
            redis,
            read_claims: self.read_claims,
            scope_inclusions: scope_inclusions.clone(),
        };
        #[cfg(feature = "webhook")]
        let webhook_secrets = ProjectSecrets::default();
        #[cfg(feature = "webhook")]
        for plan in &plans {
            let issuer = [&*plan.endpoint.issuer];
            webhook_secrets.set(issuer, plan.webhook_secrets.as_ref());
        }
        let ledger = Arc::clone(&resources.ledger);
        let capacity = options.token_cache_capacity;
        let verifier = verifier(plans, &issuers, resources, is_union, capacity)?;
        let issuer = issuers.first().filter(|_| !is_union);
        let shared = SharedAuthenticator {
            sources,
            csrf,
            verifier,
            ledger,
            #[cfg(feature = "webhook")]
            webhook_secrets: Arc::new(webhook_secrets),
            issuer: issuer.map(|issuer| issuer.as_str().into()),
            fixed_issuers: issuers,
            is_union,
            names_issuer,
            client_info_rules,
            forward_set_cookie,
            realm: options.realm,
            scope_inclusions,
            clock: options.clock,
            trace_user_ids: options.trace_user_ids,
            keep_access_tokens: options.keep_access_tokens,
            audit: options.audit,
        };
        telemetry::describe();
        Ok(Authgear::new(Authenticator {
            shared: Arc::new(shared),
            authgear_id: AuthgearId::new::<C>(challenge),
            audiences: None,
        }))
    }
}

/// Starts the background tasks of the projects.
fn verifier<C: Send + Sync + 'static>(
    plans: Vec<ProjectPlan>,
    issuers: &[String],
    resources: ProjectResources<C>,
    is_union: bool,
    token_cache_capacity: usize,
) -> Result<Verifier<C>, ConfigError> {
    let mut projects = Vec::with_capacity(plans.len());
    for plan in plans {
        if !plan.mode.needs_keys() {
            // Behind a gateway, the projects differ only in their issuers.
            return plan.start_without_tokens(&resources, issuers);
        }
        projects.push(plan.start(&resources, None)?);
    }
    let cache = TokenCache::new(token_cache_capacity);
    let projects = ProjectSet::new(projects, cache, is_union.then_some(resources))
        .map_err(|issuer| issuer_taken(&issuer))?;
    Ok(Verifier::Projects(Arc::new(projects)))
}

fn check_distinct<'i>(mut issuers: impl Iterator<Item = &'i str>) -> Result<(), ConfigError> {
    let mut seen = HashSet::new();
    match issuers.find(|issuer| !seen.insert(*issuer)) {
        Some(issuer) => Err(issuer_taken(issuer)),
        None => Ok(()),
    }
}

pub(super) fn issuer_taken(issuer: &str) -> ConfigError {
    ConfigError::invalid("endpoint", issuer, "is the issuer of another project here")
}

/// The current runtime, if its timers are on. A runtime does not report this, but a timer panics without it.
fn runtime() -> Option<Handle> {
    let runtime = Handle::try_current().ok()?;
    catch_unwind(|| drop(sleep(Duration::ZERO))).ok()?;
    Some(runtime)
}
