//! Whether a response is still the one of a rejection, or a handler or another layer has replaced it.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};

use super::AuthRejection;
use super::template::FixedTexts;

/// A marker in the extensions of a response that an outer layer may replace.
///
/// It knows whether the body's bytes still exist. They exist while the body is forwarded, compressed,
/// wrapped, or read and put back. They no longer exist when another body has replaced it.
#[derive(Clone)]
pub(super) struct Original {
    /// `None` for a kind of body that copies its bytes.
    bytes: Option<Weak<()>>,
}

impl Original {
    /// A body of these bytes, and its marker.
    pub(super) fn body<B: From<Bytes>>(bytes: Bytes) -> (B, Self) {
        let life = Arc::new(());
        let watch = Arc::downgrade(&life);
        let body = B::from(Bytes::from_owner(Watched { bytes, _life: life }));
        let bytes = (watch.strong_count() > 0).then_some(watch);
        (body, Self { bytes })
    }
}

/// Whether the response still has the status and the body of the rejection.
pub(super) fn is_original<B>(
    response: &Response<B>,
    rejection: &AuthRejection,
    is_head: bool,
) -> bool {
    if response.status() != rejection.status() {
        return false;
    }
    match response.extensions().get::<Original>() {
        Some(Original { bytes: Some(bytes) }) if bytes.strong_count() > 0 => true,
        // A router removes the body of a response to HEAD, after it has set the length.
        Some(Original { bytes: Some(_) }) if !is_head => false,
        Some(_) => describes_ours(response.headers(), rejection, is_head),
        None => false,
    }
}

/// Whether these fields describe the rejection's own body, if the body itself does not show it.
fn describes_ours(headers: &HeaderMap, rejection: &AuthRejection, needs_length: bool) -> bool {
    let ours = FixedTexts::of(rejection.kind(), |texts| texts.body.len());
    let length = headers.get(header::CONTENT_LENGTH);
    headers.get(header::CONTENT_TYPE) == Some(&JSON)
        && (headers.contains_key(header::CONTENT_ENCODING)
            || length.map_or(!needs_length, |length| *length == ours.to_string()))
}

/// The bytes of a body, and a handle that lives as long as they do.
struct Watched {
    bytes: Bytes,
    _life: Arc<()>,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    use crate::error::AuthErrorKind;
    use crate::rejection::{JsonRejectionResponse, RejectionResponse};

    /// A body that takes the bytes, and one that copies them.
    fn answers() -> (AuthRejection, Response<Body>, Response<Vec<u8>>) {
        let rejection = AuthRejection::new(AuthErrorKind::RoleMissing, None);
        let (taken, copied) = (
            JsonRejectionResponse.response(&rejection),
            JsonRejectionResponse.response(&rejection),
        );
        (rejection, taken, copied)
    }

    #[test]
    fn a_replaced_body_is_known_whatever_it_is() {
        let (rejection, taken, copied) = answers();
        assert!(is_original(&taken, &rejection, false));
        assert!(is_original(&copied, &rejection, false));
        let wrapped = taken.map(|body| Some(Box::new(body)));
        assert!(is_original(&wrapped, &rejection, false));
        let same = FixedTexts::of(rejection.kind(), |texts| texts.body.clone());
        let length = same.len();
        let mut replaced = wrapped.map(|_| Body::from(same));
        assert!(!is_original(&replaced, &rejection, false));
        assert!(!is_original(&replaced, &rejection, true));
        // For HEAD, the body is gone, so its length decides.
        for (length, is_ours) in [(length, true), (length + 1, false)] {
            let headers = replaced.headers_mut();
            headers.insert(header::CONTENT_LENGTH, length.into());
            assert_eq!(is_original(&replaced, &rejection, true), is_ours);
            assert!(!is_original(&replaced, &rejection, false));
        }
    }

    #[test]
    fn where_the_body_does_not_tell_its_fields_do() {
        let (rejection, _, mut copied) = answers();
        let length = copied.body().len();
        let mut set = |name, value: String| {
            let value = value.parse().unwrap();
            copied.headers_mut().insert(name, value);
            is_original(&copied, &rejection, false)
        };
        assert!(set(header::CONTENT_LENGTH, length.to_string()));
        assert!(!set(header::CONTENT_LENGTH, (length + 1).to_string()));
        assert!(set(header::CONTENT_ENCODING, "gzip".to_owned()));
        assert!(!set(header::CONTENT_TYPE, "text/html".to_owned()));
    }
}
