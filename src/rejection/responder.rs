//! How a layer answers refusals: its own, and those from inside.

use std::mem;
use std::sync::Arc;

use http::header::{self, HeaderName};
use http::{HeaderMap, Response};

use super::grpc::response as grpc_response;
use super::original::{Original, is_original};
use super::response::without_body;
use super::{AuthRejection, ChallengeParameters, RejectionResponse};
use crate::telemetry::{self, RequestOutcome};

/// Builds the refusals of one layer, for one request.
pub(crate) struct Responder<R> {
    pub(crate) renderer: R,
    pub(crate) as_grpc: bool,
    /// Whether the request is a HEAD, whose response has no body.
    pub(crate) is_head: bool,
    /// Whether no outer layer builds the response.
    pub(crate) has_last_word: bool,
    /// For refusals from code without the configuration: a call in a handler.
    pub(crate) challenge: Option<Arc<ChallengeParameters>>,
    /// The outcome to record, until it is recorded; `None` if another layer records it.
    pub(crate) passed: Option<RequestOutcome>,
    /// The issuer for the log, if it is logged.
    pub(crate) issuer: Option<Arc<str>>,
}

impl<R> Responder<R> {
    pub(crate) fn reject<B: Default>(&self, mut rejection: AuthRejection) -> Response<B>
    where
        R: RejectionResponse<B>,
    {
        if rejection.challenge.is_none() {
            rejection.challenge.clone_from(&self.challenge);
        }
        rejection.record(self.issuer.as_deref());
        rejection.is_final = self.has_last_word;
        let mut response = if self.as_grpc {
            grpc_response(&rejection)
        } else {
            let mut response = self.renderer.response(&rejection);
            add_missing(&mut response, &rejection);
            response
        };
        response.extensions_mut().insert(rejection);
        response
    }

    /// Answers a refusal of an extractor or a handler as this layer does. A response that they have changed
    /// stays unchanged.
    pub(crate) fn review<B: Default>(&self, mut response: Response<B>) -> Response<B>
    where
        R: RejectionResponse<B>,
    {
        let Some(rejection) = response.extensions().get::<AuthRejection>() else {
            if let Some(outcome) = self.passed {
                telemetry::answered(outcome);
            }
            return response;
        };
        if !self.has_last_word || rejection.is_final {
            return response;
        }
        if !is_original(&response, rejection, self.is_head) {
            if let Some(rejection) = response.extensions_mut().get_mut::<AuthRejection>() {
                rejection.record(self.issuer.as_deref());
                rejection.is_final = true;
            }
            return response;
        }
        let mut refusal = self.reject(rejection.clone());
        let own = without_body(rejection, ());
        keep_added(response.headers(), own.headers(), refusal.headers_mut());
        // The extensions that inner services have set, such as the caller, also apply to this response.
        let mut extensions = mem::take(response.extensions_mut());
        extensions.remove::<Original>();
        extensions.extend(mem::take(refusal.extensions_mut()));
        *refusal.extensions_mut() = extensions;
        refusal
    }
}

impl AuthRejection {
    /// Records the outcome, once.
    fn record(&mut self, issuer: Option<&str>) {
        if !self.is_recorded {
            telemetry::refused(&self.error, issuer);
            self.is_recorded = true;
        }
    }
}

/// Adds the challenge and `Retry-After` if the renderer left them out: without them a client cannot step up
/// (RFC 9470) or find the authorization server (RFC 9728). A response with another status is no longer a
/// refusal of this kind.
fn add_missing<B>(response: &mut Response<B>, rejection: &AuthRejection) {
    if response.status() != rejection.status() {
        return;
    }
    let headers = response.headers_mut();
    if !headers.contains_key(header::WWW_AUTHENTICATE)
        && let Some(challenge) = rejection.challenge()
    {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if !headers.contains_key(header::RETRY_AFTER)
        && let Some(wait) = rejection.retry_after()
    {
        headers.insert(header::RETRY_AFTER, wait.as_secs().into());
    }
}

/// Keeps the fields that inner services have added to the rejection's `own` response, except those that
/// describe its body.
fn keep_added(inner: &HeaderMap, own: &HeaderMap, refusal: &mut HeaderMap) {
    for name in [header::WWW_AUTHENTICATE, header::RETRY_AFTER] {
        let mut fields = inner.get_all(&name).iter().peekable();
        if fields.peek().is_some() && !fields.any(|value| Some(value) == own.get(&name)) {
            // An inner service has replaced it.
            refusal.remove(&name);
        }
    }
    for (name, value) in inner {
        if !OF_THE_BODY.contains(name) && own.get(name) != Some(value) {
            refusal.append(name, value.clone());
        }
    }
}

/// The fields that are removed together with a body: metadata, validators and ranges of the representation
/// (RFC 9110 §6.6, §8, §14), its framing (RFC 9112 §6), its digests (RFC 9530), and the predecessors of
/// these fields.
const OF_THE_BODY: [HeaderName; 16] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_DISPOSITION,
    header::ACCEPT_RANGES,
    header::ETAG,
    header::LAST_MODIFIED,
    header::TRANSFER_ENCODING,
    header::TRAILER,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];
