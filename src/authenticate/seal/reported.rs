//! The routes that have been reported.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::lock::lock;

/// The routes that the log has named. Each is named once.
#[derive(Debug, Default)]
pub(super) struct Reported(Mutex<HashSet<String>>);

impl Reported {
    /// Whether this is the first report of the route. It is a route of the program, not a path that a client
    /// chose.
    pub(super) fn is_first(&self, route: &str) -> bool {
        let mut routes = lock(&self.0);
        routes.len() < MAX_ROUTES && routes.insert(route.to_owned())
    }
}

/// More unprotected routes than this need no more log lines.
const MAX_ROUTES: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_reported_once_and_there_is_an_end() {
        let reported = Reported::default();
        assert!(reported.is_first("/a"));
        assert!(!reported.is_first("/a"));
        assert!(reported.is_first("/b"));
        let more = (2..2 * MAX_ROUTES).filter(|n| reported.is_first(&format!("/{n}")));
        assert_eq!(more.count(), MAX_ROUTES - 2);
        assert!(!reported.is_first("/c"));
    }
}
