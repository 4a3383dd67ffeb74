//! Discovery and the JWKS.

use axum::http::{Method, StatusCode, header, request};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::super::state::Shared;
use super::{JSON, JWKS, origin};

pub(super) fn answer(shared: &Shared, request: &request::Parts) -> Response {
    if request.method != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let (endpoint, path) = (shared.endpoint(), request.uri.path());
    if origin(shared, request) != endpoint {
        let location = [(header::LOCATION, format!("{endpoint}{path}"))];
        return (StatusCode::TEMPORARY_REDIRECT, location).into_response();
    }
    let document = match path {
        JWKS => shared.state().keys.jwks(),
        _ => discovery(endpoint),
    };
    ([(header::CONTENT_TYPE, JSON)], format!("{document}\n")).into_response()
}

/// The metadata of that issuer: the same for `OpenID` Connect and for OAuth 2 (RFC 8414).
fn discovery(issuer: &str) -> Value {
    json!({
        "authorization_endpoint": format!("{issuer}/oauth2/authorize"),
        "code_challenge_methods_supported": ["S256"],
        "end_session_endpoint": format!("{issuer}/oauth2/end_session"),
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "issuer": issuer,
        "jwks_uri": format!("{issuer}{JWKS}"),
        "response_types_supported": ["code", "urn:authgear:params:oauth:response-type:settings-action", "none"],
        "revocation_endpoint": format!("{issuer}/oauth2/revoke"),
        "subject_types_supported": ["public"],
        "token_endpoint": format!("{issuer}/oauth2/token"),
        "userinfo_endpoint": format!("{issuer}/oauth2/userinfo"),
    })
}
