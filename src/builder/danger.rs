//! [`Dangerous`]: the options that weaken a check.

use super::AuthgearBuilder;
use crate::macros::redacted_debug;
use crate::user::NoClaims;
use crate::verify::GatewayProof;

/// Options that weaken a check, from [`AuthgearBuilder::dangerous`]. Each gives the builder back.
///
/// ```
/// # async fn example() -> Result<(), axum_authgear::ConfigError> {
/// use axum_authgear::Authgear;
///
/// // In a cluster whose network is trusted as much as Authgear itself.
/// let authgear = Authgear::builder("https://my-project.authgear.cloud")
///     .internal_url("http://authgear.auth.svc:3000")
///     .dangerous()
///     .allow_http()
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "this does nothing until an option is chosen"]
pub struct Dangerous<C = NoClaims> {
    builder: AuthgearBuilder<C>,
}

impl<C> AuthgearBuilder<C> {
    /// Options that weaken a check, in one place where a review finds them.
    pub fn dangerous(self) -> Dangerous<C> {
        Dangerous { builder: self }
    }
}

impl<C> Dangerous<C> {
    /// Allows plain http to hosts other than loopback. Whoever is on the network between them can
    /// then put keys of their own in place, and sign in as anybody.
    pub fn allow_http(mut self) -> AuthgearBuilder<C> {
        self.builder.options.allow_http = true;
        self.builder
    }

    /// Lets requests from other origins use a cookie credential, for unsafe methods and `WebSocket`s
    /// too. For a stack that has its own protection against cross-site request forgery.
    pub fn disable_csrf_protection(mut self) -> AuthgearBuilder<C> {
        self.builder.options.disable_csrf_protection = true;
        self.builder
    }

    /// Takes the `x-authgear-*` headers of a request as the word of a gateway (nginx, Traefik, Caddy,
    /// Envoy) that has asked Authgear's resolver, if the request has this proof.
    ///
    /// No token is read, no key is fetched, nobody is asked: whoever can give the proof can be any
    /// user. The gateway must clear the identity headers that the client sends, and pass `Host` and
    /// `Origin` on, or cookies are open to cross-site request forgery.
    pub fn gateway(mut self, proof: GatewayProof) -> AuthgearBuilder<C> {
        self.builder.options.gateway = Some(proof);
        self.builder
    }

    /// Takes the time from a clock of a test's own.
    #[cfg(feature = "testkit")]
    pub fn clock(mut self, clock: crate::clock::Clock) -> AuthgearBuilder<C> {
        self.builder.options.clock = clock;
        self.builder
    }
}

redacted_debug!(<C> Dangerous<C>);
