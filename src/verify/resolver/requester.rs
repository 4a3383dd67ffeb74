//! [`Requester`]: what the resolver learns of a request, and where its cookies go.

use std::sync::{Arc, OnceLock};

use http::HeaderValue;

use super::answers::Answer;
use super::call::ClientInfo;

/// Who asks: what the resolver is told of the request, and where its cookies go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requester {
    pub(crate) client: ClientInfo,
    pub(crate) set_cookies: Option<Arc<SetCookies>>,
}

/// The `Set-Cookie` fields of an answer, to be passed on.
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
            // There is one answer to a request; another would change nothing.
            let _ = cookies.0.set(answer.set_cookies().into());
        }
    }
}
