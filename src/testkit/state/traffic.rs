//! The requests that each endpoint had.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, Method, Uri, request};
use tokio::sync::watch;

use super::endpoint::Endpoint;
use crate::testkit::state::faults::{Fault, Faults};

/// A request that the fake had.
#[derive(Clone)]
pub struct RecordedRequest {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl RecordedRequest {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path, without a query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The query, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    /// All header fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first field of that name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Prints the names of the headers and none of their values.
impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        f.debug_struct("RecordedRequest")
            .field("method", &self.method)
            .field("path", &self.uri.path())
            .field("headers", &names)
            .finish()
    }
}

/// The requests of all endpoints.
#[derive(Default)]
pub(in crate::testkit) struct AllTraffic {
    discovery: Mutex<Traffic>,
    jwks: Mutex<Traffic>,
    resolver: Mutex<Traffic>,
}

impl AllTraffic {
    pub(in crate::testkit) fn of(&self, endpoint: Endpoint) -> MutexGuard<'_, Traffic> {
        let traffic = match endpoint {
            Endpoint::Discovery => &self.discovery,
            Endpoint::Jwks => &self.jwks,
            Endpoint::Resolver => &self.resolver,
        };
        traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The requests of one endpoint.
pub(in crate::testkit) struct Traffic {
    pub(in crate::testkit) faults: Faults,
    /// How often the endpoint was healed.
    pub(in crate::testkit) healed: watch::Sender<u64>,
    pub(in crate::testkit) count: watch::Sender<usize>,
    pub(in crate::testkit) in_flight: usize,
    pub(in crate::testkit) max_in_flight: usize,
    pub(in crate::testkit) recorded: VecDeque<RecordedRequest>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            faults: Faults::default(),
            healed: watch::Sender::new(0),
            count: watch::Sender::new(0),
            in_flight: 0,
            max_in_flight: 0,
            recorded: VecDeque::new(),
        }
    }
}

impl Traffic {
    pub(in crate::testkit) fn arrive(&mut self, request: &request::Parts) -> Option<Fault> {
        if self.recorded.len() == RECORDED {
            self.recorded.pop_front();
        }
        self.recorded.push_back(RecordedRequest {
            method: request.method.clone(),
            uri: request.uri.clone(),
            headers: request.headers.clone(),
        });
        self.in_flight += 1;
        self.max_in_flight = self.max_in_flight.max(self.in_flight);
        self.count.send_modify(|count| *count += 1);
        self.faults.next()
    }
}

const RECORDED: usize = 1_000;
