//! The mode that the options ask for: which options it excludes, and the verifier that it is.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;
use url::Url;

use super::Options;
use super::urls::Endpoint;
use crate::authenticate::ClientInfoRules;
use crate::clock::Clock;
use crate::error::ConfigError;
use crate::jwks::{HttpKeySource, KeyFolder, KeyPolicy, KeySnapshot, KeyStore, Refresher, restore};
use crate::networks::read_networks;
use crate::outbound::{Outbound, Upstream};
use crate::revocation::Revocations;
use crate::user::{Identity, TimeContext, VerifiedBy, VerifiedUser};
use crate::verify::{
    CachePolicy, GatewayVerifier, HttpResolver, JwtVerifier, LiveSessions, LiveVerifier, Proof,
    ReadClaims, ResolverClient, ResolverVerifier, SessionResolver, TokenCache, Validation,
    Verifier,
};

/// The mode that the options ask for, checked.
pub(super) enum Mode {
    Jwt,
    Resolver(SessionResolver, Url),
    Live(LiveSessions, Url),
    Gateway(Proof),
}

impl Mode {
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

const NO_CLAIMS: ConfigError = ConfigError::Conflict {
    option: "claims",
    reason: "custom claims are in a JWT alone, and users without one are let in here: take \
             live_sessions, without Authgear's cookies",
};

impl Options {
    pub(super) fn mode(
        &self,
        endpoint: &Endpoint,
        reads_claims: bool,
    ) -> Result<Mode, ConfigError> {
        let conflict = |option, reason| Err(ConfigError::Conflict { option, reason });
        let has_token_source = !self.sources.is_empty();
        let is_jwt =
            self.gateway.is_none() && self.live_sessions.is_none() && self.resolver.is_none();
        if !is_jwt && !self.former_issuers.is_empty() {
            return conflict(
                "former_issuer",
                "it is for tokens that are verified here and nowhere else: the resolver compares their \
                 audience with its own host, and a gateway shows none",
            );
        }
        match (&self.gateway, &self.live_sessions, &self.resolver) {
            (Some(_), Some(_), _) => conflict(
                "live_sessions",
                "behind a gateway nobody is asked: choose one of the two",
            ),
            (Some(_), None, Some(_)) => conflict(
                "session_resolver",
                "behind a gateway nobody is asked: choose one of the two",
            ),
            (None, Some(_), Some(_)) => conflict(
                "session_resolver",
                "live sessions are another mode: hand it to LiveSessions::session_resolver, or take one of \
                 the two",
            ),
            (Some(_), None, None) if has_token_source => {
                conflict("token_cookie", "behind a gateway no token is read here")
            }
            (Some(_), None, None) if self.keep_access_tokens => conflict(
                "keep_access_tokens",
                "behind a gateway no token is read here",
            ),
            (Some(proof), None, None) => {
                self.check_without_token(
                    reads_claims,
                    "the gateway does not name the client of a token: take live_sessions (JWT and \
                     resolver)",
                    "the gateway compares no audience",
                )?;
                Ok(Mode::Gateway(proof.check()?))
            }
            (None, None, Some(resolver)) => {
                self.check_without_token(
                    reads_claims,
                    "the resolver does not name the client of a token: take live_sessions (JWT and \
                     resolver)",
                    "the resolver compares the audience with its own host, and with nothing else: \
                     take live_sessions (JWT and resolver)",
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

    /// What can only be said of a token that is read here.
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

    pub(super) fn client_info_rules(&self, mode: &Mode) -> Result<ClientInfoRules, ConfigError> {
        let resolver = mode.resolver().map(|(resolver, _)| resolver);
        Ok(ClientInfoRules {
            trusted_proxies: read_networks("trusted_proxies", &self.trusted_proxies)?,
            forward_user_agent: resolver.is_some_and(|resolver| resolver.forward_user_agent),
            forward_address: resolver.is_some_and(|resolver| resolver.forward_client_address),
        })
    }
}

const RESOLVER_PATH: &str = "/_resolver/resolve";

/// What verifiers are made of.
pub(super) struct Setup<'s, C> {
    pub(super) runtime: &'s Handle,
    pub(super) clock: Clock,
    pub(super) revocations: Arc<Revocations>,
    pub(super) outbound: Outbound,
    pub(super) endpoint: Endpoint,
    pub(super) internal: Option<Url>,
    pub(super) jwks_uri: Option<Url>,
    pub(super) jwks_seed: Option<KeySnapshot>,
    pub(super) key_dir: Option<PathBuf>,
    pub(super) keys: KeyPolicy,
    pub(super) validation: Validation,
    pub(super) token_cache_capacity: usize,
    pub(super) read_claims: ReadClaims<C>,
}

impl Mode {
    /// Starts what the mode needs in the background.
    pub(super) fn verifier<C: Send + Sync + 'static>(
        self,
        setup: Setup<'_, C>,
    ) -> Result<Verifier<C>, ConfigError> {
        Ok(match self {
            Self::Jwt => Verifier::Jwt(setup.jwt()),
            Self::Resolver(resolver, url) => {
                let base = setup.without_token(VerifiedBy::Resolver)?;
                let keep = resolver.keep();
                let sessions = setup.sessions(&resolver, url, keep);
                let verifier = ResolverVerifier::new(sessions, base, keep.valid_ttl);
                Verifier::Resolver(Arc::new(verifier))
            }
            Self::Live(live, url) => {
                let base = live
                    .session_cookies
                    .then(|| setup.without_token(VerifiedBy::Resolver))
                    .transpose()?;
                let sessions = setup.sessions(&live.resolver, url, live.keep());
                let verifier = LiveVerifier::new(setup.jwt(), sessions, &live, base);
                Verifier::Live(Arc::new(verifier))
            }
            Self::Gateway(proof) => {
                let base = setup.without_token(VerifiedBy::Gateway)?;
                Verifier::Gateway(GatewayVerifier::new(proof, &setup.endpoint.issuer, base))
            }
        })
    }
}

impl<C: Send + Sync + 'static> Setup<'_, C> {
    fn jwt(self) -> Arc<JwtVerifier<C>> {
        let folder = self.key_dir.map(|path| {
            KeyFolder::new(
                path,
                &self.endpoint.issuer,
                self.clock.clone(),
                self.keys.leeway,
            )
        });
        let source = HttpKeySource::new(
            self.outbound,
            Upstream::new(self.endpoint.url, self.internal),
            self.endpoint.issuer,
            self.jwks_uri,
        );
        let keys = Arc::new(KeyStore::new(self.keys, self.clock.clone()));
        let algorithms = self.validation.algorithms.clone();
        if let Some(seed) = &self.jwks_seed {
            restore(&keys, seed, &algorithms, "seed");
        }
        let store = Arc::clone(&keys);
        let refresher = Refresher::spawn(self.runtime, store, source, algorithms, folder);
        Arc::new(JwtVerifier {
            validation: self.validation,
            clock: self.clock,
            keys,
            revocations: self.revocations,
            cache: TokenCache::new(self.token_cache_capacity),
            read_claims: self.read_claims,
            refresher,
        })
    }

    fn sessions(
        &self,
        resolver: &SessionResolver,
        url: Url,
        keep: CachePolicy,
    ) -> Arc<ResolverClient> {
        let outbound = self.outbound.clone();
        let source = HttpResolver::new(outbound, url, &self.endpoint.url, resolver);
        let clock = self.clock.clone();
        let issuer = &self.endpoint.issuer;
        let sessions = ResolverClient::new(source, issuer, resolver, keep, clock, self.runtime);
        let sessions = Arc::new(sessions);
        // What was said of a user before the end is not believed after it.
        let kept = Arc::downgrade(&sessions);
        self.revocations.store().on_change(Box::new(move |user| {
            if let Some(sessions) = kept.upgrade() {
                sessions.invalidate_user(user);
            }
        }));
        sessions
    }

    /// What there is of users who come without a token: it has no claims.
    fn without_token(&self, method: VerifiedBy) -> Result<Arc<VerifiedUser<C>>, ConfigError> {
        let claims = (self.read_claims)("{}").map_err(|_| NO_CLAIMS)?;
        Ok(Arc::new(VerifiedUser {
            identity: Identity::of_issuer(&self.endpoint.issuer),
            claims,
            method,
            signed_by: None,
            time: TimeContext {
                clock: self.clock.clone(),
                leeway: self.keys.leeway,
            },
        }))
    }
}
