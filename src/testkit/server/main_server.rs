//! Discovery and the JWKS, with the quirks of the main server.

use axum::body::Body;
use axum::http::{HeaderName, Method, Response, StatusCode, header, request};
use serde_json::{Value, json};

use super::super::random;
use super::super::state::Shared;
use super::{
    HTML, JSON, JWKS, PERMISSIONS_POLICY, TEXT, empty, is, not_allowed, origin, response, set,
};

pub(super) fn answer(shared: &Shared, request: &request::Parts) -> Response<Body> {
    if !is(request, &Method::GET) && !is(request, &Method::OPTIONS) {
        return not_allowed("GET, OPTIONS");
    }
    if is_crawler(request) {
        return forbidden();
    }
    let path = request.uri.path();
    let (scheme, host) = origin(shared, request);
    let mut answer = if format!("{scheme}://{host}") != shared.endpoint() {
        redirect(&format!("{}{path}", shared.endpoint()))
    } else if is(request, &Method::OPTIONS) {
        empty(StatusCode::OK)
    } else if path == JWKS {
        jwks(shared)
    } else {
        json_document(&discovery(shared.endpoint()))
    };
    add_common_headers(&mut answer, scheme == "https");
    answer
}

/// The metadata of that issuer: the same for `OpenID` Connect and for OAuth 2 (RFC 8414).
fn discovery(issuer: &str) -> Value {
    json!({
        "authorization_endpoint": format!("{issuer}/oauth2/authorize"),
        "claims_supported": [
            "iss", "aud", "iat", "exp", "sub", "email", "email_verified", "phone_number",
            "phone_number_verified", "preferred_username", "family_name", "given_name",
            "middle_name", "name", "nickname", "picture", "profile", "website", "gender",
            "birthdate", "zoneinfo", "locale", "address", "updated_at",
        ],
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": ["ES256", "RS256"],
        "end_session_endpoint": format!("{issuer}/oauth2/end_session"),
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "issuer": issuer,
        "jwks_uri": format!("{issuer}{JWKS}"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "response_types_supported": [
            "code", "urn:authgear:params:oauth:response-type:settings-action", "none",
        ],
        "revocation_endpoint": format!("{issuer}/oauth2/revoke"),
        "scopes_supported": [
            "offline_access", "device_sso", "openid", "profile", "email", "address", "phone",
            "https://authgear.com/scopes/full-access",
            "https://authgear.com/scopes/full-userinfo",
            "https://authgear.com/scopes/pre-authenticated-url",
        ],
        "subject_types_supported": ["public"],
        "token_endpoint": format!("{issuer}/oauth2/token"),
        "token_endpoint_auth_methods_supported": [
            "none", "client_secret_post", "client_secret_basic",
        ],
        "userinfo_endpoint": format!("{issuer}/oauth2/userinfo"),
    })
}

fn json_document(document: &Value) -> Response<Body> {
    response(StatusCode::OK, JSON, format!("{document}\n"))
}

fn jwks(shared: &Shared) -> Response<Body> {
    let state = shared.state();
    let mut answer = json_document(&state.keys.jwks());
    if let Some(value) = &state.jwks_cache_control {
        set(&mut answer, header::CACHE_CONTROL, value);
    }
    answer
}

fn redirect(location: &str) -> Response<Body> {
    let link = format!("<a href=\"{location}\">Temporary Redirect</a>.\n\n");
    let mut answer = response(StatusCode::TEMPORARY_REDIRECT, HTML, link);
    set(&mut answer, header::LOCATION, location);
    answer
}

fn forbidden() -> Response<Body> {
    let text = "Your User-Agent is not allowed to access this resource";
    let mut answer = response(StatusCode::FORBIDDEN, TEXT, text);
    set(&mut answer, header::CACHE_CONTROL, "no-store");
    set(&mut answer, header::PRAGMA, "no-cache");
    set(&mut answer, header::VARY, "User-Agent");
    answer
}

fn is_crawler(request: &request::Parts) -> bool {
    let agent = request.headers.get(header::USER_AGENT);
    let Some(agent) = agent.and_then(|agent| agent.to_str().ok()) else {
        return false;
    };
    CRAWLERS.iter().any(|crawler| agent.contains(crawler))
}

fn add_common_headers(answer: &mut Response<Body>, https: bool) {
    let nonce = random::nonce();
    let same_site = if https { "; Secure; SameSite=None" } else { "" };
    let cookie = format!("csp_nonce={nonce}; Path=/; HttpOnly{same_site}");
    let policy = format!(
        "script-src 'self' https: 'nonce-{nonce}' 'strict-dynamic'; object-src 'none'; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    set(answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(answer, header::ACCESS_CONTROL_MAX_AGE, "900");
    set(answer, header::CONTENT_SECURITY_POLICY, &policy);
    let name = HeaderName::from_static("permissions-policy");
    set(answer, name, PERMISSIONS_POLICY);
    set(answer, header::SET_COOKIE, &cookie);
    set(answer, header::VARY, "User-Agent");
    set(answer, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(answer, header::X_FRAME_OPTIONS, "DENY");
    let name = HeaderName::from_static("x-robots-tag");
    set(answer, name, "noindex, nofollow");
}

/// Some of the crawlers that Authgear turns away.
const CRAWLERS: [&str; 12] = [
    "Googlebot",
    "GPTBot",
    "bingbot",
    "ClaudeBot",
    "CCBot",
    "YandexBot",
    "Baiduspider",
    "DuckDuckBot",
    "AhrefsBot",
    "Bytespider",
    "Applebot",
    "facebookexternalhit",
];
