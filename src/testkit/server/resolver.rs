//! The session resolver.

use axum::http::{Method, StatusCode, header, request};
use axum::response::{AppendHeaders, IntoResponse, Response};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::super::random;
use super::origin;
use crate::credential::cookie;
use crate::testkit::state::accounts::Account;
use crate::testkit::state::sessions::SessionState;
use crate::testkit::state::{Shared, State};

pub(super) fn answer(shared: &Shared, request: &request::Parts) -> Response {
    if ![Method::GET, Method::HEAD].contains(&request.method) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let state = shared.state();
    let valid = |valid: &str| ("x-authgear-session-valid".to_owned(), valid.to_owned());
    let headers = match resolve(shared, &state, request) {
        Resolved::NoSession => Vec::new(),
        Resolved::Invalid => vec![valid("false")],
        Resolved::InvalidCookie => vec![valid("false"), cleared_cookie(shared)],
        Resolved::Session(account, session) => {
            let mut headers = account.user.headers();
            headers.extend(session.headers());
            headers.push(valid("true"));
            headers
        }
    };
    AppendHeaders(headers).into_response()
}

enum Resolved<'a> {
    NoSession,
    Invalid,
    /// Invalid, and by the `session` cookie, which Authgear then clears.
    InvalidCookie,
    Session(&'a Account, &'a SessionState),
}

/// The first credential that stands for a living session. A bad one is skipped, except the
/// `session` cookie, which comes last.
fn resolve<'a>(shared: &Shared, state: &'a State, request: &request::Parts) -> Resolved<'a> {
    let now = shared.now();
    let cookie = |name: &str| cookie(request, &format!("{}{name}", shared.cookie_prefix));
    let access_token = |token: &str| {
        let hash = match token.split('.').count() {
            3 => jti(state, &origin(shared, request), token)?,
            _ => random::hash(token),
        };
        state.sessions.by_access_token(&hash, now)
    };
    let by_token = bearer(request)
        .and_then(access_token)
        .or_else(|| state.sessions.by_app_session(cookie("app_session")?))
        .or_else(|| access_token(cookie("app_access_token")?));
    let (session, invalid) = match (by_token, cookie("session")) {
        (Some(session), _) => (session, Resolved::Invalid),
        (None, None) => return Resolved::NoSession,
        (None, Some(value)) => match state.sessions.by_cookie(value) {
            Some(session) => (session, Resolved::InvalidCookie),
            None => return Resolved::InvalidCookie,
        },
    };
    match state.accounts.get(session.user.id()) {
        Some(account) if !account.is_disabled(now) => Resolved::Session(account, session),
        // Of a user who was deleted.
        None if by_token.is_some() => Resolved::NoSession,
        _ => invalid,
    }
}

/// What follows the one space behind `Bearer`, in the first field.
fn bearer(request: &request::Parts) -> Option<&str> {
    let field = request.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = field.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// The first cookie of that name. The values of other cookies do not matter.
fn cookie<'a>(request: &'a request::Parts, name: &str) -> Option<&'a str> {
    let fields = request.headers.get_all(header::COOKIE).iter();
    fields
        .flat_map(|field| cookie::pairs(field.as_bytes()))
        .filter(|(found, _)| *found == name.as_bytes())
        .find_map(|(_, value)| str::from_utf8(value).ok())
}

/// The `jti` of a JWT of a listed key for this origin: the hash of the opaque token behind it.
fn jti(state: &State, origin: &str, token: &str) -> Option<String> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let (header, claims) = (decoded(header)?, decoded(claims)?);
    let key = state.keys.find(header["kid"].as_str()?)?;
    let is_for_origin = match &claims["aud"] {
        Value::Array(audiences) => audiences.iter().any(|audience| audience == origin),
        audience => audience == origin,
    };
    let signature = URL_SAFE_NO_PAD.decode_to_vec(signature).ok()?;
    let is_good = header["alg"] == "RS256" && key.has_signed(message.as_bytes(), &signature);
    let jti = claims["jti"].as_str()?;
    (is_good && is_for_origin).then(|| jti.to_owned())
}

fn decoded(part: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode_to_vec(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn cleared_cookie(shared: &Shared) -> (String, String) {
    let cookie = format!(
        "{}session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax",
        shared.cookie_prefix
    );
    ("set-cookie".to_owned(), cookie)
}
