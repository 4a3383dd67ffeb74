//! What the tests share: a protected router, requests to it, and its answers.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use axum_authgear::{
    AuthClient, AuthErrorKind, AuthRejection, AuthUser, Authgear, AuthgearBuilder, Health,
    Principal,
};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tracing_subscriber::fmt::MakeWriter;

/// An API with one route for each extractor, behind a required layer.
pub fn api(authgear: &Authgear) -> Router {
    routes().layer(authgear.layer())
}

/// The same behind an optional layer.
pub fn optional_api(authgear: &Authgear) -> Router {
    routes().layer(authgear.layer().optional())
}

pub fn routes() -> Router {
    Router::new()
        .route(
            "/user",
            any(|user: AuthUser| async move { user.id().to_owned() }),
        )
        .route(
            "/optional",
            any(|user: Option<AuthUser>| async move {
                user.map_or("nobody".to_owned(), |user| user.id().to_owned())
            }),
        )
        .route(
            "/client",
            any(|client: AuthClient| async move { client.client_id().to_owned() }),
        )
        .route(
            "/principal",
            any(|principal: Principal| async move {
                principal.client_id().unwrap_or_default().to_owned()
            }),
        )
        .route("/any", any(|| async { "reached" }))
        .route(
            "/headers",
            any(|headers: HeaderMap| async move { format!("{headers:?}") }),
        )
}

/// A response, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
    pub kind: Option<AuthErrorKind>,
}

impl Answer {
    pub fn challenge(&self) -> Option<&str> {
        self.headers
            .get(header::WWW_AUTHENTICATE)
            .map(|value| value.to_str().unwrap())
    }

    /// The only field of that name, which must be there.
    pub fn header(&self, name: &str) -> &str {
        let mut fields = self.headers.get_all(name).iter();
        let field = fields
            .next()
            .unwrap_or_else(|| panic!("no {name}: {self:?}"));
        assert!(fields.next().is_none(), "more than one {name}: {self:?}");
        field.to_str().unwrap()
    }
}

pub async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let kind = response
        .extensions()
        .get::<AuthRejection>()
        .map(AuthRejection::kind);
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
        kind,
    }
}

/// `GET path` with a bearer token.
pub async fn get(router: &Router, path: &str, token: &str) -> Answer {
    send(router, with_bearer(path, token)).await
}

pub fn with_bearer(path: &str, token: &str) -> Request<Body> {
    Request::get(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap()
}

/// Builds, and waits for the keys.
pub async fn ready<C: Send + Sync + 'static>(builder: AuthgearBuilder<C>) -> Authgear<C> {
    let authgear = builder.build().unwrap();
    authgear.ready(Duration::from_secs(10)).await.unwrap();
    authgear
}

/// An API that tells all that it knows of its user, one fact to a line.
pub fn describing_api(authgear: &Authgear) -> Router {
    Router::new()
        .route(
            "/user",
            any(|user: AuthUser| async move { describe(&user) }),
        )
        .route(
            "/optional",
            any(|user: Option<AuthUser>| async move {
                user.map_or("nobody".to_owned(), |user| describe(&user))
            }),
        )
        .layer(authgear.layer().optional())
}

pub fn describe(user: &AuthUser) -> String {
    let list = |items: Vec<&str>| items.join(",");
    format!(
        "id={}\nanonymous={}\nverified={}\nreauthenticate={}\nroles={}\namr={}\ntime={:?}\n\
         client={:?}\nscopes={}\nexpires={:?}\nissuer={}\nby={}",
        user.id(),
        user.is_anonymous(),
        user.is_verified(),
        user.can_reauthenticate(),
        list(user.roles().collect()),
        list(user.amr().collect()),
        user.auth_time(),
        user.client_id(),
        list(user.scopes().collect()),
        user.expires_at().is_some(),
        user.issuer(),
        user.verified_by(),
    )
}

/// `GET /user` with these headers.
pub fn with_headers(headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get("/user");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

/// Whether each line is a line of the answer's body.
#[track_caller]
pub fn assert_says(answer: &Answer, lines: &[&str]) {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    for line in lines {
        assert!(
            answer.body.lines().any(|own| own == *line),
            "{line}: {}",
            answer.body
        );
    }
}

/// Whether the request was refused in this way, with all that belongs to it.
#[track_caller]
pub fn assert_refused(answer: &Answer, status: u16, kind: AuthErrorKind) {
    assert_eq!(
        (answer.status.as_u16(), answer.kind),
        (status, Some(kind)),
        "{answer:?}"
    );
    let retry_after = answer.headers.contains_key(header::RETRY_AFTER);
    assert_eq!(retry_after, status == 503, "{answer:?}");
    assert_eq!(
        answer.challenge().is_some(),
        matches!(status, 400 | 401),
        "{answer:?}"
    );
}

/// Waits until the status says so.
pub async fn turns(authgear: &Authgear, health: Health) {
    let turned = async {
        while authgear.status().health() != health {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), turned)
        .await
        .unwrap();
}

/// To be held while a test listens to what is logged. As long as there is one dispatcher alone, a
/// thread without it (another test's) decides for all that an event interests nobody.
pub fn second_dispatcher() -> tracing::Dispatch {
    tracing::Dispatch::new(tracing_subscriber::registry())
}

/// A log that is kept.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Keeps what this thread logs, at this level or a more severe one, until the rest is dropped.
    pub fn of_this_thread(level: tracing::Level) -> (Self, impl Sized) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        (log, (guard, second_dispatcher()))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
