//! The requests that a fake received, and the faults that the next ones meet.

use super::FakeAuthgear;
use crate::testkit::state::faults::{Endpoint, Fault};
use crate::testkit::state::traffic::RecordedRequest;

impl FakeAuthgear {
    /// Makes an endpoint fail from the next request on until [`heal`](Self::heal). A later fault
    /// replaces an earlier one.
    pub fn fail(&self, endpoint: Endpoint, fault: Fault) {
        self.shared().traffic(endpoint).lasting_fault = Some(fault);
    }

    /// Makes the next request to an endpoint fail; called again, the one after it. These faults
    /// come before the fault of [`fail`](Self::fail).
    pub fn fail_once(&self, endpoint: Endpoint, fault: Fault) {
        let mut traffic = self.shared().traffic(endpoint);
        traffic.next_faults.push_back(fault);
    }

    /// Ends all faults of an endpoint, and sends the answers that [`Fault::Hold`] held back.
    pub fn heal(&self, endpoint: Endpoint) {
        let mut traffic = self.shared().traffic(endpoint);
        traffic.next_faults.clear();
        traffic.lasting_fault = None;
        traffic.healed.send_replace(());
    }

    /// How many requests an endpoint has received, including those that failed.
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> usize {
        *self.shared().traffic(endpoint).count.borrow()
    }

    /// Waits until an endpoint has received this many requests in all.
    pub async fn requests_reached(&self, endpoint: Endpoint, count: usize) {
        let mut seen = self.shared().traffic(endpoint).count.subscribe();
        // The sender lives as long as `self`, so that waiting ends in no other way.
        let _ = seen.wait_for(|seen| *seen >= count).await;
    }

    /// Forgets the requests that an endpoint has received. All counts start at zero again.
    pub fn forget_requests(&self, endpoint: Endpoint) {
        let mut traffic = self.shared().traffic(endpoint);
        traffic.count.send_replace(0);
        traffic.max_in_flight = traffic.in_flight;
        traffic.recorded.clear();
    }

    /// How many requests to an endpoint wait for their answer now.
    #[must_use]
    pub fn in_flight(&self, endpoint: Endpoint) -> usize {
        self.shared().traffic(endpoint).in_flight
    }

    /// The largest number of requests to an endpoint that waited for their answer at the same time.
    #[must_use]
    pub fn max_in_flight(&self, endpoint: Endpoint) -> usize {
        self.shared().traffic(endpoint).max_in_flight
    }

    /// The last request to an endpoint.
    #[must_use]
    pub fn last_request(&self, endpoint: Endpoint) -> Option<RecordedRequest> {
        self.shared().traffic(endpoint).recorded.back().cloned()
    }

    /// The last 1,000 requests to an endpoint, oldest first.
    #[must_use]
    pub fn recorded(&self, endpoint: Endpoint) -> Vec<RecordedRequest> {
        let traffic = self.shared().traffic(endpoint);
        traffic.recorded.iter().cloned().collect()
    }
}
