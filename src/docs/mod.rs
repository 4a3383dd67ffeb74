//! Guides and reference pages.
//!
//! - [`cookbook`]: one section per task, each with tested code.
//! - [`coding_agents`]: everything to protect an app, on one page, for coding agents and people in a hurry.
//! - [`modes`]: the four ways to verify, with a table to choose one.
//! - [`projects`]: several projects behind one API, such as tenants, or staging beside production.
//! - [`gateways`]: the duties of a gateway in front, with configurations.
//! - [`revocation`]: how to revoke tokens before they expire.
//! - [`configuration`]: every option, its default and its effect; Cargo features.
//! - [`refusals`]: the response to each refused request.
//! - [`operations`]: readiness, spans, metrics, and the meaning of alerts.
//! - [`troubleshooting`]: symptoms, their meaning, and how to fix them.
//! - [`threat_model`]: for a review of this crate, or of a service that uses it.
//! - [`changelog`]: what changed, version by version.
//!
//! These modules contain text only.

#[doc = include_str!("coding_agents.md")]
pub mod coding_agents {}

#[doc = include_str!("cookbook.md")]
pub mod cookbook {
    // `tests/pages.rs` runs the code of these pages, because it needs further dependencies.

    #[cfg_attr(not(doctest), doc = include_str!("cookbook/routes.md"))]
    pub mod routes {}

    #[cfg_attr(not(doctest), doc = include_str!("cookbook/credentials.md"))]
    pub mod credentials {}

    #[cfg_attr(not(doctest), doc = include_str!("cookbook/operations.md"))]
    pub mod operations {}

    #[cfg_attr(not(doctest), doc = include_str!("cookbook/testing.md"))]
    pub mod testing {}
}

#[doc = "Four ways to verify, with a table to choose one.\n"]
#[doc = include_str!("modes.svg")]
#[doc = "\n"]
#[doc = include_str!("modes.md")]
pub mod modes {}

#[doc = include_str!("gateways.md")]
#[doc = "\n```nginx"]
#[doc = include_str!("nginx/forward_auth.conf")]
#[doc = "```\n\n# nginx, with Authgear's resolver\n\n```nginx"]
#[doc = include_str!("nginx/resolver.conf")]
#[doc = "```\n\n# ingress-nginx, with `forward_auth`\n\nThe test runs the configuration that the controller's template makes from these annotations.\n\n```yaml"]
#[doc = include_str!("nginx/ingress.yaml")]
#[doc = "```\n\n# Caddy, with `forward_auth`\n\n```text"]
#[doc = include_str!("caddy/Caddyfile")]
#[doc = "```\n\n# Envoy, with `forward_auth`\n\n```yaml"]
#[doc = include_str!("envoy/envoy.yaml")]
#[doc = "```\n"]
#[doc = include_str!("traefik.md")]
pub mod gateways {}

#[doc = include_str!("projects.md")]
pub mod projects {}

#[doc = include_str!("revocation.md")]
pub mod revocation {}

#[doc = include_str!("configuration.md")]
pub mod configuration {}

#[doc = include_str!("refusals.md")]
pub mod refusals {}

#[doc = include_str!("operations.md")]
pub mod operations {}

#[doc = include_str!("troubleshooting.md")]
pub mod troubleshooting {}

#[doc = include_str!("threat_model.md")]
pub mod threat_model {}

#[doc = include_str!("changelog.md")]
pub mod changelog {}
