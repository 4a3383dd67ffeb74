//! Answers of a server that misbehaves, which only tests of this crate need.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::response::Response;
use axum_authgear::testkit::Fault;
use futures_util::{FutureExt, StreamExt, stream};
use serde_json::{Value, json};

/// 307 to another place.
pub fn redirect(location: &str) -> Fault {
    Fault::Answer {
        status: 307,
        headers: vec![("location".to_owned(), location.to_owned())],
        body: String::new(),
    }
}

/// The resolver's answer, of these headers alone.
pub fn headers(headers: &[(&str, &str)]) -> Fault {
    let owned = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Fault::Answer {
        status: 200,
        headers: owned.collect(),
        body: String::new(),
    }
}

/// The resolver's answer, of headers without a meaning.
pub fn garbage_headers() -> Fault {
    headers(&[
        ("x-authgear-session-valid", "perhaps"),
        ("x-authgear-user-id", ""),
        ("x-authgear-user-anonymous", "maybe"),
        ("x-authgear-session-authenticated-at", "yesterday"),
    ])
}

/// A document that is no JSON.
pub fn garbage() -> Fault {
    Fault::Body("<html>{\"keys\": oops".to_owned())
}

pub fn empty_key_set() -> Fault {
    Fault::Body("{\"keys\":[]}".to_owned())
}

/// The discovery document of another issuer.
pub fn other_issuer() -> Fault {
    let document = json!({
        "issuer": "https://other.example",
        "jwks_uri": "https://other.example/oauth2/jwks",
    });
    Fault::Body(document.to_string())
}

/// The discovery document with this `jwks_uri`.
pub fn with_jwks_uri(answer: Response, jwks_uri: &str) -> Response {
    answer.map(|body| {
        let mut document: Value = serde_json::from_slice(&document(body)).unwrap();
        document["jwks_uri"] = json!(jwks_uri);
        Body::from(document.to_string())
    })
}

/// The ordinary document, which breaks off half-way.
pub fn truncated() -> Fault {
    Fault::MapResponse(|answer| {
        answer.map(|body| {
            let bytes = document(body);
            let half = bytes.slice(..bytes.len() / 2);
            // What was written goes out while the body is not ready: an error would discard it.
            let broken = stream::once(async {
                tokio::task::yield_now().await;
                Err(io::Error::from(io::ErrorKind::BrokenPipe))
            });
            Body::from_stream(stream::iter([Ok(half)]).chain(broken))
        })
    })
}

/// The ordinary document with 4 MiB of white space behind it. Its length is announced.
pub fn oversized() -> Fault {
    Fault::MapResponse(|answer| {
        answer.map(|body| {
            let mut bytes = document(body).to_vec();
            bytes.resize(bytes.len() + 4 * 1024 * 1024, b' ');
            Body::from(bytes)
        })
    })
}

/// The ordinary document, then white space without end. No length is announced.
pub fn endless() -> Fault {
    Fault::MapResponse(|answer| {
        answer.map(|body| {
            let space = stream::repeat(Bytes::from_static(&[b' '; 4096]));
            let bytes = stream::iter([document(body)]).chain(space);
            Body::from_stream(bytes.map(Ok::<_, io::Error>))
        })
    })
}

/// The ordinary document, one byte each 50 ms.
pub fn trickle() -> Fault {
    Fault::MapResponse(|answer| {
        answer.map(|body| {
            let bytes = stream::iter(document(body)).then(async |byte| {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok::<_, io::Error>(vec![byte])
            });
            Body::from_stream(bytes)
        })
    })
}

fn document(body: Body) -> Bytes {
    let bytes = to_bytes(body, usize::MAX).now_or_never();
    bytes.expect("a body in memory").unwrap()
}
