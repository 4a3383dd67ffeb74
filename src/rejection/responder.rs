//! What a layer does with refusals: its own, and those that come from further inside.

use std::sync::Arc;

use http::{Response, header};

use super::grpc::response as grpc_response;
use super::{AuthRejection, ChallengeParameters, RejectionResponse};
use crate::telemetry::{self, Outcome};

/// Makes the refusals of one layer, for one request.
pub(crate) struct Refuser<R> {
    pub(crate) responder: R,
    pub(crate) as_grpc: bool,
    /// Whether no layer further out makes the response anew.
    pub(crate) has_last_word: bool,
    /// For refusals from places that know no configuration: a call in a handler.
    pub(crate) challenge: Option<Arc<ChallengeParameters>>,
    /// Who the request comes from, until telemetry has been told; `None` if another layer tells it.
    pub(crate) passed: Option<Outcome>,
}

impl<R> Refuser<R> {
    pub(crate) fn refuse<B: Default>(&self, mut rejection: AuthRejection) -> Response<B>
    where
        R: RejectionResponse<B>,
    {
        if rejection.challenge.is_none() {
            rejection.challenge.clone_from(&self.challenge);
        }
        if !rejection.is_recorded {
            telemetry::answered(Outcome::Refused(rejection.kind()));
            rejection.is_recorded = true;
        }
        let mut response = if self.as_grpc {
            grpc_response(&rejection)
        } else {
            self.responder.response(&rejection)
        };
        rejection.is_final = self.has_last_word;
        response.extensions_mut().insert(rejection);
        response
    }

    /// Makes the refusal of an extractor or a handler, which know no layer, one of this layer.
    pub(crate) fn review<B: Default>(&self, response: Response<B>) -> Response<B>
    where
        R: RejectionResponse<B>,
    {
        if let Some(outcome) = self.passed
            && response.extensions().get::<AuthRejection>().is_none()
        {
            telemetry::answered(outcome);
        }
        if !self.has_last_word {
            return response;
        }
        match response.extensions().get::<AuthRejection>() {
            Some(rejection) if !rejection.is_final => {
                let mut refusal = self.refuse(rejection.clone());
                // What others inside have added stays.
                for (name, value) in response.headers() {
                    let is_ours = [
                        header::CONTENT_TYPE,
                        header::CONTENT_LENGTH,
                        header::WWW_AUTHENTICATE,
                        header::RETRY_AFTER,
                    ]
                    .contains(name);
                    if !is_ours {
                        refusal.headers_mut().append(name, value.clone());
                    }
                }
                refusal
            }
            _ => response,
        }
    }
}
