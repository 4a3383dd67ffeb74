//! A proxy before the resolver that answers some questions itself, by what is in their headers.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum_authgear::testkit::FakeAuthgear;
use http::{HeaderMap, Request, StatusCode, header};

/// What it answers itself, if anything.
pub type Rule = fn(&HeaderMap) -> Option<u16>;

/// Starts one, and gives its URL for the resolver. It ends with the runtime of the test.
pub async fn start(fake: &FakeAuthgear, rule: Rule) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = format!("{}/resolve", fake.url());
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    let app = Router::new().fallback(move |request: Request<Body>| {
        let (upstream, client) = (upstream.clone(), client.clone());
        async move {
            let mut headers = request.into_parts().0.headers;
            let mut response = Response::new(Body::empty());
            if let Some(status) = rule(&headers) {
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                return response;
            }
            headers.remove(header::HOST);
            match client.get(upstream).headers(headers).send().await {
                Ok(mut answer) => {
                    *response.status_mut() = answer.status();
                    *response.headers_mut() = std::mem::take(answer.headers_mut());
                }
                Err(_) => *response.status_mut() = StatusCode::BAD_GATEWAY,
            }
            response
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/resolve")
}

/// Answers itself where the `User-Agent` says so: `answer-403`.
pub fn by_agent(headers: &HeaderMap) -> Option<u16> {
    let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
    agent.strip_prefix("answer-")?.parse().ok()
}
