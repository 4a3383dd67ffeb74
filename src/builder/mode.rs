//! The mode that the options select, and the options that it excludes.

use url::Url;

use super::Options;
use super::urls::Endpoint;
use crate::authenticate::ClientInfoRules;
use crate::error::ConfigError;
use crate::networks::read_networks;
use crate::verify::{GatewayProof, LiveSessions, Proof, SessionResolver};

/// The checked mode that the options select.
pub(super) enum Mode {
    Jwt,
    Resolver(SessionResolver, Url),
    Live(LiveSessions, Url),
    Gateway(Proof),
}

impl Mode {
    /// Refuses modes with Authgear's own cookies, because a cookie cannot select one of several projects.
    pub(super) fn check_of_many(&self) -> Result<(), ConfigError> {
        let conflict = |option, reason| Err(ConfigError::Conflict { option, reason });
        match self {
            Self::Resolver(..) => conflict(
                "session_resolver",
                "opaque tokens and Authgear's cookies name no project: use live_sessions, or a single \
                 project",
            ),
            Self::Live(live, _) if live.session_cookies => conflict(
                "session_cookies",
                "Authgear's cookies name no project: remove the option, or use a single project",
            ),
            Self::Live(live, _) if live.resolver.forward_set_cookie => conflict(
                "forward_set_cookie",
                "Authgear's cookies name no project: remove the option, or use a single project",
            ),
            Self::Jwt | Self::Live(..) | Self::Gateway(_) => Ok(()),
        }
    }

    pub(super) fn resolver(&self) -> Option<(&SessionResolver, &Url)> {
        match self {
            Self::Resolver(resolver, url) => Some((resolver, url)),
            Self::Live(live, url) => Some((&live.resolver, url)),
            Self::Jwt | Self::Gateway(_) => None,
        }
    }

    pub(super) fn needs_keys(&self) -> bool {
        matches!(self, Self::Jwt | Self::Live(..))
    }

    /// The prefix of Authgear's cookies, if they are credentials.
    pub(super) fn session_cookies(&self) -> Option<&str> {
        match self {
            Self::Resolver(resolver, _) => Some(&resolver.cookie_prefix),
            Self::Live(live, _) if live.session_cookies => Some(&live.resolver.cookie_prefix),
            Self::Jwt | Self::Live(..) | Self::Gateway(_) => None,
        }
    }
}

/// The options of all projects that decide about the mode.
pub(super) struct ModeContext<'c> {
    pub(super) gateway: Option<&'c GatewayProof>,
    pub(super) has_token_source: bool,
    pub(super) keeps_tokens: bool,
    pub(super) reads_claims: bool,
}

pub(super) const NO_CLAIMS: ConfigError = ConfigError::Conflict {
    option: "claims",
    reason: "only a JWT has custom claims, and this mode accepts users without one: use live_sessions, \
             without Authgear's cookies",
};

impl Options {
    pub(super) fn mode(
        &self,
        endpoint: &Endpoint,
        context: &ModeContext<'_>,
    ) -> Result<Mode, ConfigError> {
        let conflict = |option, reason| Err(ConfigError::Conflict { option, reason });
        let reads_claims = context.reads_claims;
        let is_jwt =
            context.gateway.is_none() && self.live_sessions.is_none() && self.resolver.is_none();
        if !is_jwt && !self.former_issuers.is_empty() {
            return conflict(
                "former_issuer",
                "it works only where this API verifies the token and asks no resolver: the resolver compares the \
                 audience with its own host, and a gateway sends no token",
            );
        }
        match (context.gateway, &self.live_sessions, &self.resolver) {
            (Some(_), Some(_), _) => conflict(
                "live_sessions",
                "behind a gateway this API does not ask the resolver: choose one of the two",
            ),
            (Some(_), None, Some(_)) => conflict(
                "session_resolver",
                "behind a gateway this API does not ask the resolver: choose one of the two",
            ),
            (None, Some(_), Some(_)) => conflict(
                "session_resolver",
                "live sessions are another mode: pass it to LiveSessions::session_resolver, or choose one of \
                 the two",
            ),
            (Some(_), None, None) if context.has_token_source => {
                conflict("token_cookie", "behind a gateway this API reads no token")
            }
            (Some(_), None, None) if context.keeps_tokens => conflict(
                "keep_access_tokens",
                "behind a gateway this API reads no token",
            ),
            (Some(proof), None, None) => {
                self.check_without_token(
                    reads_claims,
                    "the gateway does not name the client of a token: use live_sessions (JWT and \
                     resolver)",
                    "the gateway compares no audience",
                )?;
                Ok(Mode::Gateway(proof.check()?))
            }
            (None, None, Some(resolver)) => {
                self.check_without_token(
                    reads_claims,
                    "the resolver does not name the client of a token: use live_sessions (JWT and \
                     resolver)",
                    "the resolver compares the audience only with its own host: use live_sessions (JWT and \
                     resolver)",
                )?;
                resolver.check()?;
                let url = self.resolver_url(resolver, endpoint)?;
                Ok(Mode::Resolver(resolver.clone(), url))
            }
            (None, Some(live), None) => {
                live.check()?;
                if live.session_cookies && reads_claims {
                    return Err(NO_CLAIMS);
                }
                let url = self.resolver_url(&live.resolver, endpoint)?;
                Ok(Mode::Live(live.clone(), url))
            }
            (None, None, None) => Ok(Mode::Jwt),
        }
    }

    /// Refuses options that need a token.
    fn check_without_token(
        &self,
        reads_claims: bool,
        no_client: &'static str,
        no_audience: &'static str,
    ) -> Result<(), ConfigError> {
        let conflict = |option, reason| Err(ConfigError::Conflict { option, reason });
        if self.client_ids.is_some() {
            return conflict("client_ids", no_client);
        }
        if !self.audiences.is_empty() {
            return conflict("audience", no_audience);
        }
        if reads_claims {
            return Err(NO_CLAIMS);
        }
        Ok(())
    }

    fn resolver_url(
        &self,
        resolver: &SessionResolver,
        endpoint: &Endpoint,
    ) -> Result<Url, ConfigError> {
        if let Some(url) = &resolver.url {
            return self.url("url", url);
        }
        let mut url = endpoint.url.clone();
        url.set_path(RESOLVER_PATH);
        Ok(url)
    }

    /// `is_union`: each project then decides what its resolver may learn about the client.
    pub(super) fn client_info_rules<'m>(
        &self,
        is_union: bool,
        mut resolvers: impl Iterator<Item = (&'m SessionResolver, &'m Url)> + Clone,
    ) -> Result<ClientInfoRules, ConfigError> {
        let forward_user_agent = resolvers.clone().any(|(own, _)| own.forward_user_agent);
        Ok(ClientInfoRules {
            trusted_proxies: read_networks("trusted_proxies", &self.trusted_proxies)?,
            forward_user_agent: is_union || forward_user_agent,
            forward_address: is_union || resolvers.any(|(own, _)| own.forward_client_address),
        })
    }
}

const RESOLVER_PATH: &str = "/_resolver/resolve";
