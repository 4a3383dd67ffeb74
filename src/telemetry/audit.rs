//! The account of a decision: one event for each request that a layer has decided about.

use std::fmt;

/// The target of accounts only, so that a subscriber can separate them.
const TARGET: &str = "axum_authgear::audit";

/// The fields of an account. It contains nothing else of a token, a cookie or its claims.
pub(crate) struct Account<'a, R> {
    pub(crate) outcome: &'static str,
    pub(crate) kind: Option<&'static str>,
    /// The issuer of the caller, if there can be several projects.
    pub(crate) issuer: Option<&'a str>,
    /// Only if the builder turns it on.
    pub(crate) user_id: Option<&'a str>,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) verified_by: Option<&'static str>,
    pub(crate) requirement: Option<R>,
    pub(crate) http_method: &'static str,
    pub(crate) route: Option<&'a str>,
    pub(crate) request_id: Option<&'a str>,
    /// `None` without a response: the client disconnected, or the inner service failed.
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
