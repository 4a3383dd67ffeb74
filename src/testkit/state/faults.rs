//! What can be made to fail, and how.

use std::time::Duration;

use axum::body::Body;
use axum::http::Response;

/// An endpoint that can be made to fail. Its requests are counted and recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`.
    Discovery,
    /// `/oauth2/jwks`.
    Jwks,
    /// `/_resolver/resolve` and `/resolve`.
    Resolver,
}

/// What an endpoint does instead of its ordinary answer: see
/// [`FakeAuthgear::fail`](crate::testkit::FakeAuthgear::fail).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The ordinary answer, as it was when the request arrived, after this delay (in tokio's time).
    Delay(Duration),
    /// The ordinary answer, as it was when the request arrived, held back until
    /// [`FakeAuthgear::heal`](crate::testkit::FakeAuthgear::heal).
    Hold,
    /// No answer. The connection stays open until the client gives up.
    Hang,
    /// The connection is closed without an answer.
    CloseConnection,
    /// This status, with an empty body and without the endpoint's headers. From the resolver, 200
    /// means that there is no session: a fault of its database can cause that.
    Status(u16),
    /// 200 with this body, as `application/json`.
    Body(String),
    /// This status, these headers in this order, and this body.
    Answer {
        /// The status.
        status: u16,
        /// Names and values. A name may occur several times.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// The ordinary answer, changed by this function: for example with a body that breaks off.
    MapResponse(fn(Response<Body>) -> Response<Body>),
}
