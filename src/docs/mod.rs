//! What surrounds the code: how to do what, how to run it, what is trusted.
//!
//! - [`modes`]: the four ways to verify, and a table to choose by.
//! - [`gateways`]: what a gateway in front must do, with configurations.
//! - [`revocation`]: ending users and tokens before they expire.
//! - [`cookbook`]: one section a task, each with code that compiles.
//! - [`operations`]: readiness, spans, metrics, and what the alerts mean.
//! - [`threat_model`]: for a review of this crate, or of a service that uses it.
//!
//! These modules hold text alone.

#[doc = include_str!("modes.md")]
pub mod modes {}

#[doc = include_str!("gateways.md")]
#[doc = "\n```nginx"]
#[doc = include_str!("nginx/forward_auth.conf")]
#[doc = "```\n\n# nginx, with Authgear's resolver\n\n```nginx"]
#[doc = include_str!("nginx/resolver.conf")]
#[doc = "```\n\n# ingress-nginx, with `forward_auth`\n\nThe test runs what the controller's template makes of these annotations.\n\n```yaml"]
#[doc = include_str!("nginx/ingress.yaml")]
#[doc = "```\n\n# Caddy, with `forward_auth`\n\n```text"]
#[doc = include_str!("caddy/Caddyfile")]
#[doc = "```\n\n# Envoy, with `forward_auth`\n\n```yaml"]
#[doc = include_str!("envoy/envoy.yaml")]
#[doc = "```\n"]
#[doc = include_str!("traefik.md")]
pub mod gateways {}

#[doc = include_str!("revocation.md")]
pub mod revocation {}

// Its code is run by `tests/pages.rs`, for some of it needs more than the crate does.
#[cfg_attr(not(doctest), doc = include_str!("cookbook.md"))]
pub mod cookbook {}

#[doc = include_str!("operations.md")]
pub mod operations {}

#[doc = include_str!("threat_model.md")]
pub mod threat_model {}
