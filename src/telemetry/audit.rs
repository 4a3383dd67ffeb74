//! The account of a decision: one event for each request that a layer has decided about.

use std::fmt;

/// The target of accounts: of them alone, so that a subscriber can keep them apart.
const TARGET: &str = "axum_authgear::audit";

/// What an account says. Nothing else of a token, a cookie or its claims ever stands there.
pub(crate) struct Account<'a, R> {
    pub(crate) outcome: &'static str,
    pub(crate) kind: Option<&'static str>,
    /// Whose caller it is, where there may be several projects.
    pub(crate) issuer: Option<&'a str>,
    /// Only where the builder asks for it.
    pub(crate) user_id: Option<&'a str>,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) verified_by: Option<&'static str>,
    pub(crate) requirement: Option<R>,
    pub(crate) http_method: &'static str,
    pub(crate) route: Option<&'a str>,
    pub(crate) request_id: Option<&'a str>,
    /// `None` if there was no answer: the client went away, or the service inside failed.
    pub(crate) status: Option<u16>,
}

impl<R: fmt::Display> Account<'_, R> {
    pub(crate) fn tell(self) {
        tracing::info!(
            target: TARGET,
            outcome = self.outcome,
            kind = self.kind,
            issuer = self.issuer,
            user_id = self.user_id,
            client_id = self.client_id,
            verified_by = self.verified_by,
            requirement = self.requirement.map(tracing::field::display),
            http_method = self.http_method,
            route = self.route,
            request_id = self.request_id,
            status = self.status,
            "request decided"
        );
    }
}
