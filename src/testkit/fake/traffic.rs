//! What was asked of the fake.

use super::FakeAuthgear;
use crate::testkit::state::endpoint::Endpoint;
use crate::testkit::state::traffic::RecordedRequest;

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
