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
    /// Options that weaken a check, in one place, so that a review finds them.
    pub fn dangerous(self) -> Dangerous<C> {
        Dangerous { builder: self }
    }
}

impl<C> Dangerous<C> {
    /// Allows plain http to hosts other than loopback. An attacker on that network can then replace the
    /// keys, and sign in as any user.
    pub fn allow_http(mut self) -> AuthgearBuilder<C> {
        self.builder.options.allow_http = true;
        self.builder
    }

    /// Accepts a cookie credential from every origin, also for unsafe methods and `WebSocket`s. Use it only
    /// if another layer protects against cross-site request forgery.
    pub fn disable_csrf_protection(mut self) -> AuthgearBuilder<C> {
        self.builder.options.disable_csrf_protection = true;
        self.builder
    }

    /// Trusts the `x-authgear-*` headers of a request that has this proof. They come from a gateway (nginx,
    /// Traefik, Caddy, Envoy) that has asked Authgear's resolver.
    ///
    /// This API then reads no token, fetches no key and does not ask Authgear: a sender with the proof can
    /// be any user. The gateway must remove the identity headers of the client. It must pass `Host` and
    /// `Origin`, or cookies have no protection against cross-site request forgery.
    ///
    /// With several projects ([`any_of`](crate::Authgear::any_of)) the gateway must name the issuer of each
    /// session in `x-authgear-issuer`; without it the request is refused with 401.
    pub fn gateway(mut self, proof: GatewayProof) -> AuthgearBuilder<C> {
        self.builder.options.gateway = Some(proof);
        self.builder
    }

    /// Reads the time from the clock of a test.
    #[cfg(feature = "testkit")]
    pub fn clock(mut self, clock: crate::clock::Clock) -> AuthgearBuilder<C> {
        self.builder.options.clock = clock;
        self.builder
    }
}

redacted_debug!(<C> Dangerous<C>);
