//! Answers under a fault.

use std::fmt;
use std::future::pending;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::{JSON, body, empty, main_server, response, set};
use crate::testkit::server::in_flight::InFlight;
use crate::testkit::state::endpoint::Endpoint;
use crate::testkit::state::faults::Fault;

/// The connection is to be closed without an answer.
#[derive(Debug)]
pub(super) struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

/// The honest answer, unless a fault says otherwise.
pub(super) async fn answer(
    mut fault: Option<Fault>,
    in_flight: &mut InFlight,
    endpoint: Endpoint,
    honest: impl Fn() -> Response<Body>,
) -> Result<Response<Body>, Dropped> {
    while let Some(Fault::After(delay, then)) = fault {
        tokio::time::sleep(delay).await;
        fault = Some(*then);
    }
    let Some(fault) = fault else {
        return Ok(honest());
    };
    Ok(match fault {
        Fault::After(..) => unreachable!("unwrapped above"),
        Fault::Delay(delay) => {
            let answer = honest();
            tokio::time::sleep(delay).await;
            answer
        }
        Fault::Hold => {
            let answer = honest();
            // The sender is the fake's, which this request keeps alive.
            let _ = in_flight.healed.changed().await;
            answer
        }
        Fault::Hang => pending().await,
        Fault::CloseConnection => return Err(Dropped),
        Fault::Status(status) => empty(code(status)),
        Fault::Redirect(location) => {
            let mut answer = empty(StatusCode::TEMPORARY_REDIRECT);
            set(&mut answer, header::LOCATION, &location);
            answer
        }
        Fault::Garbage => garbage(endpoint),
        Fault::Empty | Fault::NoSession => empty(StatusCode::OK),
        Fault::Truncated => {
            let (parts, bytes) = taken_apart(honest()).await;
            if bytes.is_empty() {
                return Err(Dropped);
            }
            Response::from_parts(parts, body::truncated(&bytes))
        }
        Fault::Trickle(pause) => {
            let (parts, bytes) = taken_apart(honest()).await;
            Response::from_parts(parts, body::trickle(bytes, pause))
        }
        Fault::Oversized => {
            let (parts, bytes) = taken_apart(honest()).await;
            let mut bytes = bytes.to_vec();
            bytes.resize(bytes.len() + OVERSIZE, b' ');
            Response::from_parts(parts, Body::from(bytes))
        }
        Fault::Endless => {
            let (parts, bytes) = taken_apart(honest()).await;
            Response::from_parts(parts, body::endless(bytes))
        }
        Fault::Body(text) => response(StatusCode::OK, JSON, text),
        Fault::Answer {
            status,
            headers,
            body,
        } => {
            let mut answer = with_headers(code(status), &headers);
            *answer.body_mut() = Body::from(body);
            answer
        }
        Fault::EmptySet => main_server::json_document(&json!({ "keys": [] })),
        Fault::WrongIssuer => main_server::json_document(&main_server::discovery(OTHER_ISSUER)),
        Fault::JwksUri(uri) => {
            let (parts, bytes) = taken_apart(honest()).await;
            match serde_json::from_slice::<Value>(&bytes) {
                Ok(mut document) => {
                    document["jwks_uri"] = json!(uri);
                    let text = format!("{document}\n");
                    Response::from_parts(parts, Body::from(text))
                }
                // A redirect or a refusal stays what it is.
                Err(_) => Response::from_parts(parts, Body::from(bytes)),
            }
        }
        Fault::Headers(headers) => with_headers(StatusCode::OK, &headers),
    })
}

fn garbage(endpoint: Endpoint) -> Response<Body> {
    match endpoint {
        Endpoint::Discovery | Endpoint::Jwks => {
            response(StatusCode::OK, JSON, "<html>{\"keys\": oops")
        }
        Endpoint::Resolver => {
            let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            with_headers(
                StatusCode::OK,
                &[
                    header("X-Authgear-Session-Valid", "perhaps"),
                    header("X-Authgear-User-Id", ""),
                    header("X-Authgear-User-Anonymous", "maybe"),
                    header("X-Authgear-Session-Authenticated-At", "yesterday"),
                ],
            )
        }
    }
}

/// # Panics
///
/// When a name or value is none that HTTP can carry.
fn with_headers(status: StatusCode, headers: &[(String, String)]) -> Response<Body> {
    let mut answer = empty(status);
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("the name of a header");
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("the value of a header");
        answer.headers_mut().append(name, value);
    }
    answer
}

async fn taken_apart(answer: Response<Body>) -> (axum::http::response::Parts, Bytes) {
    let (parts, body) = answer.into_parts();
    let bytes = to_bytes(body, usize::MAX).await;
    (parts, bytes.expect("a body in memory"))
}

/// # Panics
///
/// When the number is no status.
fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("an HTTP status")
}

const OVERSIZE: usize = 4 * 1024 * 1024;
const OTHER_ISSUER: &str = "https://other.example";
