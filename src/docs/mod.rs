//! What surrounds the code: how to do what, how to run it, what is trusted.
//!
//! - [`cookbook`]: one section a task, each with code that compiles.
//! - [`coding_agents`]: all that is needed to protect an app, on one page; for a program that writes
//!   the code, and for a person in a hurry.
//! - [`modes`]: the four ways to verify, and a table to choose by.
//! - [`projects`]: several projects behind one API, such as tenants, or staging beside production.
//! - [`gateways`]: what a gateway in front must do, with configurations.
//! - [`revocation`]: ending users and tokens before they expire.
//! - [`configuration`]: every option, its default and what it does; Cargo features.
//! - [`refusals`]: the answer to each bad request.
//! - [`operations`]: readiness, spans, metrics, and what the alerts mean.
//! - [`troubleshooting`]: what you see, what it means, and the cure.
//! - [`threat_model`]: for a review of this crate, or of a service that uses it.
//! - [`changelog`]: what changed, version by version.
//!
//! These modules contain text only.

#[doc = include_str!("coding_agents.md")]
pub mod coding_agents {}

#[doc = include_str!("cookbook.md")]
pub mod cookbook {
    // The code of these pages is run by `tests/pages.rs`: some of it needs more than the crate does.

    #[cfg_attr(not(doctest), doc = include_str!("cookbook/routes.md"))]
    pub mod routes {}

    #[cfg_attr(not(doctest), doc = include_str!("cookbook/credentials.md"))]
    pub mod credentials {}

    #[cfg_attr(not(doctest), doc = include_str!("cookbook/operations.md"))]
    pub mod operations {}

    #[cfg_attr(not(doctest), doc = include_str!("cookbook/testing.md"))]
    pub mod testing {}
}

#[doc = "Four ways to verify: a picture, and a table to choose by.\n"]
#[doc = include_str!("modes.svg")]
#[doc = "\n"]
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
