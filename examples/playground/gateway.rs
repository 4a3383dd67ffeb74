//! A gateway in front of an API: it calls `forward_auth`, and forwards the request with the result and its
//! own proof.

use std::error::Error;

use aws_lc_rs::rand;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use axum_authgear::testkit::{Clock, FakeAuthgear};
use axum_authgear::{Authgear, GatewayProof};
use base64_simd::URL_SAFE_NO_PAD;
use tower::ServiceExt;

use crate::apis::{self, Api};

#[derive(Clone)]
struct Gateway {
    asks: Router,
    api: Router,
    proof: HeaderValue,
}

pub(crate) async fn start(acme: &FakeAuthgear, clock: &Clock) -> Result<Api, Box<dyn Error>> {
    let asked = Authgear::builder(acme.endpoint())
        .session_resolver(apis::resolver())
        .dangerous()
        .clock(clock.clone())
        .build()?;
    let secret = random_text()?;
    let behind = Authgear::builder(acme.endpoint())
        .dangerous()
        .gateway(GatewayProof::secret(&secret))
        .build()?;
    let api = apis::routes(&behind)?;
    let gateway = Gateway {
        asks: Router::new().fallback_service(asked.forward_auth()),
        api: api.clone(),
        proof: HeaderValue::from_str(&secret)?,
    };
    let front = Router::new().fallback(pass).with_state(gateway);
    Ok(Api {
        // So that the attackers can reach it directly.
        behind: Some(apis::serve(api).await?),
        ..Api::serve(asked, front).await?
    })
}

async fn pass(State(gateway): State<Gateway>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let question = question(&parts.method, &parts.headers);
    let Ok(verdict) = gateway.asks.oneshot(question).await;
    if !verdict.status().is_success() {
        return verdict;
    }
    // The client's own identity headers are removed.
    let of_the_client: Vec<HeaderName> = parts
        .headers
        .keys()
        .filter(|name| is_identity(name))
        .cloned()
        .collect();
    for name in of_the_client {
        parts.headers.remove(name);
    }
    let identity = verdict
        .headers()
        .iter()
        .filter(|(name, _)| is_identity(name));
    parts
        .headers
        .extend(identity.map(|(name, value)| (name.clone(), value.clone())));
    parts.headers.insert("x-gateway-secret", gateway.proof);
    gateway
        .api
        .oneshot(Request::from_parts(parts, body))
        .await
        .into_response()
}

fn question(method: &Method, headers: &HeaderMap) -> Request {
    let mut question = Request::new(Body::empty());
    *question.headers_mut() = headers.clone();
    if let Ok(method) = HeaderValue::from_str(method.as_str()) {
        question.headers_mut().insert("x-forwarded-method", method);
    }
    question
}

fn is_identity(name: &HeaderName) -> bool {
    name.as_str().replace('_', "-").starts_with("x-authgear-")
}

/// 256 bits that cannot be guessed.
pub(crate) fn random_text() -> Result<String, &'static str> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| "there is no randomness")?;
    Ok(URL_SAFE_NO_PAD.encode_to_string(bytes))
}
