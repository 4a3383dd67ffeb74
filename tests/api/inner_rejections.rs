//! Rejections that come from inside of a layer: which of them it answers itself, and what stays as a
//! handler or another layer has made it.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use axum_authgear::authorize::{all_scopes, has_role};
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthErrorKind, AuthRejection, AuthUser, Authgear};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_http::compression::CompressionLayer;
use tower_http::decompression::DecompressionLayer;

use crate::support::{ready, with_bearer};

/// What the layer answers, long enough to be compressed.
const OURS: &str = "this is what the layer around the handler says of the refusal";
/// What a rejection says by itself.
const JSON: &str = r#"{"error":"forbidden","error_description":"the user lacks a required role"}"#;
/// As long as that.
const SAME_LENGTH: &str =
    r#"{"error":"not for you","because":"this was written by the handler indeed"}"#;

struct World {
    authgear: Authgear,
    token: String,
}

impl World {
    async fn new() -> Self {
        let fake = FakeAuthgear::start().await;
        let alice = fake.add_user(User::new("alice"));
        let authgear = ready(Authgear::builder(fake.endpoint()).realm("shop")).await;
        let token = fake.token(&alice).sign();
        Self { authgear, token }
    }
}

/// A response, read to its end and decompressed.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    /// As they were sent.
    headers: HeaderMap,
    body: String,
    kind: Option<AuthErrorKind>,
}

impl Answer {
    fn field(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        let mut fields = self.headers.get_all(name).iter();
        let field = fields.next().map(|value| value.to_str().unwrap());
        assert_eq!(fields.next(), None, "{self:?}");
        field
    }
}

async fn ask(app: &Router, world: &World, method: &Method) -> Answer {
    ask_with(app, world, method, "text/plain").await
}

async fn ask_with(app: &Router, world: &World, method: &Method, content_type: &str) -> Answer {
    let mut request = with_bearer("/", &world.token);
    *request.method_mut() = method.clone();
    let content_type = content_type.parse().unwrap();
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(header::CONTENT_TYPE, content_type);
    let response = app.clone().oneshot(request).await.unwrap();
    let headers = response.headers().clone();
    let status = response.status();
    let kind = response
        .extensions()
        .get::<AuthRejection>()
        .map(AuthRejection::kind);
    let mut sent = Some(response);
    let plain = DecompressionLayer::new().layer(tower::service_fn(move |_: Request<Body>| {
        let response = sent.take().unwrap();
        async move { Ok::<_, std::convert::Infallible>(response) }
    }));
    let response = plain.oneshot(Request::new(Body::empty())).await.unwrap();
    let body = if method == Method::HEAD {
        Bytes::new()
    } else {
        let body = response.into_body().collect().await;
        body.unwrap_or_else(|error| panic!("{error}: {headers:?}"))
            .to_bytes()
    };
    Answer {
        status,
        headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
        kind,
    }
}

/// A handler that is refused, and makes this of it.
fn refused(make: impl Fn(AuthRejection) -> Response + Clone + Send + Sync + 'static) -> Router {
    Router::new().route("/", refused_route(make))
}

fn refused_route(
    make: impl Fn(AuthRejection) -> Response + Clone + Send + Sync + 'static,
) -> MethodRouter {
    any(move |user: AuthUser| {
        let make = make.clone();
        async move {
            match user.require(has_role("owner")) {
                Ok(()) => unreachable!("nobody is an owner"),
                Err(rejection) => make(rejection),
            }
        }
    })
}

fn ours(rejection: &AuthRejection) -> Response {
    (rejection.status(), OURS).into_response()
}

/// What may stand between a handler and the layer, or around both.
fn arrangements(world: &World, handler: &Router) -> Vec<(String, Router)> {
    let layer = || world.authgear.layer().respond_with(ours);
    let gzip = CompressionLayer::new;
    let plain = handler.clone();
    vec![
        ("nothing".to_owned(), plain.clone().layer(layer())),
        (
            "gzip inside".to_owned(),
            plain.clone().layer(gzip()).layer(layer()),
        ),
        (
            "gzip outside".to_owned(),
            plain.clone().layer(layer()).layer(gzip()),
        ),
        (
            "gzip on both sides".to_owned(),
            plain.clone().layer(gzip()).layer(layer()).layer(gzip()),
        ),
        (
            "two layers".to_owned(),
            plain
                .clone()
                .layer(gzip())
                .layer(layer())
                .layer(world.authgear.layer().respond_with(|_: &AuthRejection| {
                    (StatusCode::IM_A_TEAPOT, "the outer one").into_response()
                })),
        ),
        (
            // A router that is a service within another: it takes the body out of answers to HEAD.
            "a router inside".to_owned(),
            Router::new().fallback_service(
                ServiceBuilder::new()
                    .layer(layer())
                    .service(plain.layer(gzip())),
            ),
        ),
    ]
}

type Make = fn(AuthRejection) -> Response;

fn with_body(rejection: AuthRejection, body: impl Into<Body>) -> Response {
    let (mut parts, _) = rejection.into_response().into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, body.into())
}

/// Answers that a handler makes of a rejection and that are its own: status, content type, body.
const OWN: &[(&str, Make, u16, &str, &str)] = &[
    (
        "hidden",
        |rejection| (StatusCode::NOT_FOUND, rejection).into_response(),
        404,
        "application/json",
        JSON,
    ),
    (
        "a lower status",
        |rejection| (StatusCode::OK, rejection).into_response(),
        200,
        "application/json",
        JSON,
    ),
    (
        "the status of another refusal",
        |rejection| (StatusCode::UNAUTHORIZED, rejection).into_response(),
        401,
        "application/json",
        JSON,
    ),
    (
        "a higher status",
        |rejection| (StatusCode::BAD_GATEWAY, rejection).into_response(),
        502,
        "application/json",
        JSON,
    ),
    (
        "another body",
        |rejection| {
            with_body(
                rejection,
                "{\"message\":\"this is not for you, as I have said before\"}",
            )
        },
        403,
        "application/json",
        "{\"message\":\"this is not for you, as I have said before\"}",
    ),
    (
        "another body of the same length",
        |rejection| with_body(rejection, SAME_LENGTH),
        403,
        "application/json",
        SAME_LENGTH,
    ),
    (
        "another body of another type",
        |rejection| {
            let mut response =
                with_body(rejection, "<h1>this page is not for you, dear reader</h1>");
            let html = HeaderValue::from_static("text/html");
            response.headers_mut().insert(header::CONTENT_TYPE, html);
            response
        },
        403,
        "text/html",
        "<h1>this page is not for you, dear reader</h1>",
    ),
    (
        "a stream",
        |rejection| {
            let parts = [
                "this comes in two parts, ",
                "neither of which is the layer's",
            ];
            let parts =
                parts.map(|part| Ok::<_, std::io::Error>(Bytes::from_static(part.as_bytes())));
            with_body(
                rejection,
                Body::from_stream(futures_util::stream::iter(parts)),
            )
        },
        403,
        "application/json",
        "this comes in two parts, neither of which is the layer's",
    ),
    (
        "no body",
        |rejection| with_body(rejection, Body::empty()),
        403,
        "application/json",
        "",
    ),
    (
        "a response of the handler's own that carries the rejection",
        |rejection| {
            let mut response = (
                StatusCode::FORBIDDEN,
                "a response with nothing in it that is ours",
            )
                .into_response();
            response.extensions_mut().insert(rejection);
            response
        },
        403,
        "text/plain; charset=utf-8",
        "a response with nothing in it that is ours",
    ),
];

#[tokio::test]
async fn an_answer_of_the_handlers_own_stays() {
    let world = World::new().await;
    assert_eq!(JSON.len(), SAME_LENGTH.len());
    for (case, make, status, content_type, body) in OWN {
        for (around, app) in arrangements(&world, &refused(make)) {
            let what = format!("{case}, {around}");
            let answer = ask(&app, &world, &Method::GET).await;
            assert_eq!(answer.status.as_u16(), *status, "{what}: {answer:?}");
            assert_eq!(answer.body, *body, "{what}: {answer:?}");
            assert_eq!(answer.field("content-type"), Some(*content_type), "{what}");
            assert_eq!(answer.kind, Some(AuthErrorKind::RoleMissing), "{what}");
            let is_compressed = around.contains("gzip") || around.contains("two");
            if body.len() > 32 && is_compressed {
                assert_eq!(answer.field("content-encoding"), Some("gzip"), "{what}");
            }
            if let Some(length) = answer.field("content-length") {
                assert_eq!(length, body.len().to_string(), "{what}");
            }
        }
    }
}

/// The status and the header fields of an answer to HEAD are those of a GET.
#[tokio::test]
async fn an_answer_of_the_handlers_own_stays_for_head() {
    let world = World::new().await;
    for (case, make, status, content_type, _) in OWN {
        for (around, app) in arrangements(&world, &refused(make)) {
            // Whether another body was compressed or ours was, before a router took it out, nothing
            // tells.
            if *status == 403 && !["nothing", "gzip outside"].contains(&&*around) {
                continue;
            }
            let what = format!("{case}, {around}");
            let answer = ask(&app, &world, &Method::HEAD).await;
            assert_eq!(answer.status.as_u16(), *status, "{what}: {answer:?}");
            assert_eq!(answer.field("content-type"), Some(*content_type), "{what}");
        }
    }
}

async fn buffered(request: Request, next: Next) -> Response {
    let (parts, body) = next.run(request).await.into_parts();
    let body = to_bytes(body, 1_000).await.unwrap();
    Response::from_parts(parts, body.into())
}

async fn etagged(request: Request, next: Next) -> Response {
    let mut response = buffered(request, next).await;
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_static("\"a\""));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(JSON.len()));
    response
}

async fn wrapped(request: Request, next: Next) -> Response {
    next.run(request)
        .await
        .map(|body| Body::new(body.map_err(|error| error)))
}

/// Nothing was replaced: the layer answers as it always does.
#[tokio::test]
async fn a_rejection_that_was_passed_on_is_answered_by_the_layer() {
    let world = World::new().await;
    let passed: [(&str, Router); 8] = [
        ("as it is", refused(IntoResponse::into_response)),
        (
            "with its own status",
            refused(|rejection| (StatusCode::FORBIDDEN, rejection).into_response()),
        ),
        (
            "with a field",
            refused(|rejection| ([("x-note", "kept")], rejection).into_response()),
        ),
        (
            "taken apart and put together",
            refused(|rejection| {
                let (parts, body) = rejection.into_response().into_parts();
                Response::from_parts(parts, body)
            }),
        ),
        (
            "made twice",
            refused(|rejection| {
                let first = rejection.into_response();
                let again = first.extensions().get::<AuthRejection>().unwrap().clone();
                drop(first);
                again.into_response()
            }),
        ),
        (
            "read and put back",
            refused(IntoResponse::into_response).layer(middleware::from_fn(buffered)),
        ),
        (
            "read, and given a tag",
            refused(IntoResponse::into_response).layer(middleware::from_fn(etagged)),
        ),
        (
            "wrapped",
            refused(IntoResponse::into_response).layer(middleware::from_fn(wrapped)),
        ),
    ];
    for (case, handler) in passed {
        for (around, app) in arrangements(&world, &handler) {
            for method in [Method::GET, Method::HEAD, Method::POST] {
                let what = format!("{case}, {around}, {method}");
                let answer = ask(&app, &world, &method).await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what}: {answer:?}");
                assert_eq!(answer.kind, Some(AuthErrorKind::RoleMissing), "{what}");
                assert_eq!(
                    answer.field("content-type"),
                    Some("text/plain; charset=utf-8"),
                    "{what}"
                );
                assert_eq!(answer.field("etag"), None, "{what}");
                let body = if method == Method::HEAD { "" } else { OURS };
                assert_eq!(answer.body, body, "{what}: {answer:?}");
                let encoding =
                    (around.contains("outside") || around.contains("both")).then_some("gzip");
                // tower-http leaves a body alone that has gone.
                if method != Method::HEAD {
                    assert_eq!(answer.field("content-encoding"), encoding, "{what}");
                }
                if encoding.is_none() && !around.contains("router") {
                    let length = OURS.len().to_string();
                    assert_eq!(answer.field("content-length"), Some(&*length), "{what}");
                }
                let note = case.contains("field").then_some("kept");
                assert_eq!(answer.field("x-note"), note, "{what}");
            }
        }
    }
}

/// The fields that describe a body go with it (RFC 9110 §8, RFC 9530); the others stay.
#[tokio::test]
async fn what_described_the_old_body_goes_with_it_and_the_rest_stays() {
    const OF_THE_BODY: [&str; 17] = [
        "content-type",
        "content-encoding",
        "content-language",
        "content-location",
        "content-length",
        "content-range",
        "content-disposition",
        "content-md5",
        "content-digest",
        "repr-digest",
        "digest",
        "etag",
        "last-modified",
        "accept-ranges",
        "transfer-encoding",
        "trailer",
        "x-content-type",
    ];
    const OTHERS: [&str; 10] = [
        "vary",
        "set-cookie",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "cache-control",
        "expires",
        "link",
        "server-timing",
        "content-security-policy",
        "x-content-type-options",
    ];
    let world = World::new().await;
    let handler = refused(|rejection| {
        let mut response = rejection.into_response();
        for name in OF_THE_BODY.iter().chain(&OTHERS) {
            let value = match *name {
                "content-length" => HeaderValue::from(JSON.len()),
                _ => HeaderValue::from_static("old"),
            };
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
        response
            .headers_mut()
            .append(header::SET_COOKIE, HeaderValue::from_static("second"));
        response
    });
    let app = handler.layer(world.authgear.layer().respond_with(ours));
    let answer = ask(&app, &world, &Method::GET).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::FORBIDDEN, OURS)
    );
    let mut expected: Vec<_> = OTHERS
        .iter()
        .map(|name| (*name, "old"))
        .chain([
            ("set-cookie", "second"),
            ("content-length", "61"),
            ("content-type", "text/plain; charset=utf-8"),
            // No field of a body, whatever it sounds like.
            ("x-content-type", "old"),
        ])
        .collect();
    let mut found: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

/// The challenge and the time to wait are the layer's, unless something inside has said otherwise.
#[tokio::test]
async fn a_challenge_of_the_handlers_own_stays() {
    const OWN: &str = r#"Bearer realm="shop", error="insufficient_scope", scope="read:orders""#;

    let world = World::new().await;
    let scope = |make: Make| {
        let handler = any(move |user: AuthUser| async move {
            let rejection = user
                .require(all_scopes(["read:orders"]).unwrap())
                .unwrap_err();
            make(rejection)
        });
        Router::new()
            .route("/", handler)
            .layer(world.authgear.layer())
    };
    let cases: [(&str, Make, &[&str], &[&str]); 5] = [
        ("none", IntoResponse::into_response, &[OWN], &[]),
        (
            "replaced",
            |rejection| ([(header::WWW_AUTHENTICATE, "Basic")], rejection).into_response(),
            &["Basic"],
            &[],
        ),
        (
            "added",
            |rejection| {
                let mut response = rejection.into_response();
                let basic = HeaderValue::from_static("Basic");
                response
                    .headers_mut()
                    .append(header::WWW_AUTHENTICATE, basic);
                response
            },
            &[OWN, "Basic"],
            &[],
        ),
        (
            "a time to wait",
            |rejection| ([(header::RETRY_AFTER, "7")], rejection).into_response(),
            &[OWN],
            &["7"],
        ),
        (
            "a field of another kind",
            |rejection| ([("x-note", "x")], rejection).into_response(),
            &[OWN],
            &[],
        ),
    ];
    for (case, make, challenges, waits) in cases {
        let answer = ask(&scope(make), &world, &Method::GET).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{case}");
        let found: Vec<_> = answer
            .headers
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .collect();
        assert_eq!(found, challenges, "{case}");
        let found: Vec<_> = answer.headers.get_all(header::RETRY_AFTER).iter().collect();
        assert_eq!(found, waits, "{case}");
    }
}

#[tokio::test]
async fn a_requirement_without_an_answer_of_its_own_is_answered_further_out() {
    let world = World::new().await;
    let inside = Router::new()
        .route("/", any(|| async { "reached" }))
        .layer(world.authgear.require(has_role("owner")));
    let layer = || world.authgear.layer().respond_with(ours);
    for (case, app) in [
        ("bare", inside.clone().layer(layer())),
        (
            "compressed",
            inside.clone().layer(CompressionLayer::new()).layer(layer()),
        ),
        (
            "read",
            inside
                .clone()
                .layer(middleware::from_fn(buffered))
                .layer(layer()),
        ),
    ] {
        let answer = ask(&app, &world, &Method::GET).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (StatusCode::FORBIDDEN, OURS),
            "{case}"
        );
        assert_eq!(answer.field("content-encoding"), None, "{case}");
    }
    let hidden = inside
        .layer(middleware::map_response(|mut response: Response| async {
            if response.extensions().get::<AuthRejection>().is_some() {
                *response.status_mut() = StatusCode::NOT_FOUND;
            }
            response
        }))
        .layer(layer());
    let answer = ask(&hidden, &world, &Method::GET).await;
    assert_eq!(
        (answer.status, &*answer.body),
        (StatusCode::NOT_FOUND, JSON)
    );
}

#[tokio::test]
async fn grpc_clients_get_no_field_of_the_old_body() {
    let world = World::new().await;
    let app = |make: Make| {
        refused(make)
            .layer(CompressionLayer::new().compress_when(true_predicate()))
            .layer(world.authgear.layer().grpc())
    };
    let answer = ask_with(
        &app(IntoResponse::into_response),
        &world,
        &Method::POST,
        "application/grpc",
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.field("grpc-status"), Some("7"));
    assert_eq!(answer.field("content-type"), Some("application/grpc"));
    assert_eq!(answer.field("content-encoding"), None);
    assert_eq!(answer.body, "");
    // An answer of the handler's own is that in any language.
    let hidden = app(|rejection| (StatusCode::NOT_FOUND, rejection).into_response());
    let answer = ask_with(&hidden, &world, &Method::POST, "application/grpc").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.field("grpc-status"), None);
    assert_eq!(answer.body, JSON);
}

fn true_predicate() -> impl tower_http::compression::Predicate + Send + Sync + 'static {
    tower_http::compression::predicate::SizeAbove::new(0)
}
