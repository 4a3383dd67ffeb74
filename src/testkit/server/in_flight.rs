//! Requests that are being answered.

use std::sync::Arc;

use axum::http::request;
use tokio::sync::watch;

use crate::testkit::state::Shared;
use crate::testkit::state::endpoint::Endpoint;
use crate::testkit::state::faults::Fault;

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
