//! Faults to order.

use std::collections::VecDeque;
use std::time::Duration;

use crate::testkit::state::endpoint::Endpoint;

/// What an endpoint does in the place of its ordinary answer: see
/// [`FakeAuthgear::fail`](crate::testkit::FakeAuthgear::fail).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The ordinary answer, as it was when the request arrived, held back for so long (in tokio's
    /// time).
    Delay(Duration),
    /// The ordinary answer, as it was when the request arrived, held back until
    /// [`FakeAuthgear::heal`](crate::testkit::FakeAuthgear::heal).
    Hold,
    /// No answer, and an open connection, until the client gives up.
    Hang,
    /// The connection is closed without an answer.
    CloseConnection,
    /// This status, with an empty body.
    Status(u16),
    /// A 307 to this location.
    Redirect(String),
    /// 200 with bytes that are no JSON, or from the resolver with values that mean nothing.
    Garbage,
    /// 200 with an empty body and no header of the endpoint's own: from the resolver, *nobody*.
    Empty,
    /// The ordinary answer, whose body ends half-way with a closed connection. (Resolver: its
    /// answer has no body, so the connection is closed without one.)
    Truncated,
    /// The ordinary answer, its body one byte in each such time.
    Trickle(Duration),
    /// The ordinary document with 4 MiB of white space behind it, its length announced.
    Oversized,
    /// A document that never ends, its length not announced.
    Endless,
    /// 200 with this body, as `application/json`.
    Body(String),
    /// This status, these headers in this order, this body, and nothing else.
    Answer {
        /// The status.
        status: u16,
        /// Names and values; a name may come several times.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// JWKS: `{"keys":[]}`.
    EmptySet,
    /// Discovery: the document of another issuer (`https://other.example`).
    WrongIssuer,
    /// Discovery: this `jwks_uri`.
    JwksUri(String),
    /// Resolver: 200 without any header for any session, as a database fault can make it.
    NoSession,
    /// Resolver: 200 with these headers, which may come several times, and no other of its own.
    Headers(Vec<(String, String)>),
    /// Another fault, after so long.
    After(Duration, Box<Fault>),
}

impl Fault {
    /// The same fault, after so long.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self::After(delay, Box::new(self))
    }

    pub(in crate::testkit) fn fits(&self, endpoint: Endpoint) -> bool {
        match self {
            Self::EmptySet => endpoint == Endpoint::Jwks,
            Self::WrongIssuer | Self::JwksUri(_) => endpoint == Endpoint::Discovery,
            Self::NoSession | Self::Headers(_) => endpoint == Endpoint::Resolver,
            Self::After(_, fault) => fault.fits(endpoint),
            _ => true,
        }
    }
}

/// The faults of one endpoint.
#[derive(Debug, Default)]
pub(in crate::testkit) struct Faults {
    pub(in crate::testkit) once: VecDeque<Fault>,
    pub(in crate::testkit) lasting: Option<Fault>,
}

impl Faults {
    pub(in crate::testkit) fn next(&mut self) -> Option<Fault> {
        self.once.pop_front().or_else(|| self.lasting.clone())
    }
}
