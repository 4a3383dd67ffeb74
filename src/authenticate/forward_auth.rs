//! [`ForwardAuth`]: answers the sub-request of a gateway about a client's request.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use tower::Service;

use super::account::AccountGuard;
use super::authentication::Authentication;
use super::authenticator::{Authenticator, Decision};
use super::csrf::{is_safe, names_something};
use super::future::{give_account, with_cookies};
use super::issuer_filter::IssuerFilter;
use super::request_record::RequestRecord;
use crate::error::{AuthError, AuthErrorKind};
use crate::macros::{clone_without_bounds, redacted_debug};
use crate::telemetry::{self, AuthenticationSpan, RequestOutcome};
use crate::user::{AuthUser, NoClaims, Principal};
use crate::verify::session_headers as headers;
use crate::verify::{GatewayIdentity, SetCookies};

/// A server for the sub-requests of a gateway (nginx's `auth_request`, Traefik's `ForwardAuth`,
/// Envoy's `ext_authz`, Caddy's `forward_auth`), from
/// [`Authgear::forward_auth`](crate::Authgear::forward_auth).
///
/// The response is 200 with `x-authgear-*` headers for a signed-in user. A refusal shows in its status:
/// 400 for a malformed field, 401 without a valid credential, 403 for a machine and for a cross-site
/// request with a cookie, 503 if the user cannot be verified now. Path and body of the sub-request have
/// no effect.
///
/// Two sources decide whether a request with a cookie is unsafe: the method and the upgrade of the
/// sub-request, *and* those that the gateway names in a field. These fields are `X-Forwarded-Method`,
/// `X-Original-Method`, every other `X-…-Method` or `X-…-Method-Override`, `X-Forwarded-Upgrade`, every
/// non-empty `X-…-Upgrade`, and `Sec-WebSocket-Key`. The gateway must forward `Host`, `Origin`,
/// `Sec-Fetch-Site` and `Cookie`. [The
/// documentation](crate::docs::gateways#how-gateways-name-the-clients-request) shows how.
///
/// It is a tower service: `Router::new().fallback_service(authgear.forward_auth())`.
#[must_use = "a service does nothing until it is called"]
pub struct ForwardAuth<C = NoClaims> {
    authenticator: Arc<Authenticator<C>>,
    issuers: Option<IssuerFilter>,
}

impl<C: Send + Sync + 'static> ForwardAuth<C> {
    pub(crate) fn new(authenticator: Arc<Authenticator<C>>) -> Self {
        Self {
            authenticator,
            issuers: None,
        }
    }

    /// Accepts only users of the issuers for which `filter` returns `true`, as
    /// [`AuthenticateLayer::issuers`](crate::AuthenticateLayer::issuers) does. The function receives the
    /// gateway's sub-request, whose path is the gateway's own.
    pub fn issuers(
        mut self,
        filter: impl Fn(&Parts, &str) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.issuers = Some(IssuerFilter::new(self.issuers.take(), filter));
        self
    }
}

impl<B, C: Send + Sync + 'static> Service<Request<B>> for ForwardAuth<C> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut original = original(request);
        let gateway_identity: GatewayIdentity =
            self.authenticator.take_gateway_identity(&mut original);
        let authenticator = Arc::clone(&self.authenticator);
        let mut account = authenticator.account(&original);
        let span = authenticator.start_span();
        let now = span.began();
        let set_cookies = authenticator.set_cookies();
        let decision = span.in_scope(|| {
            authenticator.begin(
                &original,
                gateway_identity,
                now,
                false,
                set_cookies.as_ref(),
            )
        });
        let issuers = self.issuers.clone();
        Box::pin(async move {
            let mut decision = match decision {
                Decision::Wait(pending, token) => authenticator.conclude(pending.await, || token),
                decision => decision,
            };
            if let Some(filter) = issuers {
                (_, decision) = filter.apply(original, decision, account.as_mut());
            }
            let set_cookies = set_cookies.as_deref();
            let response = respond(
                &authenticator,
                decision,
                span,
                set_cookies,
                account.as_mut(),
            );
            give_account(&mut account, &response);
            Ok(response)
        })
    }
}

/// The request that the gateway asks about. A sub-request is a GET without `Upgrade`, also for an unsafe
/// client request. So the gateway's fields also decide whether the request is safe.
fn original<B>(request: Request<B>) -> Request<()> {
    let (mut parts, _) = request.into_parts();
    // This request has not been authenticated before.
    RequestRecord::forget_authentication(&mut parts.extensions);
    let is_unsafe = |field| names_unsafe_method(field) || names_upgrade(field);
    if is_safe(&parts.method) && parts.headers.iter().any(is_unsafe) {
        parts.method = Method::POST;
    }
    Request::from_parts(parts, ())
}

/// Whether a gateway names an unsafe or unclear client method in this field: `X-Forwarded-Method`,
/// `X-Original-Method`, or a similar name. The fields by which a client overrides its method end in the same
/// way.
fn names_unsafe_method((name, value): (&HeaderName, &HeaderValue)) -> bool {
    is_gateways(name, &["-method", "-method-override"])
        && Method::from_bytes(value.as_bytes()).map_or(true, |method| !is_safe(&method))
}

/// Whether a gateway reports in this field that the client asks for another protocol. An empty field does
/// not count.
fn names_upgrade((name, value): (&HeaderName, &HeaderValue)) -> bool {
    is_gateways(name, &["-upgrade"]) && names_something(value)
}

/// A browser sends no field with such a prefix by itself. `_` counts as `-`, as in the identity headers.
fn is_gateways(name: &HeaderName, endings: &[&str]) -> bool {
    let name = name.as_str().replace('_', "-");
    name.starts_with("x-") && endings.iter().any(|ending| name.ends_with(ending))
}

fn respond<C: Send + Sync + 'static>(
    authenticator: &Authenticator<C>,
    decision: Decision<C>,
    span: AuthenticationSpan,
    cookies: Option<&SetCookies>,
    account: Option<&mut AccountGuard>,
) -> Response<Body> {
    let answer = match decision {
        Decision::Pass(mut authentication) => {
            authenticator.record(span, &authentication);
            if let Some(account) = account {
                authentication = account.passed::<C>(authentication);
            }
            user::<C>(&authentication)
                .and_then(|user| tell(&user, authenticator.shared.names_issuer))
        }
        Decision::Reject(error) => {
            span.end(RequestOutcome::Rejected(error.kind()));
            Err(error)
        }
        // There is no layer around this, and the wait is over.
        Decision::Known | Decision::Wait(..) => Err(AuthErrorKind::MissingCredential.into()),
    };
    let response = match answer {
        Ok(headers) => {
            telemetry::answered(RequestOutcome::User);
            let mut response = Response::new(Body::empty());
            *response.headers_mut() = headers;
            response
        }
        Err(error) => {
            let rejection = authenticator.reject(error);
            let issuer = authenticator.issuer().map(|issuer| &**issuer);
            telemetry::refused(rejection.error(), issuer);
            rejection.into_response()
        }
    };
    with_cookies(response, cookies)
}

fn user<C: Send + Sync + 'static>(
    authentication: &Authentication,
) -> Result<AuthUser<C>, AuthError> {
    match authentication.principal()? {
        Some(Principal::User(user)) => Ok(user),
        Some(Principal::Client(_)) => Err(AuthErrorKind::UserRequired.into()),
        None => Err(AuthErrorKind::MissingCredential.into()),
    }
}

/// The user in headers, in the format of the resolver.
fn tell<C>(user: &AuthUser<C>, names_issuer: bool) -> Result<HeaderMap, AuthError> {
    let id = Some(user.id())
        .filter(|id| !id.is_empty() && is_tellable(id))
        .and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok())
        .ok_or_else(unsafe_id)?;
    let flag = |value| HeaderValue::from_static(if value { "true" } else { "false" });
    let mut told = HeaderMap::with_capacity(9);
    told.insert(headers::SESSION_VALID, flag(true));
    told.insert(headers::USER_ID, id);
    if names_issuer {
        let issuer = HeaderValue::from_bytes(user.issuer().as_bytes()).map_err(|_| unsafe_id())?;
        told.insert(headers::ISSUER, issuer);
    }
    told.insert(headers::USER_ANONYMOUS, flag(user.is_anonymous()));
    told.insert(headers::USER_VERIFIED, flag(user.is_verified()));
    told.insert(
        headers::USER_CAN_REAUTHENTICATE,
        flag(user.can_reauthenticate()),
    );
    // A key with a separator would become two keys at the receiver.
    let roles = user
        .roles()
        .filter(|role| is_tellable(role) && !role.contains(','));
    let methods = user
        .amr()
        .filter(|method| is_tellable(method) && !method.contains([',', ' ']));
    if let Some(roles) = list(roles, ",").filter(|roles| !roles.is_empty()) {
        told.insert(headers::USER_ROLES, roles);
    }
    // As in the resolver: present, but empty without a value.
    if let Some(methods) = list(methods, " ") {
        told.insert(headers::SESSION_AMR, methods);
    }
    if let Some(time) = user.auth_time() {
        told.insert(headers::SESSION_AUTHENTICATED_AT, time.into());
    }
    Ok(told)
}

fn unsafe_id() -> AuthError {
    AuthError::unavailable(
        AuthErrorKind::UserIdNotHeaderSafe,
        RETRY_AFTER_UNSAFE_USER_ID,
        None,
    )
}

fn list<'m>(members: impl Iterator<Item = &'m str>, separator: &str) -> Option<HeaderValue> {
    let members: Vec<&str> = members.filter(|member| !member.is_empty()).collect();
    HeaderValue::from_bytes(members.join(separator).as_bytes()).ok()
}

/// Whether a text is unchanged after it was sent in a header.
fn is_tellable(text: &str) -> bool {
    text.trim() == text && !text.chars().any(char::is_control)
}

/// Such an id does not change by itself.
const RETRY_AFTER_UNSAFE_USER_ID: Duration = Duration::from_secs(60);

clone_without_bounds!(<C> ForwardAuth<C> { authenticator, issuers });

redacted_debug!(<C> ForwardAuth<C>);
