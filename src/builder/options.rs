//! The options as they were given, their defaults, and their checks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;

use crate::authenticate::{Audit, CsrfCheck};
use crate::authorize::is_scope_token;
use crate::clock::Clock;
use crate::credential::{CookieName, CredentialSource, SessionCookies, Sources, TokenSource};
use crate::error::ConfigError;
use crate::jwks::{KeyPolicy, KeySet, KeySnapshot};
use crate::outbound::{HttpOptions, MAX_BODY};
use crate::rejection::ChallengeParameters;
#[cfg(feature = "webhook")]
use crate::revocation::DEFAULT_RETENTION;
#[cfg(feature = "redis")]
use crate::revocation::RedisConfig;
use crate::revocation::RevocationPolicy;
use crate::telemetry::MetricScope;
use crate::user::ScopeInclusions;
use crate::verify::{
    FormerIssuer, GatewayProof, LiveSessions, SessionResolver, Validation, asymmetric_name,
};
#[cfg(feature = "webhook")]
use crate::webhook::WebhookSecrets;

/// All options that do not depend on the type of the custom claims.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option, and none depends on another"
)]
#[derive(Default)]
pub(crate) struct Options {
    pub(super) endpoint: String,
    pub(super) audiences: Vec<String>,
    pub(super) former_issuers: Vec<String>,
    pub(super) client_ids: Option<Vec<String>>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) sources: Vec<SourceOption>,
    pub(super) trusted_origins: Vec<String>,
    pub(super) token_cache_capacity: usize,
    pub(super) realm: Option<String>,
    pub(super) resource_metadata: Option<String>,
    pub(super) scope_inclusions: Vec<(String, Vec<String>)>,
    pub(super) trace_user_ids: bool,
    #[cfg(feature = "metrics")]
    pub(super) label_metrics_by_issuer: bool,
    pub(super) keep_access_tokens: bool,
    pub(super) audit: Audit,
    pub(super) keys: KeyPolicy,
    pub(super) jwks_uri: Option<String>,
    pub(super) jwks_seed: Option<KeySnapshot>,
    pub(super) key_dir: Option<PathBuf>,
    pub(super) internal_url: Option<String>,
    pub(super) http: HttpOptions,
    /// `Some`: revocation is on, whatever else feeds it.
    pub(super) revocation_retention: Option<Duration>,
    #[cfg(feature = "webhook")]
    pub(super) webhook_secrets: Option<Vec<String>>,
    #[cfg(feature = "redis")]
    pub(super) redis: Option<RedisConfig>,
    pub(super) resolver: Option<SessionResolver>,
    pub(super) live_sessions: Option<LiveSessions>,
    pub(super) trusted_proxies: Vec<String>,
    pub(crate) gateway: Option<GatewayProof>,
    pub(crate) allow_http: bool,
    pub(crate) disable_csrf_protection: bool,
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
            algorithms: vec![Algorithm::RS256],
            token_cache_capacity: DEFAULT_TOKEN_CACHE_CAPACITY,
            ..Self::default()
        }
    }

    pub(super) fn validation(&self, issuer: String) -> Result<Validation, ConfigError> {
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
                    "is no supported asymmetric algorithm",
                ));
            }
        }
        let former_issuers = self.former_issuers(&issuer)?;
        Ok(Validation {
            issuer,
            audiences: audiences.into(),
            former_issuers,
            client_ids: self.client_ids.clone(),
            algorithms: self.algorithms.clone(),
            leeway: self.keys.leeway,
        })
    }

    pub(super) fn check_token_cache(&self) -> Result<(), ConfigError> {
        if self.token_cache_capacity > MAX_TOKEN_CACHE_CAPACITY {
            return Err(ConfigError::invalid(
                "token_cache_capacity",
                self.token_cache_capacity.to_string(),
                "is more than ten million",
            ));
        }
        Ok(())
    }

    fn former_issuers(&self, issuer: &str) -> Result<Vec<FormerIssuer>, ConfigError> {
        let mut former: Vec<FormerIssuer> = Vec::new();
        for text in &self.former_issuers {
            let origin = self.issuer("former_issuer", text)?;
            if origin == issuer || former.iter().any(|other| other.issuer == origin) {
                return Err(ConfigError::invalid(
                    "former_issuer",
                    text,
                    "is the endpoint, or is named twice",
                ));
            }
            let audiences = if self.audiences.is_empty() {
                vec![origin.clone()]
            } else {
                self.audiences.clone()
            };
            former.push(FormerIssuer {
                issuer: origin,
                audiences,
            });
        }
        Ok(former)
    }

    /// Checks the seed and the folder of keys, without reading a file.
    pub(super) fn check_kept_keys(&self) -> Result<(), ConfigError> {
        if let Some(seed) = &self.jwks_seed {
            let refuse = |reason| Err(ConfigError::invalid("jwks_seed", "", reason));
            if seed.text.len() > MAX_BODY {
                return refuse("is longer than 256 KiB");
            }
            if KeySet::parse(&seed.text, &self.algorithms, None).is_err() {
                return refuse("is no key set with a usable key");
            }
        }
        match &self.key_dir {
            Some(path) if path.as_os_str().is_empty() => {
                Err(ConfigError::invalid("key_dir", "", "is empty"))
            }
            Some(_) if cfg!(not(unix)) => Err(ConfigError::Conflict {
                option: "key_dir",
                reason: "files of this system have no owner and mode",
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn csrf(&self) -> Result<CsrfCheck, ConfigError> {
        if self.disable_csrf_protection {
            Ok(CsrfCheck::off())
        } else {
            CsrfCheck::new(&self.trusted_origins)
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

    #[cfg_attr(
        not(feature = "metrics"),
        expect(clippy::unused_self, reason = "an option of the feature")
    )]
    pub(super) fn metric_scope(&self) -> MetricScope {
        #[cfg(feature = "metrics")]
        let scope = MetricScope::new(self.label_metrics_by_issuer);
        #[cfg(not(feature = "metrics"))]
        let scope = MetricScope;
        scope
    }

    #[cfg(feature = "webhook")]
    pub(super) fn webhook_secrets(&self) -> Result<Option<WebhookSecrets>, ConfigError> {
        let secrets = self.webhook_secrets.as_ref();
        secrets
            .map(|secrets| WebhookSecrets::new("webhook_secrets", secrets))
            .transpose()
    }

    pub(super) fn revocation_policy(&self) -> Result<RevocationPolicy, ConfigError> {
        let retention = self.revocation_retention;
        #[cfg(feature = "webhook")]
        let retention = retention.or(self.webhook_secrets.as_ref().map(|_| DEFAULT_RETENTION));
        let policy = RevocationPolicy {
            retention,
            leeway: self.keys.leeway,
        };
        policy.check()?;
        Ok(policy)
    }
}

pub(super) const DEFAULT_TOKEN_CACHE_CAPACITY: usize = 10_000;
const MAX_TOKEN_CACHE_CAPACITY: usize = 10_000_000;

fn no_empty(option: &'static str, values: &[String]) -> Result<(), ConfigError> {
    if values.is_empty() {
        return Err(ConfigError::invalid(
            option,
            "",
            "is empty: every token would be refused",
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
