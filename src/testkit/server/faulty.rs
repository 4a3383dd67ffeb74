//! Answers under a fault.

use std::future::pending;
use std::io;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, request};

use super::{JSON, honest};
use crate::testkit::state::Shared;
use crate::testkit::state::faults::{Endpoint, Fault};

/// The honest answer, unless a fault says otherwise.
///
/// # Errors
///
/// When the connection is to be closed without an answer.
pub(super) async fn answer(
    shared: &Shared,
    endpoint: Endpoint,
    request: &request::Parts,
) -> io::Result<Response<Body>> {
    let (fault, mut healed) = shared.traffic(endpoint).arrive(request);
    let _in_flight = InFlight(shared, endpoint);
    let honest = honest(shared, endpoint, request);
    Ok(match fault {
        None => honest,
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            honest
        }
        Some(Fault::Hold) => {
            // The sender is the fake's, which this request keeps alive.
            let _ = healed.changed().await;
            honest
        }
        Some(Fault::Hang) => pending().await,
        Some(Fault::CloseConnection) => return Err(io::ErrorKind::ConnectionAborted.into()),
        Some(Fault::Status(status)) => response(status, &[], String::new()),
        Some(Fault::Body(body)) => {
            let content_type = ("content-type".to_owned(), JSON.to_owned());
            response(200, &[content_type], body)
        }
        Some(Fault::Answer {
            status,
            headers,
            body,
        }) => response(status, &headers, body),
        Some(Fault::MapResponse(change)) => change(honest),
    })
}

/// # Panics
///
/// When the status, a name or a value is none that HTTP can carry.
fn response(status: u16, headers: &[(String, String)], body: String) -> Response<Body> {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = StatusCode::from_u16(status).expect("an HTTP status");
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("the name of a header");
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("the value of a header");
        answer.headers_mut().append(name, value);
    }
    answer
}

/// A request that is being answered.
struct InFlight<'a>(&'a Shared, Endpoint);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.traffic(self.1).in_flight -= 1;
    }
}
