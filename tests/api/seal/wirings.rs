//! Twelve ways to leave a route open, and the right way beside each.

use std::convert::Infallible;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::ws::WebSocketUpgrade;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum_authgear::{AuthUser, Authgear};
use http::{Method, header};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tower::{ServiceBuilder, service_fn};
use tower_http::services::ServeDir;

use super::{SECRET, World, is_caught, open};
use crate::support::{Log, send};

/// A handler that looks at nobody.
async fn secret() -> impl IntoResponse {
    ([("x-secret", SECRET)], SECRET)
}

async fn me(user: AuthUser) -> String {
    user.id().to_owned()
}

fn api() -> Router {
    Router::new().route("/me", get(me))
}

/// An application that is built with an `Authgear`, in a program that has another one, too.
type App = fn(ours: &Authgear, other: &Authgear) -> Router;

struct Wiring {
    name: &'static str,
    request: (&'static str, &'static str),
    /// What the log calls it.
    route: &'static str,
    wrong: App,
    right: App,
}

#[rustfmt::skip]
fn wirings() -> Vec<Wiring> {
    vec![
        Wiring {
            name: "a method that is added after route_layer",
            request: ("POST", "/x"), route: "/x",
            wrong: |ours, _| Router::new().route("/x", get(me).route_layer(ours.layer()).post(secret)),
            right: |ours, _| Router::new().route("/x", get(me).post(secret).route_layer(ours.layer())),
        },
        Wiring {
            name: "a route that is added after the layer",
            request: ("GET", "/users/7"), route: "/users/{id}",
            wrong: |ours, _| api().layer(ours.layer()).route("/users/{id}", get(secret)),
            right: |ours, _| api().route("/users/{id}", get(secret)).layer(ours.layer()),
        },
        Wiring {
            name: "a fallback",
            request: ("GET", "/anything"), route: "no matched path",
            wrong: |ours, _| api().route_layer(ours.layer()).fallback(secret),
            right: |ours, _| api().fallback(secret).layer(ours.layer()),
        },
        Wiring {
            name: "a nested router",
            request: ("GET", "/admin/x"), route: "/admin/x",
            wrong: |ours, _| api().layer(ours.layer()).nest("/admin", Router::new().route("/x", get(secret))),
            right: |ours, _| api().nest("/admin", Router::new().route("/x", get(secret))).layer(ours.layer()),
        },
        Wiring {
            name: "a merged router",
            request: ("GET", "/x"), route: "/x",
            wrong: |ours, _| api().layer(ours.layer()).merge(Router::new().route("/x", get(secret))),
            right: |ours, _| api().merge(Router::new().route("/x", get(secret))).layer(ours.layer()),
        },
        Wiring {
            name: "the fallback of a method router",
            request: ("DELETE", "/x"), route: "/x",
            wrong: |ours, _| Router::new().route("/x", get(me).route_layer(ours.layer()).fallback(secret)),
            right: |ours, _| Router::new().route("/x", get(me).fallback(secret).layer(ours.layer())),
        },
        Wiring {
            name: "a static file service",
            request: ("GET", "/files/secret.txt"), route: "no matched path",
            wrong: |ours, _| api().layer(ours.layer()).nest_service("/files", files()),
            right: |ours, _| api().nest_service("/files", files()).layer(ours.layer()),
        },
        Wiring {
            name: "a WebSocket",
            request: ("GET", "/socket"), route: "/socket",
            wrong: |ours, _| api().layer(ours.layer()).route("/socket", any(socket)),
            right: |ours, _| api().route("/socket", any(socket)).layer(ours.layer()),
        },
        Wiring {
            name: "the layer of another Authgear",
            request: ("GET", "/x"), route: "/x",
            wrong: |ours, other| api().layer(ours.layer())
                .merge(Router::new().route("/x", get(secret)).layer(other.layer().optional())),
            right: |ours, other| api().layer(ours.layer())
                .merge(Router::new().route("/x", get(secret)).layer(ours.layer()).layer(other.layer().optional())),
        },
        Wiring {
            name: "an optional layer, and a handler that takes no user",
            request: ("GET", "/x"), route: "/x",
            wrong: |ours, _| api().route("/x", get(secret)).layer(ours.layer().optional()),
            right: |ours, _| api().route("/x", get(secret).layer(ours.layer())).layer(ours.layer().optional()),
        },
        Wiring {
            name: "a middleware that answers before it calls the next one",
            request: ("GET", "/me"), route: "/me",
            wrong: |ours, _| api().layer(ours.layer()).layer(middleware::from_fn(from_cache)),
            right: |ours, _| api().layer(middleware::from_fn(from_cache)).layer(ours.layer()),
        },
        Wiring {
            name: "an inner ServiceBuilder that short-circuits",
            request: ("GET", "/x"), route: "/x",
            wrong: |ours, _| api().layer(ours.layer()).route_service("/x", ServiceBuilder::new()
                .layer(middleware::from_fn(from_cache)).layer(ours.layer()).service(reports())),
            right: |ours, _| api().layer(ours.layer()).route_service("/x", ServiceBuilder::new()
                .layer(ours.layer()).layer(middleware::from_fn(from_cache)).service(reports())),
        },
    ]
}

fn files() -> ServeDir {
    ServeDir::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("api/seal/files"))
}

async fn socket(upgrade: WebSocketUpgrade) -> Response {
    let mut response = upgrade.on_upgrade(async |_| {});
    let value = SECRET.parse().unwrap();
    response.headers_mut().insert("x-secret", value);
    response
}

async fn from_cache(request: Request, next: Next) -> Response {
    match request.headers().get("x-never") {
        Some(_) => next.run(request).await,
        None => secret().await.into_response(),
    }
}

fn reports() -> impl tower::Service<Request, Response = Response, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    service_fn(async |_: Request| Ok(secret().await.into_response()))
}

/// The head of the answer to a handshake as a browser sends it, over a connection that can be upgraded.
async fn handshake(app: Router, path: &str, token: Option<&str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(axum::serve(listener, app).into_future());
    let mut stream = TcpStream::connect(address).await.unwrap();
    let authorization = token.map_or(String::new(), |token| {
        format!("authorization: Bearer {token}\r\n")
    });
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: api.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{authorization}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut head = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.is_empty() {
            break;
        }
        head = head + &line + "\n";
    }
    serving.abort();
    head
}

fn request(method: &str, path: &str, token: Option<&str>) -> Request {
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn twelve_wrong_wirings_of_twelve_are_caught() {
    let world = World::new().await;
    let (ours, other) = (&world.authgear, world.another().await);
    let (mut caught, mut named) = (0, 0);
    let (log, _guard) = Log::of_this_thread(tracing::Level::ERROR);
    for wiring in wirings() {
        let Wiring {
            name,
            request: (method, path),
            ..
        } = wiring;
        let is_socket = path == "/socket";
        let bare = (wiring.wrong)(ours, &other);

        // It does leak.
        let leak = if is_socket {
            handshake(bare.clone(), path, None).await
        } else {
            format!("{:?}", send(&bare, request(method, path, None)).await)
        };
        assert!(leak.contains(SECRET), "{name}: {leak}");

        // The seal.
        let before = log.text().len();
        let sealed = bare.clone().layer(ours.seal());
        // Also for those who are signed in: a developer sees it at the first try.
        for token in [None, Some(world.token.as_str())] {
            if is_socket {
                let head = handshake(sealed.clone(), path, token).await;
                assert!(head.starts_with("HTTP/1.1 500 "), "{name}: {head}");
                assert!(!head.contains(SECRET), "{name}: {head}");
            } else {
                let answer = send(&sealed, request(method, path, token)).await;
                assert!(is_caught(&answer), "{name}: {answer:?}");
            }
        }
        caught += 1;
        let text = log.text();
        let lines: Vec<_> = text[before..].lines().collect();
        assert_eq!(lines.len(), 1, "{name}: {lines:?}");
        assert!(
            lines[0].contains("ERROR") && lines[0].contains(wiring.route),
            "{lines:?}"
        );

        // The walk, with and without the seal. What answers from a cache has an answer for each.
        let route = (method, path);
        for app in [&bare, &sealed] {
            let open = open(app, &[route, ("GET", "/me")]).await;
            let expected = [format!("{method} {path}")];
            assert_eq!(open.first(), expected.first(), "{name}: {open:?}");
        }
        named += 1;

        // The right way.
        let right = (wiring.right)(ours, &other);
        let sealed = right.clone().layer(ours.seal());
        let open = open(&sealed, &[route, ("GET", "/me")]).await;
        assert!(open.is_empty(), "{name}: {open:?}");
        let before = log.text().len();
        if is_socket {
            let head = handshake(sealed.clone(), path, None).await;
            assert!(head.starts_with("HTTP/1.1 401 "), "{name}: {head}");
            let head = handshake(sealed, path, Some(&world.token)).await;
            assert!(head.starts_with("HTTP/1.1 101 "), "{name}: {head}");
        } else {
            let answer = send(&sealed, request(method, path, None)).await;
            assert_eq!(answer.status, 401, "{name}: {answer:?}");
            let answer = send(&sealed, request(method, path, Some(&world.token))).await;
            assert_eq!(answer.status, 200, "{name}: {answer:?}");
        }
        assert_eq!(log.text().len(), before, "{name}");
    }
    assert_eq!((caught, named), (12, 12));
}

/// A seal sees what is inside of it; the walk sees everything.
#[tokio::test]
async fn a_route_that_is_added_after_the_seal_is_named_by_the_walk() {
    let world = World::new().await;
    let ours = &world.authgear;
    let inside = api().layer(ours.layer());
    let app = inside
        .clone()
        .layer(ours.seal())
        .route("/late", get(secret));
    let routes = [("GET", "/me"), ("GET", "/late")];
    assert_eq!(open(&app, &routes).await, ["GET /late"]);
    let app = inside.route("/late", get(secret)).layer(ours.seal());
    assert!(is_caught(&super::anybody(&app, "GET", "/late").await));
    // Around the whole router, as a service, it covers later routes as well.
    let around = ServiceBuilder::new().layer(ours.seal()).service(app);
    let app = Router::new().fallback_service(around);
    assert!(is_caught(&super::anybody(&app, "GET", "/late").await));
}
