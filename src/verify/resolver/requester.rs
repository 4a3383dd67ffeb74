//! [`Requester`]: the request's data for the resolver, and where its cookies go.

use std::sync::{Arc, OnceLock};

use http::HeaderValue;

use super::answers::Answer;
use super::call::ClientInfo;

/// The sender of a request: the data for the resolver, and where its cookies go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requester {
    pub(crate) client: ClientInfo,
    pub(crate) set_cookies: Option<Arc<SetCookies>>,
}

/// The `Set-Cookie` fields of an answer, for the response.
#[derive(Debug, Default)]
pub(crate) struct SetCookies(OnceLock<Box<[HeaderValue]>>);

impl SetCookies {
    pub(crate) fn fields(&self) -> &[HeaderValue] {
        self.0.get().map(|fields| &**fields).unwrap_or_default()
    }
}

impl Requester {
    pub(crate) fn hand_over(&self, answer: &Answer) {
        if let Some(cookies) = &self.set_cookies
            && !answer.set_cookies().is_empty()
        {
            // A request has one answer; a second one would change nothing.
            let _ = cookies.0.set(answer.set_cookies().into());
        }
    }
}
