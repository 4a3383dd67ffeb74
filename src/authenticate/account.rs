//! The account of one request: the decision, and its reason.

use std::fmt;
use std::sync::Arc;

use axum::extract::MatchedPath;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};

use super::authentication::Authentication;
use super::decision_notes::DecisionNotes;
use crate::error::AuthErrorKind;
use crate::rejection::{AuthRejection, RequirementText};
use crate::telemetry;
use crate::user::{Principal, VerifiedBy};

/// Logs one account of a request when it is dropped: with the response, when the request is cancelled, or
/// when an inner service panics.
///
/// The outermost layer of an `Authgear` has it. Inner layers write [`DecisionNotes`].
pub(super) struct AccountGuard(Box<Draft>);

#[derive(Default)]
struct Draft {
    names_users: bool,
    names_issuer: bool,
    http_method: &'static str,
    route: Option<MatchedPath>,
    request_id: Option<HeaderValue>,
    notes: Arc<DecisionNotes>,
    outcome: Option<&'static str>,
    kind: Option<AuthErrorKind>,
    issuer: Option<String>,
    user_id: Option<String>,
    client_id: Option<String>,
    verified_by: Option<&'static str>,
    requirement: Option<RequirementText>,
    status: Option<u16>,
}

impl AccountGuard {
    /// `names_issuer`: there can be several.
    pub(super) fn new<B>(request: &Request<B>, names_users: bool, names_issuer: bool) -> Self {
        Self(Box::new(Draft {
            names_users,
            names_issuer,
            http_method: method_name(request.method()),
            route: request.extensions().get::<MatchedPath>().cloned(),
            request_id: request_id(request.headers()),
            ..Draft::default()
        }))
    }

    /// The request passes on to the inner service, which can still refuse it.
    pub(super) fn passed<C: Send + Sync + 'static>(
        &mut self,
        authentication: Authentication,
    ) -> Authentication {
        self.identify::<C>(&authentication);
        let draft = &mut self.0;
        draft.outcome = Some(authentication.outcome().as_str());
        authentication.with_notes(Arc::clone(&draft.notes))
    }

    /// The caller is known, whether the request passes or not.
    pub(super) fn identify<C: Send + Sync + 'static>(&mut self, authentication: &Authentication) {
        let draft = &mut self.0;
        if let Ok(Some(principal)) = authentication.principal::<C>() {
            draft.issuer = draft.names_issuer.then(|| principal.issuer().to_owned());
            draft.client_id = principal.client_id().map(str::to_owned);
            draft.verified_by = Some(VerifiedBy::Jwt.as_str());
            if let Principal::User(user) = &principal {
                draft.user_id = draft.names_users.then(|| user.id().to_owned());
                draft.verified_by = Some(user.verified_by().as_str());
            }
        }
    }

    pub(super) fn refused(&mut self, kind: AuthErrorKind) {
        self.0.kind = Some(kind);
    }

    /// The response is known: it is sent as soon as this has been dropped.
    pub(super) fn answered<B>(&mut self, response: &Response<B>) {
        let draft = &mut self.0;
        draft.status = Some(response.status().as_u16());
        if let Some(rejection) = response.extensions().get::<AuthRejection>() {
            draft.kind = Some(rejection.kind());
            draft.requirement = rejection.requirement().cloned();
        }
    }
}

impl Drop for AccountGuard {
    fn drop(&mut self) {
        let draft = &*self.0;
        let notes = draft.notes.lock();
        // The kind in the response comes first, because a handler can continue after a refusal.
        let kind = draft.kind.or(notes.refusal);
        let requirements = Requirements {
            refused: draft.requirement.as_ref(),
            checked: &notes.checked,
        };
        telemetry::Account {
            outcome: match kind {
                Some(_) => "refused",
                None => draft.outcome.unwrap_or("undecided"),
            },
            kind: kind.map(AuthErrorKind::as_str),
            issuer: draft.issuer.as_deref(),
            user_id: draft.user_id.as_deref(),
            client_id: draft.client_id.as_deref(),
            verified_by: draft.verified_by,
            requirement: (!requirements.is_empty()).then_some(requirements),
            http_method: draft.http_method,
            route: draft.route.as_ref().map(MatchedPath::as_str),
            request_id: draft.request_id.as_ref().map(escaped).as_deref(),
            status: draft.status,
        }
        .tell();
    }
}

/// The expressions of the requirements.
struct Requirements<'n> {
    refused: Option<&'n RequirementText>,
    checked: &'n [RequirementText],
}

impl Requirements<'_> {
    fn is_empty(&self) -> bool {
        self.refused.is_none() && self.checked.is_empty()
    }
}

impl fmt::Display for Requirements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(refused) = self.refused {
            return write!(f, "{refused:?}");
        }
        for (n, requirement) in self.checked.iter().enumerate() {
            if n > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{requirement:?}")?;
        }
        Ok(())
    }
}

/// A client chooses the name of a method outside of RFC 9110 and RFC 5789.
pub(super) fn method_name(method: &Method) -> &'static str {
    const NAMED: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::CONNECT,
        Method::TRACE,
    ];
    const NAMES: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE",
    ];
    NAMED
        .iter()
        .zip(NAMES)
        .find_map(|(named, name)| (named == method).then_some(name))
        .unwrap_or("other")
}

/// The id that an outer layer has set, such as tower-http's `SetRequestIdLayer`, or a gateway.
fn request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(&REQUEST_ID).cloned()
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// In printable ASCII, and not longer than an id, because a client can have sent it.
fn escaped(id: &HeaderValue) -> String {
    let id = id.as_bytes();
    let id = id.get(..MAX_REQUEST_ID).unwrap_or(id);
    id.escape_ascii().to_string()
}

const MAX_REQUEST_ID: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_printable_and_short() {
        let plain = HeaderValue::from_static("01J-a/b+c");
        assert_eq!(escaped(&plain), "01J-a/b+c");
        let odd = HeaderValue::from_bytes(b"a\tb\"c\\d\xff").unwrap();
        assert_eq!(escaped(&odd), r#"a\tb\"c\\d\xff"#);
        let long = HeaderValue::from_str(&"x".repeat(10_000)).unwrap();
        assert_eq!(escaped(&long).len(), MAX_REQUEST_ID);
    }

    #[test]
    fn a_method_of_a_clients_own_has_no_name() {
        assert_eq!(method_name(&Method::DELETE), "DELETE");
        assert_eq!(method_name(&Method::TRACE), "TRACE");
        let own = Method::from_bytes(b"GETTING").unwrap();
        assert_eq!(method_name(&own), "other");
    }
}
