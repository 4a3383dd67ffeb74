//! A server in the place of `forward_auth`, which answers what a test wants.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(super) struct Stub {
    pub(super) address: String,
    shared: Arc<Mutex<Shared>>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    status: u16,
    headers: HeaderMap,
    questions: Vec<Parts>,
}

impl Stub {
    pub(super) async fn start() -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let app = Router::new().fallback(answer).with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            shared,
            server,
        }
    }

    /// From now on it answers so.
    pub(super) fn answers(&self, status: u16, headers: &[(&str, &str)]) {
        let mut shared = self.shared.lock().unwrap();
        shared.status = status;
        shared.headers = headers
            .iter()
            .map(|(name, value)| {
                let name: HeaderName = name.parse().unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect();
    }

    /// What it was asked since this was called last.
    pub(super) fn take(&self) -> Vec<Parts> {
        std::mem::take(&mut self.shared.lock().unwrap().questions)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(shared): State<Arc<Mutex<Shared>>>, request: Request) -> Response {
    let mut shared = shared.lock().unwrap();
    shared.questions.push(request.into_parts().0);
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = shared.status.try_into().unwrap();
    *response.headers_mut() = shared.headers.clone();
    response
}
