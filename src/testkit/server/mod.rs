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
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::state::Shared;
use super::time;
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
    let mut answer = match endpoint(request.uri.path()) {
        Some(endpoint) => faulty::answer(&shared, endpoint, &request).await?,
        None => elsewhere(request.uri.path()),
    };
    if !answer.headers().contains_key(header::DATE) {
        set(&mut answer, header::DATE, &time::http_date(shared.now()));
    }
    Ok(answer)
}

fn endpoint(path: &str) -> Option<Endpoint> {
    match path {
        DISCOVERY | OAUTH_METADATA => Some(Endpoint::Discovery),
        JWKS => Some(Endpoint::Jwks),
        "/_resolver/resolve" | "/resolve" => Some(Endpoint::Resolver),
        _ => None,
    }
}

fn honest(shared: &Shared, endpoint: Endpoint, request: &request::Parts) -> Response<Body> {
    match endpoint {
        Endpoint::Discovery | Endpoint::Jwks => main_server::answer(shared, request),
        Endpoint::Resolver => resolver::answer(shared, request),
    }
}

/// What no endpoint answers.
fn elsewhere(path: &str) -> Response<Body> {
    let known = path
        .strip_suffix('/')
        .filter(|path| [DISCOVERY, OAUTH_METADATA, JWKS].contains(path));
    match known {
        Some(path) => {
            let link = format!("<a href=\"{path}\">Moved Permanently</a>.\n\n");
            let mut moved = response(StatusCode::MOVED_PERMANENTLY, HTML, link);
            set(&mut moved, header::LOCATION, path);
            moved
        }
        None => error(StatusCode::NOT_FOUND, "404 page not found\n"),
    }
}

/// Which methods an endpoint takes.
fn not_allowed(allow: &'static str) -> Response<Body> {
    let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    set(&mut answer, header::ALLOW, allow);
    answer
}

fn error(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut answer = response(status, TEXT, text);
    set(&mut answer, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    answer
}

fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut answer = empty(status);
    *answer.body_mut() = body.into();
    set(&mut answer, header::CONTENT_TYPE, content_type);
    answer
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

/// Adds a header field.
///
/// # Panics
///
/// When the value is none that HTTP can carry.
fn set(answer: &mut Response<Body>, name: impl Into<HeaderName>, value: &str) {
    let value = HeaderValue::from_str(value).expect("a value that HTTP can carry");
    answer.headers_mut().append(name.into(), value);
}

/// The scheme and host that the request was made to, as the server sees them.
fn origin(shared: &Shared, request: &request::Parts) -> (String, String) {
    let first = |name: &str| request.headers.get(name)?.to_str().ok();
    let forwarded = |name| first(name).filter(|_| shared.trust_proxy);
    let host = forwarded("x-forwarded-host").or_else(|| first("host"));
    let scheme = forwarded("x-forwarded-proto").unwrap_or("http");
    (scheme.to_owned(), host.unwrap_or_default().to_owned())
}

fn is(request: &request::Parts, method: &Method) -> bool {
    request.method == *method
}

const DISCOVERY: &str = "/.well-known/openid-configuration";
const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";
const JWKS: &str = "/oauth2/jwks";

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// Sent with every ordinary answer of both servers.
const PERMISSIONS_POLICY: &str = "\
    accelerometer=(), ambient-light-sensor=(), autoplay=*, battery=(), bluetooth=(), \
    browsing-topics=(), camera=(), display-capture=(), document-domain=(), encrypted-media=(), \
    execution-while-not-rendered=*, execution-while-out-of-viewport=*, fullscreen=*, gamepad=(), \
    geolocation=(), gyroscope=(), hid=(), identity-credentials-get=(), idle-detection=(), \
    local-fonts=(), magnetometer=(), microphone=(), midi=(), otp-credentials=(), payment=(), \
    picture-in-picture=(), publickey-credentials-create=(self), \
    publickey-credentials-get=(self), screen-wake-lock=(), serial=(), speaker-selection=(), \
    storage-access=(), usb=(), web-share=(), window-management=(), xr-spatial-tracking=()";
