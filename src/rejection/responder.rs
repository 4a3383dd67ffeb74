//! What a layer does with refusals: its own, and those that come from further inside.

use std::mem;
use std::sync::Arc;

use http::header::{self, HeaderName};
use http::{HeaderMap, Response};

use super::grpc::response as grpc_response;
use super::original::{Original, is_original};
use super::response::without_body;
use super::{AuthRejection, ChallengeParameters, RejectionResponse};
use crate::telemetry::{self, RequestOutcome};

/// Makes the refusals of one layer, for one request.
pub(crate) struct Responder<R> {
    pub(crate) renderer: R,
    pub(crate) as_grpc: bool,
    /// Whether the request is a HEAD, whose answer has no body.
    pub(crate) is_head: bool,
    /// Whether no layer further out answers for this one.
    pub(crate) has_last_word: bool,
    /// For refusals from places that know no configuration: a call in a handler.
    pub(crate) challenge: Option<Arc<ChallengeParameters>>,
    /// Who the request comes from, until telemetry has been told; `None` if another layer tells it.
    pub(crate) passed: Option<RequestOutcome>,
    /// Whose tokens the layer is for, where it is logged.
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

    /// Answers a refusal of an extractor or a handler, which know no layer, as one of this layer.
    /// What they have made their own stays as it is.
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
        // What something inside says of the request, such as who made it, holds for this response too.
        let mut extensions = mem::take(response.extensions_mut());
        extensions.remove::<Original>();
        extensions.extend(mem::take(refusal.extensions_mut()));
        *refusal.extensions_mut() = extensions;
        refusal
    }
}

impl AuthRejection {
    /// Tells telemetry, once.
    fn record(&mut self, issuer: Option<&str>) {
        if !self.is_recorded {
            telemetry::refused(&self.error, issuer);
            self.is_recorded = true;
        }
    }
}

/// Adds the challenge and the time to wait where the renderer has left them out: without them a client
/// cannot step up (RFC 9470) or find the authorization server (RFC 9728). An answer of another status is
/// no refusal of this kind any more.
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

/// Keeps the fields that something inside has added to those of the rejection's `own` response, but for
/// those that describe its body.
fn keep_added(inner: &HeaderMap, own: &HeaderMap, refusal: &mut HeaderMap) {
    for name in [header::WWW_AUTHENTICATE, header::RETRY_AFTER] {
        let mut fields = inner.get_all(&name).iter().peekable();
        if fields.peek().is_some() && !fields.any(|value| Some(value) == own.get(&name)) {
            // Something inside has replaced it.
            refusal.remove(&name);
        }
    }
    for (name, value) in inner {
        if !OF_THE_BODY.contains(name) && own.get(name) != Some(value) {
            refusal.append(name, value.clone());
        }
    }
}

/// What goes with a body that goes: metadata, validators and ranges of the representation (RFC 9110
/// §6.6, §8, §14), its framing (RFC 9112 §6) and its digests (RFC 9530), and what came before these.
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
