//! Whether an option belongs to one of several projects, or to all of them.

use super::options::{DEFAULT_TOKEN_CACHE_CAPACITY, Options};
use crate::authenticate::Audit;
use crate::error::ConfigError;

impl Options {
    /// Refuses options of all projects on the builder of one of them.
    pub(super) fn check_of_project(&self, reads_claims: bool) -> Result<(), ConfigError> {
        #[cfg(feature = "redis")]
        let has_redis = self.redis.is_some();
        #[cfg(not(feature = "redis"))]
        let has_redis = false;
        #[cfg(feature = "metrics")]
        let labels_metrics = self.label_metrics_by_issuer;
        #[cfg(not(feature = "metrics"))]
        let labels_metrics = false;
        refuse(
            [
                ("claims", reads_claims),
                ("token_cookie", !self.sources.is_empty()),
                ("trusted_origins", !self.trusted_origins.is_empty()),
                ("trusted_proxies", !self.trusted_proxies.is_empty()),
                (
                    "token_cache_capacity",
                    self.token_cache_capacity != DEFAULT_TOKEN_CACHE_CAPACITY,
                ),
                ("realm", self.realm.is_some()),
                ("resource_metadata", self.resource_metadata.is_some()),
                ("scope_includes", !self.scope_inclusions.is_empty()),
                ("trace_user_ids", self.trace_user_ids),
                ("label_metrics_by_issuer", labels_metrics),
                ("keep_access_tokens", self.keep_access_tokens),
                ("audit_decisions", self.audit != Audit::Off),
                ("redis", has_redis),
                ("gateway", self.gateway.is_some()),
                ("disable_csrf_protection", !self.csrf_protection),
                ("clock", !self.clock.is_system()),
            ],
            "holds for all projects together: set it on what `Authgear::any_of` gives",
        )
    }

    /// Refuses options of one project on the builder of all of them.
    pub(super) fn check_of_union(&self) -> Result<(), ConfigError> {
        let default = Self::new(String::new());
        #[cfg(feature = "webhook")]
        let has_webhook_secrets = self.webhook_secrets.is_some();
        #[cfg(not(feature = "webhook"))]
        let has_webhook_secrets = false;
        refuse(
            [
                ("audience", !self.audiences.is_empty()),
                ("former_issuer", !self.former_issuers.is_empty()),
                ("client_ids", self.client_ids.is_some()),
                ("algorithms", self.algorithms != default.algorithms),
                ("leeway", self.keys.leeway != default.keys.leeway),
                (
                    "jwks_refresh_interval",
                    self.keys.refresh_interval != default.keys.refresh_interval,
                ),
                ("jwks_cooldown", self.keys.cooldown != default.keys.cooldown),
                (
                    "jwks_max_stale",
                    self.keys.max_stale != default.keys.max_stale,
                ),
                ("jwks_uri", self.jwks_uri.is_some()),
                ("jwks_seed", self.jwks_seed.is_some()),
                ("key_dir", self.key_dir.is_some()),
                ("internal_url", self.internal_url.is_some()),
                ("revocation_retention", self.revocation_retention.is_some()),
                ("webhook_secrets", has_webhook_secrets),
                ("session_resolver", self.resolver.is_some()),
                ("live_sessions", self.live_sessions.is_some()),
                ("allow_http", self.allow_http),
            ],
            "is of one project: set it on the project's own builder, inside of `Authgear::any_of`",
        )
    }
}

fn refuse<const N: usize>(
    options: [(&'static str, bool); N],
    reason: &'static str,
) -> Result<(), ConfigError> {
    match options.into_iter().find(|(_, is_set)| *is_set) {
        Some((option, _)) => Err(ConfigError::Conflict { option, reason }),
        None => Ok(()),
    }
}
