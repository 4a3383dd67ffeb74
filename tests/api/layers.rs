//! Layers around layers, extractors, and responses of one's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get as on_get};
use axum_authgear::AuthErrorKind::{
    ClaimsTypeMismatch, ClientRequired, Expired, KeysUnavailable, MalformedAuthorizationHeader,
    MissingCredential, UserRequired,
};
use axum_authgear::testkit::{Endpoint, FakeAuthgear, User};
use axum_authgear::{
    AuthClient, AuthErrorKind, AuthRejection, AuthUser, Authgear, EmptyRejectionResponse,
    Principal, TokenSource,
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use tower_http::cors::{Any, CorsLayer};

use crate::refusal_table::{assert_passed, assert_refused};
use crate::support::{api, get, optional_api, ready, routes, send, with_bearer};

/// What the handler says, or why it was not reached.
type Wanted = Result<&'static str, AuthErrorKind>;

/// An `Authgear` that counts how often it looks for a credential.
async fn counting(fake: &FakeAuthgear) -> (Authgear, Arc<AtomicUsize>) {
    let looked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&looked);
    let source = TokenSource::new(move |headers| {
        counter.fetch_add(1, Ordering::Relaxed);
        Some(headers.get("x-token")?.to_str().ok()?.to_owned())
    });
    let authgear = ready(Authgear::builder(fake.endpoint()).token_source(source)).await;
    (authgear, looked)
}

fn with_token(path: &str, token: &str) -> Request<Body> {
    Request::get(path)
        .header("x-token", token)
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn two_layers_of_one_authgear_verify_once() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let (authgear, looked) = counting(&fake).await;
    let (stranger, strangers) = counting(&fake).await;
    let token = fake.token(&alice).sign();
    let inside = routes().layer(authgear.layer());
    let app = inside.clone().layer(authgear.clone().layer().optional());

    assert_passed(
        "two",
        &send(&app, with_token("/user", &token)).await,
        alice.id(),
    );
    assert_eq!(looked.swap(0, Ordering::Relaxed), 1);
    let three = app.clone().layer(authgear.layer());
    assert_passed(
        "three",
        &send(&three, with_token("/user", &token)).await,
        alice.id(),
    );
    assert_eq!(looked.swap(0, Ordering::Relaxed), 1);

    // What the outer one lets through without a credential, the inner one refuses.
    let answer = send(&app, Request::get("/optional").body(Body::empty()).unwrap()).await;
    assert_refused("nobody", &answer, MissingCredential);
    assert_eq!(looked.swap(0, Ordering::Relaxed), 1);
    // And a bad one comes no further than the outer one.
    let answer = send(
        &app,
        with_token("/user", &fake.token(&alice).expires_at(1).sign()),
    )
    .await;
    assert_refused("expired", &answer, Expired);
    assert_eq!(looked.swap(0, Ordering::Relaxed), 1);

    // What another `Authgear` has found out is its own business.
    let foreign = inside.layer(stranger.layer().optional());
    assert_passed(
        "another",
        &send(&foreign, with_token("/user", &token)).await,
        alice.id(),
    );
    assert_eq!(looked.swap(0, Ordering::Relaxed), 1);
    assert_eq!(strangers.swap(0, Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_outer_layer_of_another_project_lets_nobody_in() {
    let (ours, theirs) = (FakeAuthgear::start().await, FakeAuthgear::start().await);
    let alice = theirs.add_user(User::new("alice"));
    let token = theirs.token(&alice).sign();
    let own = ready(Authgear::builder(ours.endpoint())).await;
    let other = ready(Authgear::builder(theirs.endpoint())).await;
    let app = routes().layer(own.layer()).layer(other.layer());
    let answer = get(&app, "/user", &token).await;
    assert_refused("good there, not here", &answer, AuthErrorKind::WrongIssuer);
    let app = routes().layer(own.layer().optional()).layer(other.layer());
    let answer = get(&app, "/optional", &token).await;
    assert_refused(
        "nor on an optional route",
        &answer,
        AuthErrorKind::WrongIssuer,
    );
}

/// A preflight carries no credential: it is for a CORS layer outside, and nothing here lets it by.
#[tokio::test]
async fn a_preflight_is_the_business_of_the_cors_layer() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let preflight = || {
        Request::builder()
            .method(Method::OPTIONS)
            .uri("/user")
            .header(header::ORIGIN, "https://app.example")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "DELETE")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization")
            .body(Body::empty())
            .unwrap()
    };
    let cors = CorsLayer::new()
        .allow_origin(["https://app.example".parse().unwrap()])
        .allow_methods(Any)
        .allow_headers([header::AUTHORIZATION]);

    let outside = api(&authgear).layer(cors.clone());
    let answer = send(&outside, preflight()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://app.example"
    );
    // A refusal is then readable for the page that is to be told.
    let mut refused = with_bearer("/user", &fake.token(&alice).expires_at(1).sign());
    let origin = HeaderValue::from_static("https://app.example");
    refused.headers_mut().insert(header::ORIGIN, origin);
    let answer = send(&outside, refused).await;
    assert_eq!(answer.kind, Some(Expired));
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://app.example"
    );

    let inside = routes().layer(cors).layer(authgear.layer());
    for app in [inside, api(&authgear)] {
        assert_refused(
            "a preflight",
            &send(&app, preflight()).await,
            MissingCredential,
        );
    }
}

/// `code` of gRPC for each HTTP status, in a response of headers alone.
#[tokio::test]
async fn grpc_clients_are_told_in_their_own_way() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(
        Authgear::builder(fake.endpoint())
            .claims::<Tenant>()
            .token_cookie("token"),
    )
    .await;
    let down = Authgear::builder("http://127.0.0.1:9").build().unwrap();
    let app = routes().layer(authgear.layer().grpc());
    let plain = routes().layer(authgear.layer());
    let with_content_type = |request: Request<Body>, content_type: &'static str| {
        let mut request = request;
        let value = HeaderValue::from_static(content_type);
        request.headers_mut().insert(header::CONTENT_TYPE, value);
        request
    };
    let nothing = || Request::get("/any").body(Body::empty()).unwrap();
    let malformed = || {
        Request::get("/any")
            .header(header::AUTHORIZATION, "Bearer")
            .body(Body::empty())
            .unwrap()
    };
    let cross_site = || {
        Request::post("/any")
            .header(header::COOKIE, "token=x")
            .header("sec-fetch-site", "cross-site")
            .body(Body::empty())
            .unwrap()
    };
    let machine = fake.client_token("worker", fake.endpoint()).sign();
    let expired = fake.token(&alice).expires_at(1).sign();
    let tenant = fake.token(&alice).claim("tenant", "acme").sign();
    // Extractors of `/user` and the others ask for no custom claims: that is the wiring error here.
    let cases: [(Request<Body>, AuthErrorKind, &str, u16); 6] = [
        (nothing(), MissingCredential, "16", 401),
        (with_bearer("/any", &expired), Expired, "16", 401),
        (malformed(), MalformedAuthorizationHeader, "3", 400),
        (cross_site(), AuthErrorKind::CrossOriginRequest, "7", 403),
        (
            with_bearer("/user", &machine),
            ClaimsTypeMismatch,
            "13",
            500,
        ),
        (with_bearer("/client", &tenant), ClientRequired, "7", 403),
    ];
    for (request, kind, code, status) in cases {
        let (parts, _) = request.into_parts();
        let request = || Request::from_parts(parts.clone(), Body::empty());
        for content_type in [
            "application/grpc",
            "application/grpc+proto",
            "APPLICATION/GRPC;x=y",
        ] {
            let answer = send(&app, with_content_type(request(), content_type)).await;
            assert_eq!(answer.status, StatusCode::OK, "{kind:?}");
            assert_eq!(answer.kind, Some(kind));
            assert_eq!(answer.header("grpc-status"), code, "{kind:?}");
            assert_eq!(answer.header("grpc-message"), kind.description());
            assert_eq!(answer.header("content-type"), "application/grpc");
            assert_eq!(answer.challenge(), None);
            assert_eq!(answer.body, "");

            // Without `.grpc()` a client's content type must not turn a refusal into a 200.
            let answer = send(&plain, with_content_type(request(), content_type)).await;
            assert_eq!(answer.status, status, "{kind:?}");
            assert!(!answer.headers.contains_key("grpc-status"));
            assert_refused("plain", &answer, kind);
        }
        for content_type in ["application/json", "application/grp", "x-application/grpc"] {
            let answer = send(&app, with_content_type(request(), content_type)).await;
            assert_refused(content_type, &answer, kind);
        }
        assert_refused("no content type", &send(&app, request()).await, kind);
    }

    let app = routes().layer(down.layer().grpc());
    let request = with_bearer(
        "/any",
        &fake
            .token(&alice)
            .claim("iss", "http://127.0.0.1:9")
            .claim("aud", "http://127.0.0.1:9")
            .sign(),
    );
    let answer = send(&app, with_content_type(request, "application/grpc")).await;
    assert_eq!(
        (answer.status, answer.kind),
        (StatusCode::OK, Some(KeysUnavailable))
    );
    assert_eq!(answer.header("grpc-status"), "14");
    assert_eq!(answer.body, "");
}

#[derive(Clone, Debug, Deserialize)]
struct Tenant {
    tenant: String,
    #[serde(default)]
    seats: Option<u32>,
}

#[tokio::test]
async fn custom_claims_have_the_type_that_the_builder_names() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint()).claims::<Tenant>()).await;
    let app = Router::new()
        .route(
            "/tenant",
            on_get(|user: AuthUser<Tenant>| async move {
                format!("{} {:?}", user.claims().tenant, user.claims().seats)
            }),
        )
        .route(
            "/optional",
            on_get(|user: Option<AuthUser<Tenant>>| async move {
                user.map_or("nobody".to_owned(), |user| user.claims().tenant.clone())
            }),
        )
        .route(
            "/principal",
            on_get(|principal: Principal<Tenant>| async move {
                principal
                    .user()
                    .map_or("machine".to_owned(), |user| user.claims().tenant.clone())
            }),
        )
        .route(
            "/client",
            on_get(|client: AuthClient| async move { client.client_id().to_owned() }),
        )
        .layer(authgear.layer().optional());
    let token = || fake.token(&alice);
    let full = token().claim("tenant", "acme").claim("seats", 3).sign();
    assert_passed("both", &get(&app, "/tenant", &full).await, "acme Some(3)");
    assert_passed("both", &get(&app, "/optional", &full).await, "acme");
    assert_passed("both", &get(&app, "/principal", &full).await, "acme");
    let one = token().claim("tenant", "a\"\u{e9}\\").sign();
    assert_passed("one", &get(&app, "/tenant", &one).await, "a\"\u{e9}\\ None");
    for (name, bad) in [
        ("none", token().sign()),
        ("of another type", token().claim("tenant", 1).sign()),
        (
            "null",
            token().claim("tenant", serde_json::Value::Null).sign(),
        ),
        (
            "one too large",
            token().claim("tenant", "x").claim("seats", -1).sign(),
        ),
    ] {
        for path in ["/tenant", "/optional", "/principal", "/client"] {
            let answer = get(&app, path, &bad).await;
            assert_refused(name, &answer, AuthErrorKind::MalformedCustomClaims);
        }
    }
    // A machine has none, and needs none.
    let machine = fake.client_token("worker", fake.endpoint()).sign();
    assert_passed("a machine", &get(&app, "/client", &machine).await, "worker");
    assert_passed(
        "a machine",
        &get(&app, "/principal", &machine).await,
        "machine",
    );
    assert_refused(
        "a machine",
        &get(&app, "/tenant", &machine).await,
        UserRequired,
    );
}

/// Every extractor, asked for or only wished for, and everyone who may call.
#[tokio::test]
async fn extractors_tell_users_machines_and_nobody_apart() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice").with_id("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let app = Router::new()
        .route(
            "/user",
            any(|user: AuthUser| async move { user.id().to_owned() }),
        )
        .route(
            "/maybe-user",
            any(|user: Option<AuthUser>| async move {
                user.map_or("nobody".to_owned(), |user| user.id().to_owned())
            }),
        )
        .route(
            "/client",
            any(|client: AuthClient| async move { client.client_id().to_owned() }),
        )
        .route(
            "/maybe-client",
            any(|client: Option<AuthClient>| async move {
                client.map_or("nobody".to_owned(), |client| client.client_id().to_owned())
            }),
        )
        .route(
            "/principal",
            any(|principal: Principal| async move { kind_of(&principal) }),
        )
        .route(
            "/maybe-principal",
            any(|principal: Option<Principal>| async move {
                principal.map_or("nobody", |principal| kind_of(&principal))
            }),
        )
        .route(
            "/both",
            any(
                |client: Result<AuthClient, AuthRejection>, user: AuthUser| async move {
                    format!("{} {:?}", user.id(), client.unwrap_err().kind())
                },
            ),
        );
    let app = app.layer(authgear.layer().optional());
    let user = fake.token(&alice).sign();
    let machine = fake.client_token("worker", fake.endpoint()).sign();
    let table: [(&str, Wanted, Wanted, Wanted); 7] = [
        (
            "/user",
            Err(MissingCredential),
            Ok("alice"),
            Err(UserRequired),
        ),
        ("/maybe-user", Ok("nobody"), Ok("alice"), Err(UserRequired)),
        (
            "/client",
            Err(MissingCredential),
            Err(ClientRequired),
            Ok("worker"),
        ),
        (
            "/maybe-client",
            Ok("nobody"),
            Err(ClientRequired),
            Ok("worker"),
        ),
        (
            "/principal",
            Err(MissingCredential),
            Ok("user"),
            Ok("machine"),
        ),
        ("/maybe-principal", Ok("nobody"), Ok("user"), Ok("machine")),
        (
            "/both",
            Err(MissingCredential),
            Ok("alice ClientRequired"),
            Err(UserRequired),
        ),
    ];
    for (path, nobody, by_user, by_machine) in table {
        let without = Request::get(path).body(Body::empty()).unwrap();
        for (request, wanted) in [
            (without, nobody),
            (with_bearer(path, &user), by_user),
            (with_bearer(path, &machine), by_machine),
        ] {
            let answer = send(&app, request).await;
            match wanted {
                Ok(body) => assert_passed(path, &answer, body),
                Err(kind) => assert_refused(path, &answer, kind),
            }
        }
    }
}

fn kind_of(principal: &Principal) -> &'static str {
    match principal {
        Principal::User(_) => "user",
        Principal::Client(_) => "machine",
    }
}

#[tokio::test]
async fn responses_of_ones_own_are_made_for_layers_and_extractors_alike() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let respond = move |rejection: &AuthRejection| -> Response {
        counter.fetch_add(1, Ordering::Relaxed);
        match rejection.kind() {
            MissingCredential => Redirect::to("/login").into_response(),
            kind => (rejection.status(), format!("{} {kind:?}", rejection.code())).into_response(),
        }
    };
    // A layer between the handler and ours, which marks every response.
    let mark = |request: Request, next: Next| async move {
        let mut response = next.run(request).await;
        let name = HeaderName::from_static("x-inner");
        response
            .headers_mut()
            .append(name.clone(), HeaderValue::from_static("one"));
        response
            .headers_mut()
            .append(name, HeaderValue::from_static("two"));
        response
    };
    let inner = routes().layer(middleware::from_fn(mark));
    let app = inner
        .clone()
        .layer(authgear.layer().optional().respond_with(respond.clone()));
    let required = inner.layer(authgear.layer().respond_with(respond));
    let nothing = || Request::get("/user").body(Body::empty()).unwrap();

    // By the layer: the handler and what is around it were not reached.
    let answer = send(&required, nothing()).await;
    assert_eq!(
        (answer.status, answer.kind),
        (StatusCode::SEE_OTHER, Some(MissingCredential))
    );
    assert_eq!(answer.header("location"), "/login");
    assert!(!answer.headers.contains_key("x-inner"));
    assert_eq!(made.swap(0, Ordering::Relaxed), 1);

    // By the extractor: made anew, and what was added to its response stays.
    let answer = send(&app, nothing()).await;
    assert_eq!(
        (answer.status, answer.kind),
        (StatusCode::SEE_OTHER, Some(MissingCredential))
    );
    assert_eq!(answer.header("location"), "/login");
    assert_eq!(answer.challenge(), None);
    let marks: Vec<_> = answer.headers.get_all("x-inner").iter().collect();
    assert_eq!(marks, ["one", "two"]);
    assert_eq!(answer.body, "");
    assert_eq!(made.swap(0, Ordering::Relaxed), 1);

    let machine = fake.client_token("worker", fake.endpoint()).sign();
    let answer = get(&app, "/user", &machine).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::FORBIDDEN, "forbidden UserRequired")
    );
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    let answer = get(&app, "/client", &fake.token(&alice).sign()).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::FORBIDDEN, "forbidden ClientRequired")
    );
    assert_eq!(made.swap(0, Ordering::Relaxed), 2);

    // What is no refusal passes untouched.
    assert_passed(
        "a good token",
        &get(&app, "/user", &fake.token(&alice).sign()).await,
        alice.id(),
    );
    assert_eq!(made.swap(0, Ordering::Relaxed), 0);

    // Of two layers the inner one has the say about what is refused inside.
    let two = routes()
        .layer(
            authgear
                .layer()
                .optional()
                .respond_with(EmptyRejectionResponse),
        )
        .layer(authgear.layer().optional());
    let answer = get(&two, "/user", &machine).await;
    assert_eq!(
        (answer.status, answer.kind),
        (StatusCode::FORBIDDEN, Some(UserRequired))
    );
    assert_eq!(answer.body, "");
}

#[tokio::test]
async fn a_status_without_a_body_keeps_its_headers() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let app = routes().layer(authgear.layer().respond_with(EmptyRejectionResponse));
    let answer = get(&app, "/user", &fake.token(&alice).expires_at(1).sign()).await;
    assert_eq!(
        (answer.status, answer.kind),
        (StatusCode::UNAUTHORIZED, Some(Expired))
    );
    assert_eq!(
        answer.challenge(),
        Some(r#"Bearer error="invalid_token", error_description="the access token has expired""#)
    );
    assert_eq!(answer.body, "");
    assert!(!answer.headers.contains_key(header::CONTENT_TYPE));
}

/// `layer` also stands before what no route matches, `route_layer` only before routes.
#[tokio::test]
async fn what_no_route_matches() {
    let fake = FakeAuthgear::start().await;
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let nowhere = || Request::get("/nowhere").body(Body::empty()).unwrap();
    let answer = send(&routes().layer(authgear.layer()), nowhere()).await;
    assert_refused("layer", &answer, MissingCredential);
    let answer = send(&routes().route_layer(authgear.layer()), nowhere()).await;
    assert_eq!((answer.status, answer.kind), (StatusCode::NOT_FOUND, None));
    let answer = send(&optional_api(&authgear), nowhere()).await;
    assert_eq!((answer.status, answer.kind), (StatusCode::NOT_FOUND, None));
}

/// A warm key costs no request, however often it is used.
#[tokio::test]
async fn nothing_is_asked_for_while_keys_are_known() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let app = api(&authgear);
    for _ in 0..50 {
        get(&app, "/user", &fake.token(&alice).sign()).await;
    }
    assert_eq!(fake.requests(Endpoint::Jwks), 1);
    assert_eq!(fake.requests(Endpoint::Discovery), 1);
}
