//! The layers in stacks of tower, with and without axum.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::routing::get;
use axum::{BoxError, Router};
use axum_authgear::authorize::{self, AuthorizeLayer, HasRole, HasScope, Requirement, has_role};
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{
    AuthErrorKind, AuthRejection, AuthUser, Authenticate, AuthenticateLayer, Authgear, Principal,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{Empty, Full};
use tower::limit::ConcurrencyLimit;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{ready, send, with_bearer};

fn is_shareable<T: Send + Sync + Clone + 'static>() {}
fn is_sendable<T: Send>(_: &T) {}

#[test]
fn what_is_public_can_be_shared() {
    is_shareable::<Authgear>();
    is_shareable::<AuthenticateLayer>();
    is_shareable::<AuthorizeLayer>();
    is_shareable::<Authenticate<Router>>();
    is_shareable::<authorize::Authorize<Router>>();
    is_shareable::<Requirement>();
    is_shareable::<AuthUser>();
    is_shareable::<Principal>();
    is_shareable::<HasRole<()>>();
    is_shareable::<HasScope<()>>();
    is_shareable::<AuthRejection>();
}

async fn hello(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    drop(request);
    Ok(Response::new(Full::from("hello")))
}

fn bare(token: &str) -> Request<Full<Bytes>> {
    Request::get("/")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Full::default())
        .unwrap()
}

struct World {
    fake: FakeAuthgear,
    authgear: Authgear,
    admin: User,
    user: User,
}

async fn world() -> World {
    let fake = FakeAuthgear::start().await;
    let admin = fake.add_user(User::new("admin").roles(["admin"]));
    let user = fake.add_user(User::new("user"));
    let authgear =
        ready(Authgear::builder(fake.endpoint()).jwks_cooldown(Duration::from_millis(50))).await;
    World {
        fake,
        authgear,
        admin,
        user,
    }
}

/// A stack without axum, whose innermost service may only be called when it has said that it is
/// ready: `ConcurrencyLimit` panics otherwise.
#[tokio::test]
async fn the_service_that_was_ready_is_the_one_that_is_called() {
    let world = world().await;
    let mut stack = ServiceBuilder::new()
        .layer(world.authgear.layer())
        .layer(world.authgear.require(has_role("admin")))
        .concurrency_limit(1)
        .service(service_fn(hello));
    for _ in 0..3 {
        // A new key: the request waits for it, and the service is held meanwhile.
        let _ = world.fake.rotate();
        let token = world.fake.token(&world.admin).sign();
        let future = stack.ready().await.unwrap().call(bare(&token));
        is_sendable(&future);
        assert_eq!(future.await.unwrap().status(), StatusCode::OK);

        let token = world.fake.token(&world.user).sign();
        let response = stack
            .ready()
            .await
            .unwrap()
            .call(bare(&token))
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
}

/// The error of the service is left alone, whatever it is.
#[tokio::test]
async fn errors_of_the_service_stay_what_they_are() {
    #[derive(Debug, PartialEq)]
    struct Broken;

    let world = world().await;
    let mut stack = ServiceBuilder::new()
        .layer(world.authgear.layer())
        .layer(world.authgear.require(has_role("admin")))
        .service(service_fn(|_: Request<Full<Bytes>>| async {
            Err::<Response<Full<Bytes>>, _>(Broken)
        }));
    let token = world.fake.token(&world.admin).sign();
    let outcome = stack.ready().await.unwrap().call(bare(&token)).await;
    assert_eq!(outcome.unwrap_err(), Broken);
}

/// A response body that cannot be made of bytes.
#[tokio::test]
async fn a_body_that_is_only_default_takes_a_response_of_its_own() {
    let world = world().await;
    let empty = |rejection: &AuthRejection| {
        let mut response = Response::new(Empty::<Bytes>::new());
        *response.status_mut() = rejection.status();
        response
    };
    let mut stack = ServiceBuilder::new()
        .layer(world.authgear.layer().respond_with(empty))
        .layer(
            world
                .authgear
                .require(has_role("admin"))
                .respond_with(empty),
        )
        .service(service_fn(|_: Request<Full<Bytes>>| async {
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }));
    let token = world.fake.token(&world.user).sign();
    let response = stack
        .ready()
        .await
        .unwrap()
        .call(bare(&token))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let rejection = response.extensions().get::<AuthRejection>().unwrap();
    assert_eq!(rejection.kind(), AuthErrorKind::RoleMissing);
}

/// Everything at once, on a router.
#[tokio::test]
async fn a_deep_stack_on_a_router() {
    let world = world().await;
    let router = Router::new()
        .route(
            "/",
            get(|user: AuthUser| async move { user.id().to_owned() }),
        )
        .layer(
            ServiceBuilder::new()
                .layer(axum::error_handling::HandleErrorLayer::new(
                    |error: BoxError| async move {
                        (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
                    },
                ))
                .load_shed()
                .concurrency_limit(4)
                .timeout(Duration::from_secs(10))
                .layer(world.authgear.layer())
                .layer(world.authgear.require(has_role("admin"))),
        );
    let token = world.fake.token(&world.admin).sign();
    let answer = send(&router, with_bearer("/", &token)).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, world.admin.id())
    );
    let token = world.fake.token(&world.user).sign();
    let answer = send(&router, with_bearer("/", &token)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.kind, Some(AuthErrorKind::RoleMissing));
}

/// Behind a buffer, from many tasks at once, with room for two.
#[tokio::test]
async fn a_buffer_shares_one_stack_between_tasks() {
    let world = world().await;
    let limited: ConcurrencyLimit<_> =
        ServiceBuilder::new()
            .concurrency_limit(2)
            .service(service_fn(|_: Request<Body>| async {
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(Response::new(Body::from("hello")))
            }));
    let stack = ServiceBuilder::new()
        .buffer(8)
        .layer(world.authgear.layer())
        .layer(world.authgear.require(has_role("admin")))
        .service(limited);
    let calls = (0..16).map(|index| {
        let token = if index % 2 == 0 {
            &world.admin
        } else {
            &world.user
        };
        let request = with_bearer("/", &world.fake.token(token).sign());
        tokio::spawn(stack.clone().oneshot(request))
    });
    let calls: Vec<_> = calls.collect();
    for (index, call) in calls.into_iter().enumerate() {
        let expected = if index % 2 == 0 {
            StatusCode::OK
        } else {
            StatusCode::FORBIDDEN
        };
        assert_eq!(call.await.unwrap().unwrap().status(), expected);
    }
}
