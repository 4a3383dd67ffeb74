//! What was asked of the fake.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, Method, Uri, request};
use tokio::sync::watch;

use super::faults::{Fault, Faults};
use super::{FakeAuthgear, Shared};

/// What can be made to fail, and is counted.
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

impl FakeAuthgear {
    /// How many requests an endpoint has had, those that failed too.
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> usize {
        *self.shared().traffic(endpoint).count.borrow()
    }

    /// Waits until an endpoint has had so many requests in all.
    pub async fn requests_reached(&self, endpoint: Endpoint, count: usize) {
        let mut seen = self.shared().traffic(endpoint).count.subscribe();
        // The sender lives as long as `self`, so that waiting ends in no other way.
        let _ = seen.wait_for(|seen| *seen >= count).await;
    }

    /// Forgets the requests that an endpoint has had: all counts begin anew.
    pub fn forget_requests(&self, endpoint: Endpoint) {
        let mut traffic = self.shared().traffic(endpoint);
        traffic.count.send_replace(0);
        traffic.max_in_flight = traffic.in_flight;
        traffic.recorded.clear();
    }

    /// How many requests of an endpoint wait for their answer now.
    #[must_use]
    pub fn in_flight(&self, endpoint: Endpoint) -> usize {
        self.shared().traffic(endpoint).in_flight
    }

    /// How many requests of an endpoint have waited for their answer at once, at most.
    #[must_use]
    pub fn max_in_flight(&self, endpoint: Endpoint) -> usize {
        self.shared().traffic(endpoint).max_in_flight
    }

    /// The last request to an endpoint.
    #[must_use]
    pub fn last_request(&self, endpoint: Endpoint) -> Option<RecordedRequest> {
        self.shared().traffic(endpoint).recorded.back().cloned()
    }

    /// The requests to an endpoint, oldest first: the last 1,000 of them.
    #[must_use]
    pub fn recorded(&self, endpoint: Endpoint) -> Vec<RecordedRequest> {
        let traffic = self.shared().traffic(endpoint);
        traffic.recorded.iter().cloned().collect()
    }
}

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
    count: watch::Sender<usize>,
    in_flight: usize,
    max_in_flight: usize,
    recorded: VecDeque<RecordedRequest>,
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
    fn arrive(&mut self, request: &request::Parts) -> Option<Fault> {
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

/// A request that is being answered.
pub(in crate::testkit) struct InFlight {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    pub(in crate::testkit) healed: watch::Receiver<u64>,
}

impl InFlight {
    /// Records and counts the request, and takes the fault that it meets.
    pub(in crate::testkit) fn new(
        shared: &Arc<Shared>,
        endpoint: Endpoint,
        request: &request::Parts,
    ) -> (Self, Option<Fault>) {
        let mut traffic = shared.traffic(endpoint);
        let healed = traffic.healed.subscribe();
        let fault = traffic.arrive(request);
        drop(traffic);
        let in_flight = Self {
            shared: Arc::clone(shared),
            endpoint,
            healed,
        };
        (in_flight, fault)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.shared.traffic(self.endpoint).in_flight -= 1;
    }
}

const RECORDED: usize = 1_000;
