//! The session resolver.

use axum::body::Body;
use axum::http::{HeaderName, Method, Response, StatusCode, header, request};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::super::random;
use super::{PERMISSIONS_POLICY, empty, is, not_allowed, origin, set};
use crate::credential::cookie;
use crate::testkit::state::accounts::Account;
use crate::testkit::state::sessions::SessionState;
use crate::testkit::state::{Shared, State};

pub(super) fn answer(shared: &Shared, request: &request::Parts) -> Response<Body> {
    if ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&request.method) {
        return not_allowed("GET, HEAD, OPTIONS");
    }
    let mut answer = empty(StatusCode::OK);
    let name = HeaderName::from_static("permissions-policy");
    set(&mut answer, name, PERMISSIONS_POLICY);
    if !is(request, &Method::OPTIONS) {
        add_session(&mut answer, shared, request);
    }
    set(&mut answer, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    let name = HeaderName::from_static("x-robots-tag");
    set(&mut answer, name, "noindex, nofollow");
    answer
}

fn add_session(answer: &mut Response<Body>, shared: &Shared, request: &request::Parts) {
    let state = shared.state();
    let (account, session) = match resolve(shared, &state, request) {
        Resolved::Nobody => return,
        Resolved::Invalid { clear_cookie } => {
            if clear_cookie {
                set(answer, header::SET_COOKIE, &cleared(shared));
            }
            set(answer, SESSION_VALID, "false");
            return;
        }
        Resolved::Session(account, session) => (account, session),
    };
    let name = HeaderName::from_static("x-authgear-session-amr");
    set(answer, name, &session.amr.join(" "));
    if let Some(time) = session.authenticated_at {
        let name = HeaderName::from_static("x-authgear-session-authenticated-at");
        set(answer, name, &time.to_string());
    }
    set(answer, SESSION_VALID, "true");
    for (name, value) in account.user.headers() {
        set(answer, HeaderName::from_static(name), &value);
    }
}

enum Resolved<'a> {
    Nobody,
    Invalid { clear_cookie: bool },
    Session(&'a Account, &'a SessionState),
}

/// The first credential that stands for a living session; a bad one is passed over, but for the
/// `session` cookie, which comes last.
fn resolve<'a>(shared: &Shared, state: &'a State, request: &request::Parts) -> Resolved<'a> {
    let now = shared.now();
    let cookie = |name: &str| cookie(request, &format!("{}{name}", shared.cookie_prefix));
    let access_token = |token: &str| match jwt_hash(shared, state, request, token) {
        Jwt::Good(hash) => state.sessions.by_access_token(&hash, now),
        Jwt::Bad => None,
        Jwt::None => state.sessions.by_access_token(&random::hash(token), now),
    };
    let found = bearer(request)
        .and_then(access_token)
        .or_else(|| state.sessions.by_app_session(cookie("app_session")?))
        .or_else(|| access_token(cookie("app_access_token")?));
    if let Some(session) = found {
        return of_user(state, session, now, false);
    }
    let Some(value) = cookie("session") else {
        return Resolved::Nobody;
    };
    match state.sessions.by_cookie(value) {
        Some(session) => of_user(state, session, now, true),
        None => Resolved::Invalid { clear_cookie: true },
    }
}

/// A session lives, but its user may not be let in any more.
fn of_user<'a>(
    state: &'a State,
    session: &'a SessionState,
    now: u64,
    clear_cookie: bool,
) -> Resolved<'a> {
    match state.accounts.find(session.user.id()) {
        Some(account) if !account.is_disabled(now) => Resolved::Session(account, session),
        Some(_) => Resolved::Invalid { clear_cookie },
        None if clear_cookie => Resolved::Invalid { clear_cookie },
        None => Resolved::Nobody,
    }
}

/// What follows the one space behind `Bearer`, in the first field alone.
fn bearer(request: &request::Parts) -> Option<&str> {
    let field = request.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = field.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// The first cookie of that name. What other cookies hold does not matter.
fn cookie<'a>(request: &'a request::Parts, name: &str) -> Option<&'a str> {
    let fields = request.headers.get_all(header::COOKIE).iter();
    fields
        .flat_map(|field| cookie::pairs(field.as_bytes()))
        .filter(|(found, _)| *found == name.as_bytes())
        .find_map(|(_, value)| str::from_utf8(value).ok())
}

enum Jwt {
    /// Its `jti`: the hash of the opaque token behind it.
    Good(String),
    Bad,
    /// No JWT at all.
    None,
}

/// Checks a JWT with the keys listed now, without leeway, and for the origin of the request.
fn jwt_hash(shared: &Shared, state: &State, request: &request::Parts, token: &str) -> Jwt {
    if token.split('.').count() != 3 {
        return Jwt::None;
    }
    let claims = verified(state, token);
    let (scheme, host) = origin(shared, request);
    let good = claims.filter(|claims| {
        let expires_at = claims.get("exp").and_then(Value::as_f64);
        // Dates are far below 2^52: the conversion loses nothing.
        #[allow(clippy::cast_precision_loss)]
        let lives = expires_at.is_some_and(|end| (shared.now() as f64) < end);
        lives && has_audience(claims, &format!("{scheme}://{host}"))
    });
    let hash = good.and_then(|claims| Some(claims.get("jti")?.as_str()?.to_owned()));
    hash.map_or(Jwt::Bad, Jwt::Good)
}

fn verified(state: &State, token: &str) -> Option<Map<String, Value>> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let header: Map<String, Value> = decoded(header)?;
    let key = state.keys.find(header.get("kid")?.as_str()?)?;
    let signature = URL_SAFE_NO_PAD.decode_to_vec(signature).ok()?;
    let rs256 = header.get("alg")?.as_str()? == "RS256";
    let verified = rs256 && key.verifies(message.as_bytes(), &signature);
    decoded(claims).filter(|_| verified)
}

fn decoded(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode_to_vec(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn has_audience(claims: &Map<String, Value>, origin: &str) -> bool {
    match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == origin),
        Some(audience) => audience == origin,
        None => false,
    }
}

fn cleared(shared: &Shared) -> String {
    format!(
        "{}session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax",
        shared.cookie_prefix
    )
}

const SESSION_VALID: HeaderName = HeaderName::from_static("x-authgear-session-valid");
