//! Faults to order.

use super::FakeAuthgear;
use crate::testkit::state::endpoint::Endpoint;
use crate::testkit::state::faults::{Fault, Faults};

impl FakeAuthgear {
    /// Makes an endpoint fail from the next request on until [`heal`](Self::heal). A later fault
    /// takes the place of an earlier one.
    ///
    /// # Panics
    ///
    /// When the fault is one of another endpoint.
    pub fn fail(&self, endpoint: Endpoint, fault: Fault) {
        assert_fits(endpoint, &fault);
        let mut traffic = self.shared().traffic(endpoint);
        traffic.faults.lasting = Some(fault);
    }

    /// Makes the next request to an endpoint fail; called again, the one after it. These come
    /// before the fault of [`fail`](Self::fail).
    ///
    /// # Panics
    ///
    /// When the fault is one of another endpoint.
    pub fn fail_once(&self, endpoint: Endpoint, fault: Fault) {
        assert_fits(endpoint, &fault);
        let mut traffic = self.shared().traffic(endpoint);
        traffic.faults.once.push_back(fault);
    }

    /// Ends all faults of an endpoint, and lets go the answers that [`Fault::Hold`] held back.
    pub fn heal(&self, endpoint: Endpoint) {
        let mut traffic = self.shared().traffic(endpoint);
        traffic.faults = Faults::default();
        traffic.healed.send_modify(|times| *times += 1);
    }
}

fn assert_fits(endpoint: Endpoint, fault: &Fault) {
    assert!(
        fault.fits(endpoint),
        "{fault:?} is no fault of {endpoint:?}"
    );
}
