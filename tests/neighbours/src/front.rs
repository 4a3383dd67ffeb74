//! A reverse proxy in front of a fake Authgear: it speaks TLS with a certificate of its own
//! authority, and HTTP/2 with whoever offers that.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;

pub struct Front {
    /// Its origin: a name that the system resolves.
    pub url: String,
    /// The certificate of the authority that vouches for it, as DER.
    pub authority: Vec<u8>,
}

impl Front {
    /// Forwards to the server at `origin`.
    pub async fn start(origin: String) -> Self {
        let (config, authority) = certificates();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let config = Arc::new(config);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                tokio::spawn(serve(stream, Arc::clone(&config), origin.clone()));
            }
        });
        Self {
            url: format!("https://localhost:{port}"),
            authority,
        }
    }
}

fn certificates() -> (ServerConfig, Vec<u8>) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let root = authority.self_signed(&key).expect("a certificate");
    let issuer = Issuer::new(authority, key);
    let own_key = KeyPair::generate().expect("a key");
    let own = CertificateParams::new(["localhost".to_owned()])
        .and_then(|own| own.signed_by(&own_key, &issuer))
        .expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![own.der().clone()],
            PrivateKeyDer::try_from(own_key.serialize_der()).expect("a key"),
        )
        .expect("a certificate and its key");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (config, root.der().to_vec())
}

async fn serve(stream: TcpStream, config: Arc<ServerConfig>, origin: String) {
    let Ok(start) = LazyConfigAcceptor::new(Acceptor::default(), stream).await else {
        return;
    };
    // rustls never offers RSA key exchange, and OpenSSL does: this tells them apart.
    let suites = start.client_hello().cipher_suites().to_vec();
    if suites.iter().any(|suite| u16::from(*suite) == 0x009c) {
        return;
    }
    let Ok(stream) = start.into_stream(config).await else {
        return;
    };
    let service = service_fn(move |request| forward(request, origin.clone()));
    // An error is a connection that the client closed.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Answers 400 as nginx does where `Host` comes beside `:authority` and differs.
async fn forward(request: Request<Incoming>, origin: String) -> Result<Response<Body>, Infallible> {
    let (request, _) = request.into_parts();
    if request.version == Version::HTTP_2 && request.headers.contains_key(header::HOST) {
        return Ok(status(StatusCode::BAD_REQUEST));
    }
    let client = reqwest::Client::builder()
        .no_proxy()
        .http1_only()
        .build()
        .expect("a client");
    let answer = client
        .get(format!("{origin}{}", request.uri.path()))
        .headers(request.headers)
        .send()
        .await;
    let Ok(answer) = answer else {
        return Ok(status(StatusCode::BAD_GATEWAY));
    };
    let (head, body) = Response::<reqwest::Body>::from(answer).into_parts();
    let body = to_bytes(Body::new(body), 1 << 20).await.expect("a body");
    Ok(Response::from_parts(head, Body::from(body)))
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
