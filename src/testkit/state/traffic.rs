//! The requests to one endpoint, and its faults.

use std::collections::VecDeque;
use std::fmt;

use axum::http::{HeaderMap, Method, request};
use tokio::sync::watch;

use super::faults::Fault;

/// A request that the fake received.
#[derive(Clone)]
pub struct RecordedRequest(request::Parts);

impl RecordedRequest {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.uri.path()
    }

    /// The query, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.0.uri.query()
    }

    /// All header fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// The first field of this name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }
}

/// Prints the names of the headers and none of their values.
impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers().keys().collect();
        f.debug_struct("RecordedRequest")
            .field("method", self.method())
            .field("path", &self.path())
            .field("headers", &names)
            .finish()
    }
}

/// The requests to one endpoint, and its faults.
#[derive(Default)]
pub(in crate::testkit) struct Traffic {
    pub(in crate::testkit) next_faults: VecDeque<Fault>,
    pub(in crate::testkit) lasting_fault: Option<Fault>,
    pub(in crate::testkit) healed: watch::Sender<()>,
    pub(in crate::testkit) count: watch::Sender<usize>,
    pub(in crate::testkit) in_flight: usize,
    pub(in crate::testkit) max_in_flight: usize,
    pub(in crate::testkit) recorded: VecDeque<RecordedRequest>,
}

impl Traffic {
    /// Records a request. Returns the fault that it meets, and what ends [`Fault::Hold`].
    pub(in crate::testkit) fn arrive(
        &mut self,
        request: &request::Parts,
    ) -> (Option<Fault>, watch::Receiver<()>) {
        if self.recorded.len() == MAX_RECORDED {
            self.recorded.pop_front();
        }
        self.recorded.push_back(RecordedRequest(request.clone()));
        self.in_flight += 1;
        self.max_in_flight = self.max_in_flight.max(self.in_flight);
        self.count.send_modify(|count| *count += 1);
        let next = self.next_faults.pop_front();
        let fault = next.or_else(|| self.lasting_fault.clone());
        (fault, self.healed.subscribe())
    }
}

const MAX_RECORDED: usize = 1_000;
