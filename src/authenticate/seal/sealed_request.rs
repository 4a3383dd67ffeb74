//! What happened to one sealed request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::extract::MatchedPath;
use http::{Method, StatusCode};

/// Shared by a seal and by all inner layers that judge the request. It is in the request's extensions, so
/// that the seal knows what happened to the request, for every response.
pub(crate) struct SealedRequest {
    /// The `Authgear` whose judgement counts.
    authgear: u64,
    judgement: AtomicU8,
    /// The next outer seal.
    outer: Option<Arc<SealedRequest>>,
    pub(super) method: Method,
    route: Option<MatchedPath>,
}

/// What happened to a request, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Judgement {
    /// It met no layer.
    None,
    /// An optional layer accepted it without a credential, and nothing has asked for the caller.
    Optional,
    /// The same, and something has asked for the caller.
    Asked,
    /// Its route is marked as open.
    Open,
    /// A layer has accepted it for its credential, or has refused it.
    Judged,
}

impl SealedRequest {
    pub(super) fn new(
        authgear: u64,
        outer: Option<Arc<Self>>,
        method: Method,
        route: Option<MatchedPath>,
    ) -> Self {
        Self {
            authgear,
            judgement: AtomicU8::new(Judgement::None as u8),
            outer,
            method,
            route,
        }
    }

    /// For a test: the judgement of every layer counts.
    #[cfg(feature = "testkit")]
    pub(crate) fn for_all(
        outer: Option<Arc<Self>>,
        method: Method,
        route: Option<MatchedPath>,
    ) -> Self {
        Self::new(ANY, outer, method, route)
    }

    /// The matched route.
    pub(crate) fn route(&self) -> Option<&str> {
        self.route.as_ref().map(MatchedPath::as_str)
    }

    /// The layer of another `Authgear` has no effect on this seal.
    pub(crate) fn judge(&self, authgear: u64, judgement: Judgement) {
        let mut seal = self;
        loop {
            if seal.authgear == authgear || seal.authgear == ANY || authgear == ANY {
                seal.raise(judgement);
            }
            match &seal.outer {
                Some(outer) => seal = outer,
                None => return,
            }
        }
    }

    fn raise(&self, judgement: Judgement) {
        if self.judgement.load(Ordering::Relaxed) < judgement as u8 {
            // A service can have sent the request to two services.
            let judgement = judgement as u8;
            self.judgement.fetch_max(judgement, Ordering::Relaxed);
        }
    }

    pub(crate) fn judgement(&self) -> Judgement {
        match self.judgement.load(Ordering::Relaxed) {
            0 => Judgement::None,
            1 => Judgement::Optional,
            2 => Judgement::Asked,
            3 => Judgement::Open,
            _ => Judgement::Judged,
        }
    }

    /// Whether a response with this status can be sent.
    pub(super) fn lets_out(&self, status: StatusCode) -> bool {
        match self.judgement() {
            Judgement::None => false,
            // A refusal, or an extractor that failed before anything could ask for the caller.
            Judgement::Optional => status.as_u16() >= 300,
            Judgement::Asked | Judgement::Open | Judgement::Judged => true,
        }
    }
}

/// Any `Authgear`, for a test.
const ANY: u64 = 0;
