//! `x-authgear-*`: the identity headers, which only a gateway may send.

use http::{HeaderMap, HeaderName};

use crate::telemetry;

const PREFIX: &[u8] = b"x-authgear-";
/// Authgear's signature for the webhook route, which must not be inside this layer.
const WEBHOOK_SIGNATURE: &str = "x-authgear-body-signature";

/// Removes every header that an inner server could read as an identity header of a gateway.
///
/// `_` counts as `-`, because CGI and similar interfaces do not distinguish them.
pub(super) fn remove(headers: &mut HeaderMap) {
    if !headers.keys().any(is_identity_header) {
        return;
    }
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_identity_header(name))
        .cloned()
        .collect();
    for name in names {
        if name.as_str() == WEBHOOK_SIGNATURE {
            telemetry::webhook_inside();
        }
        headers.remove(name);
    }
}

/// A `HeaderName` is in lower case already.
fn is_identity_header(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    name.len() >= PREFIX.len()
        && name
            .iter()
            .zip(PREFIX)
            .all(|(own, wanted)| own == wanted || (*own == b'_' && *wanted == b'-'))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn every_spelling_goes_and_the_rest_stays() {
        let mut headers = HeaderMap::new();
        for name in [
            "X-Authgear-User-Id",
            "x-authgear-user-id",
            "x_authgear_user_id",
            "x-authgear_session-valid",
            "X_AUTHGEAR-User-Roles",
            "x-authgear-",
        ] {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_static("spoofed"));
        }
        for name in [
            "x-authgear",
            "x-authgearx-user",
            "authgear-user-id",
            "x-other",
        ] {
            headers.append(name, HeaderValue::from_static("kept"));
        }
        remove(&mut headers);
        assert_eq!(headers.len(), 4);
        assert!(headers.values().all(|value| value == "kept"));
    }
}
