//! Who has called, as a layer outside of the authentication may know it: by the extensions of the
//! response.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_authgear::authorize::has_role;
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthErrorKind, AuthRejection, AuthUser, Authgear, Principal};
use http::StatusCode;

use crate::support::{self, ready};

/// One line for each response.
type Log = Arc<Mutex<Vec<(u16, Option<String>)>>>;

async fn name_caller(caller: Option<Principal>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(caller) = caller {
        response.extensions_mut().insert(caller);
    }
    response
}

async fn by_call(user: AuthUser) -> Result<String, AuthRejection> {
    user.require(has_role("owner"))?;
    Ok("an owner".to_owned())
}

fn app(authgear: &Authgear, log: &Log) -> Router {
    let log = Arc::clone(log);
    let access_log = move |request: Request, next: Next| {
        let log = Arc::clone(&log);
        async move {
            let response = next.run(request).await;
            let caller = response.extensions().get::<Principal>();
            let user = caller.and_then(Principal::user);
            let line = (
                response.status().as_u16(),
                user.map(|user| user.id().to_owned()),
            );
            log.lock().unwrap().push(line);
            response
        }
    };
    Router::new()
        .route("/open", get(|| async { "open" }))
        .route("/call", get(by_call))
        .route(
            "/layer",
            get(|| async {}).route_layer(authgear.require(has_role("owner"))),
        )
        .layer(middleware::from_fn(name_caller))
        .layer(authgear.layer().optional())
        .layer(middleware::from_fn(access_log))
}

#[tokio::test]
async fn the_caller_of_a_refused_request_is_known_too() {
    let fake = FakeAuthgear::start().await;
    let user = fake.add_user(User::new("alice"));
    let token = fake.token(&user).sign();
    let authgear = ready(Authgear::builder(fake.endpoint())).await;
    let log = Log::default();
    let app = app(&authgear, &log);
    for path in ["/open", "/call", "/layer"] {
        support::get(&app, path, &token).await;
    }
    support::get(&app, "/open", "bad").await;
    let nobody = Request::get("/open")
        .body(axum::body::Body::empty())
        .unwrap();
    support::send(&app, nobody).await;

    let alice = || Some(user.id().to_owned());
    let expected = [
        (200, alice()),
        (403, alice()),
        (403, alice()),
        (401, None),
        (200, None),
    ];
    assert_eq!(*log.lock().unwrap(), expected);
}

/// What the refusal itself has in its extensions is not replaced by what is found inside.
#[tokio::test]
async fn what_is_found_inside_does_not_replace_what_the_layer_says() {
    #[derive(Clone, Debug, PartialEq)]
    struct Mark(&'static str);
    #[derive(Clone, Debug, PartialEq)]
    struct Added;

    let fake = FakeAuthgear::start().await;
    let token = fake.token(&fake.add_user(User::new("alice"))).sign();
    let authgear = ready(Authgear::builder(fake.endpoint()).realm("shop")).await;
    let mark = |request: Request, next: Next| async move {
        let mut response = next.run(request).await;
        response.extensions_mut().insert(Mark("inside"));
        response.extensions_mut().insert(Added);
        response
    };
    let refuse = |rejection: &AuthRejection| {
        let mut response = (rejection.status(), "no").into_response();
        response.extensions_mut().insert(Mark("the layer"));
        response
    };
    let app = Router::new()
        .route("/call", get(by_call))
        .layer(middleware::from_fn(mark))
        .layer(authgear.layer().respond_with(refuse));
    let request = support::with_bearer("/call", &token);
    let response = tower::ServiceExt::oneshot(app, request).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let extensions = response.extensions();
    assert_eq!(extensions.get(), Some(&Mark("the layer")));
    assert_eq!(extensions.get(), Some(&Added));
    let rejection = extensions.get::<AuthRejection>().unwrap();
    assert_eq!(rejection.kind(), AuthErrorKind::RoleMissing);
}
