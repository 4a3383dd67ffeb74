//! [`SharedAuthenticator`]: what all resources of an `Authgear` have in common.

use std::sync::Arc;

use super::client_info::ClientInfoRules;
use super::csrf::CsrfCheck;
use crate::clock::Clock;
use crate::credential::Sources;
use crate::revocation::RevocationLedger;
use crate::user::ScopeInclusions;
use crate::verify::Verifier;

/// The parts that all resources of an `Authgear` share.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(crate) struct SharedAuthenticator<C> {
    pub(crate) sources: Sources,
    pub(crate) csrf: CsrfCheck,
    pub(crate) verifier: Verifier<C>,
    pub(crate) ledger: Arc<RevocationLedger>,
    #[cfg(feature = "webhook")]
    pub(crate) webhook_secrets: Arc<crate::webhook::ProjectSecrets>,
    /// The issuers, if `verifier` has no projects.
    pub(crate) fixed_issuers: Vec<String>,
    /// Whether there can be several projects.
    pub(crate) is_union: bool,
    /// Whether forward auth names the issuer: if tokens of several issuers are accepted.
    pub(crate) names_issuer: bool,
    pub(crate) client_info_rules: ClientInfoRules,
    pub(crate) forward_set_cookie: bool,
    /// The issuer of the tokens, for log lines. `None`: several projects.
    pub(crate) issuer: Option<Arc<str>>,
    pub(crate) realm: Option<String>,
    pub(crate) scope_inclusions: Option<Arc<ScopeInclusions>>,
    pub(crate) clock: Clock,
    pub(crate) trace_user_ids: bool,
    pub(crate) keep_access_tokens: bool,
    pub(crate) audit: Audit,
}

/// Whether each decision is logged as an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Audit {
    #[default]
    Off,
    WithoutUsers,
    WithUsers,
}
