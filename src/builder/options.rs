//! The options as they were given, their defaults, and what is refused of them.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;

use crate::authenticate::CsrfCheck;
use crate::authorize::is_scope_token;
use crate::clock::Clock;
use crate::credential::{CookieName, CredentialSource, SessionCookies, Sources, TokenSource};
use crate::error::ConfigError;
use crate::jwks::KeyPolicy;
use crate::outbound::HttpOptions;
use crate::rejection::ChallengeParameters;
#[cfg(feature = "redis")]
use crate::revocation::{RedisConfig, RedisLog};
use crate::revocation::{RevocationPlan, RevocationPolicy};
use crate::user::ScopeInclusions;
use crate::verify::{GatewayProof, LiveSessions, SessionResolver, Validation, asymmetric_name};

/// Everything that does not depend on the type of the custom claims.
pub(crate) struct Options {
    pub(super) endpoint: String,
    pub(super) audiences: Vec<String>,
    pub(super) client_ids: Option<Vec<String>>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) sources: Vec<SourceOption>,
    pub(super) trusted_origins: Vec<String>,
    pub(super) token_cache_capacity: usize,
    pub(super) realm: Option<String>,
    pub(super) resource_metadata: Option<String>,
    pub(super) scope_inclusions: Vec<(String, Vec<String>)>,
    pub(super) trace_user_ids: bool,
    pub(super) keys: KeyPolicy,
    pub(super) jwks_uri: Option<String>,
    pub(super) internal_url: Option<String>,
    pub(super) http: HttpOptions,
    /// `Some`: revocation is on, whatever else feeds it.
    pub(super) revocation_retention: Option<Duration>,
    #[cfg(feature = "redis")]
    pub(super) redis: Option<RedisConfig>,
    pub(super) resolver: Option<SessionResolver>,
    pub(super) live_sessions: Option<LiveSessions>,
    pub(super) trusted_proxies: Vec<String>,
    pub(crate) gateway: Option<GatewayProof>,
    pub(crate) allow_http: bool,
    pub(crate) csrf_protection: bool,
    pub(crate) clock: Clock,
}

pub(super) enum SourceOption {
    Cookie(String),
    Custom(TokenSource),
}

impl Options {
    pub(super) fn new(endpoint: String) -> Self {
        Self {
            endpoint,
            audiences: Vec::new(),
            client_ids: None,
            algorithms: vec![Algorithm::RS256],
            sources: Vec::new(),
            trusted_origins: Vec::new(),
            token_cache_capacity: DEFAULT_TOKEN_CACHE_CAPACITY,
            realm: None,
            resource_metadata: None,
            scope_inclusions: Vec::new(),
            trace_user_ids: false,
            keys: KeyPolicy::default(),
            jwks_uri: None,
            internal_url: None,
            http: HttpOptions::default(),
            revocation_retention: None,
            #[cfg(feature = "redis")]
            redis: None,
            resolver: None,
            live_sessions: None,
            trusted_proxies: Vec::new(),
            gateway: None,
            allow_http: false,
            csrf_protection: true,
            clock: Clock::default(),
        }
    }

    pub(super) fn validation(
        &self,
        issuer: String,
        scope_inclusions: Option<Arc<ScopeInclusions>>,
    ) -> Result<Validation, ConfigError> {
        let audiences = if self.audiences.is_empty() {
            vec![issuer.clone()]
        } else {
            self.audiences.clone()
        };
        no_empty("audience", &audiences)?;
        if let Some(ids) = &self.client_ids {
            no_empty("client_ids", ids)?;
        }
        if self.algorithms.is_empty() {
            return Err(ConfigError::invalid("algorithms", "", "names no algorithm"));
        }
        for algorithm in &self.algorithms {
            if asymmetric_name(*algorithm).is_none() {
                return Err(ConfigError::invalid(
                    "algorithms",
                    format!("{algorithm:?}"),
                    "is not an asymmetric algorithm that is known here",
                ));
            }
        }
        if self.token_cache_capacity > MAX_TOKEN_CACHE_CAPACITY {
            return Err(ConfigError::invalid(
                "token_cache_capacity",
                self.token_cache_capacity.to_string(),
                "is more than ten million",
            ));
        }
        Ok(Validation {
            issuer,
            audiences: audiences.into(),
            client_ids: self.client_ids.clone(),
            algorithms: self.algorithms.clone(),
            leeway: self.keys.leeway,
            scope_inclusions,
        })
    }

    pub(super) fn csrf(&self) -> Result<CsrfCheck, ConfigError> {
        if self.csrf_protection {
            CsrfCheck::new(&self.trusted_origins)
        } else {
            Ok(CsrfCheck::off())
        }
    }

    pub(super) fn challenge(
        &self,
        scope_inclusions: Option<Arc<ScopeInclusions>>,
    ) -> Result<Option<ChallengeParameters>, ConfigError> {
        let challenge = ChallengeParameters {
            realm: self.realm.clone(),
            resource_metadata: self.resource_metadata.clone(),
            initial_scope: None,
            scope_inclusions,
        };
        challenge.check()
    }

    pub(super) fn scope_inclusions(&self) -> Result<Option<Arc<ScopeInclusions>>, ConfigError> {
        let declared = &self.scope_inclusions;
        let scopes = declared
            .iter()
            .flat_map(|(scope, others)| others.iter().chain([scope]));
        for scope in scopes {
            if !is_scope_token(scope) {
                let reason = "is no scope of RFC 6749 §3.3";
                return Err(ConfigError::invalid(
                    "scope_includes",
                    scope.clone(),
                    reason,
                ));
            }
        }
        Ok((!declared.is_empty()).then(|| Arc::new(ScopeInclusions::new(declared))))
    }

    pub(super) fn revocation(&self, issuer: &str) -> Result<RevocationPlan, ConfigError> {
        let plan = RevocationPlan {
            policy: RevocationPolicy {
                retention: self.revocation_retention,
                leeway: self.keys.leeway,
            },
            #[cfg(feature = "redis")]
            log: self
                .redis
                .as_ref()
                .map(|redis| RedisLog::new(redis, issuer))
                .transpose()?,
        };
        #[cfg(not(feature = "redis"))]
        let _ = issuer;
        plan.policy.check()?;
        Ok(plan)
    }
}

const DEFAULT_TOKEN_CACHE_CAPACITY: usize = 10_000;
const MAX_TOKEN_CACHE_CAPACITY: usize = 10_000_000;

fn no_empty(option: &'static str, values: &[String]) -> Result<(), ConfigError> {
    if values.is_empty() {
        return Err(ConfigError::invalid(
            option,
            "",
            "is empty: nothing would pass",
        ));
    }
    if values.iter().any(String::is_empty) {
        return Err(ConfigError::invalid(option, "", "has an empty value"));
    }
    Ok(())
}

pub(super) fn sources(
    options: Vec<SourceOption>,
    session_cookie_prefix: Option<&str>,
) -> Result<Sources, ConfigError> {
    let mut others = options
        .into_iter()
        .map(|source| {
            Ok(match source {
                SourceOption::Cookie(name) => {
                    CredentialSource::Cookie(CookieName::new("token_cookie", name)?)
                }
                SourceOption::Custom(source) => CredentialSource::Custom(source),
            })
        })
        .collect::<Result<Vec<_>, ConfigError>>()?;
    if let Some(prefix) = session_cookie_prefix {
        others.push(CredentialSource::SessionCookies(SessionCookies::new(
            prefix,
        )?));
    }
    Ok(Sources { others })
}
