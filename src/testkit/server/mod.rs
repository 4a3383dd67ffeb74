//! The listener, its connections, and where a request goes.

mod faulty;
mod main_server;
mod resolver;

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, request};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::state::Shared;
use crate::testkit::state::faults::Endpoint;

/// A running server; dropped, it closes the listener and all connections.
pub(super) struct Server {
    listener: Arc<SharedListener>,
    close: watch::Sender<()>,
    accepting: AbortHandle,
}

/// Held by the task and by the handle, which closes it at once, not when the task next runs.
type SharedListener = Mutex<Option<TcpListener>>;

impl Server {
    pub(super) fn start(shared: &Arc<Shared>, listener: TcpListener) -> Self {
        let listener = Arc::new(Mutex::new(Some(listener)));
        let close = watch::Sender::new(());
        let accepting = tokio::spawn(accept(
            Arc::clone(shared),
            Arc::clone(&listener),
            close.subscribe(),
        ));
        Self {
            listener,
            close,
            accepting: accepting.abort_handle(),
        }
    }

    pub(super) fn close_connections(&self) {
        self.close.send_replace(());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        lock(&self.listener).take();
        self.accepting.abort();
    }
}

fn lock(listener: &SharedListener) -> MutexGuard<'_, Option<TcpListener>> {
    listener.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(shared: Arc<Shared>, listener: Arc<SharedListener>, close: watch::Receiver<()>) {
    // Dropped with this task, and then ends the connections.
    let mut connections = JoinSet::new();
    loop {
        let next = poll_fn(|context| match &*lock(&listener) {
            Some(listener) => listener.poll_accept(context).map(Some),
            None => Poll::Ready(None),
        });
        let accepted = tokio::select! {
            accepted = next => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Some(Ok((stream, _))) => {
                connections.spawn(serve(Arc::clone(&shared), stream, close.clone()));
            }
            // The client was gone already, or there are too many open files: both may pass.
            Some(Err(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            None => return,
        }
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream, mut close: watch::Receiver<()>) {
    close.mark_unchanged();
    let service = service_fn(|request| answer(Arc::clone(&shared), request));
    let connection = http1::Builder::new()
        .title_case_headers(true)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    // An error is a connection that one of both sides closed; the clients see it themselves.
    tokio::select! {
        _ = connection => {}
        _ = close.changed() => {}
    }
}

/// Answers a request, or closes the connection.
async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (request, _) = request.into_parts();
    let endpoint = match request.uri.path() {
        DISCOVERY | OAUTH_METADATA => Endpoint::Discovery,
        JWKS => Endpoint::Jwks,
        "/_resolver/resolve" | "/resolve" => Endpoint::Resolver,
        _ => return Ok(StatusCode::NOT_FOUND.into_response()),
    };
    faulty::answer(&shared, endpoint, &request).await
}

fn honest(shared: &Shared, endpoint: Endpoint, request: &request::Parts) -> Response<Body> {
    match endpoint {
        Endpoint::Discovery | Endpoint::Jwks => main_server::answer(shared, request),
        Endpoint::Resolver => resolver::answer(shared, request),
    }
}

/// The scheme and host that the request was made to, as the server sees them.
fn origin(shared: &Shared, request: &request::Parts) -> String {
    let first = |name: &str| request.headers.get(name)?.to_str().ok();
    let forwarded = |name| first(name).filter(|_| shared.trust_proxy);
    let host = forwarded("x-forwarded-host").or_else(|| first("host"));
    let scheme = forwarded("x-forwarded-proto").unwrap_or("http");
    format!("{scheme}://{}", host.unwrap_or_default())
}

const DISCOVERY: &str = "/.well-known/openid-configuration";
const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";
const JWKS: &str = "/oauth2/jwks";
const JSON: &str = "application/json";
