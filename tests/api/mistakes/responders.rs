//! Responders of one's own: what they cannot lose, and how they are tested.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum_authgear::authorize::{all_scopes, has_role};
use axum_authgear::testkit::{FakeAuthgear, User, auth_rejection};
use axum_authgear::{AuthErrorKind, AuthRejection, AuthUser, Authgear, LiveSessions};
use http::{StatusCode, header};

use super::plain;
use crate::support::{ready, send, with_bearer};

/// A body of one's own, and nothing else.
fn body_alone(rejection: &AuthRejection) -> Response<Body> {
    (rejection.status(), format!("no: {}", rejection.code())).into_response()
}

#[tokio::test]
async fn challenge_and_time_to_wait_stay_where_the_status_does() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let builder = Authgear::builder(fake.endpoint())
        .realm("shop")
        .resource_metadata("https://api.example/.well-known/oauth-protected-resource");
    let authgear = ready(builder).await;
    let scope = authgear.require(all_scopes(["read:orders"]).unwrap());
    let routes = || {
        Router::new()
            .route(
                "/me",
                get(|user: AuthUser| async move { user.id().to_owned() }),
            )
            .route("/orders", get(|| async {}).route_layer(scope.clone()))
    };
    let token = fake.token(&alice).sign();
    let app = routes().layer(authgear.layer().respond_with(body_alone));
    for (request, status, wanted) in [
        (
            plain("/me"),
            401,
            "Bearer realm=\"shop\", resource_metadata=",
        ),
        (with_bearer("/me", "x"), 401, "error=\"invalid_token\""),
        (
            with_bearer("/orders", &token),
            403,
            "error=\"insufficient_scope\", scope=\"read:orders\"",
        ),
    ] {
        let answer = send(&app, request).await;
        assert_eq!(answer.status, status);
        assert!(answer.body.starts_with("no: "), "{answer:?}");
        assert!(answer.challenge().unwrap().contains(wanted), "{answer:?}");
        assert_eq!(
            answer
                .headers
                .get_all(header::WWW_AUTHENTICATE)
                .iter()
                .count(),
            1
        );
    }

    // What the closure sets is the closure's.
    let own = |rejection: &AuthRejection| {
        (
            rejection.status(),
            [
                (header::WWW_AUTHENTICATE, "Basic"),
                (header::RETRY_AFTER, "7"),
            ],
        )
            .into_response()
    };
    let app = routes().layer(authgear.layer().respond_with(own));
    let answer = send(&app, plain("/me")).await;
    assert_eq!(
        (
            answer.header("www-authenticate"),
            answer.header("retry-after")
        ),
        ("Basic", "7")
    );

    // Another status is another answer.
    let elsewhere = |_: &AuthRejection| Redirect::to("/login").into_response();
    let app = routes().layer(authgear.layer().respond_with(elsewhere));
    let answer = send(&app, plain("/me")).await;
    assert_eq!(
        (answer.status, answer.challenge()),
        (StatusCode::SEE_OTHER, None)
    );
    let hidden = |_: &AuthRejection| StatusCode::NOT_FOUND.into_response();
    let app = routes().layer(authgear.layer().respond_with(hidden));
    let answer = send(&app, with_bearer("/orders", &token)).await;
    assert_eq!(
        (answer.status, answer.challenge()),
        (StatusCode::NOT_FOUND, None)
    );

    // A refusal without a challenge gets none, here and from a requirement's own responder.
    let role = authgear.require(has_role("admin")).respond_with(body_alone);
    let app = Router::new()
        .route("/admin", get(|| async {}).route_layer(role))
        .layer(authgear.layer());
    let answer = send(&app, with_bearer("/admin", &token)).await;
    assert_eq!(
        (answer.status, answer.challenge()),
        (StatusCode::FORBIDDEN, None)
    );
    assert_eq!(answer.body, "no: forbidden");

    // And 503 says when to come back.
    let young = FakeAuthgear::start().await;
    let user = young.add_user(User::new("young"));
    young.stop();
    let away = Authgear::builder(young.endpoint()).build().unwrap();
    let app = routes().layer(away.layer().respond_with(body_alone));
    let answer = send(&app, with_bearer("/me", &young.token(&user).sign())).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
}

#[test]
fn a_responder_can_be_tried_with_each_kind() {
    assert!(AuthErrorKind::ALL.len() > 40);
    for kind in AuthErrorKind::ALL {
        let rejection = auth_rejection(*kind);
        assert_eq!(rejection.kind(), *kind);
        let status = rejection.status();
        assert_eq!(rejection.retry_after().is_some(), status == 503, "{kind:?}");
        assert_eq!(
            rejection.challenge().is_none(),
            matches!(status.as_u16(), 403 | 500 | 503) && *kind != AuthErrorKind::InsufficientScope,
            "{kind:?}"
        );
        let answer = body_alone(&rejection);
        assert_eq!(answer.status(), status);
        let default = rejection.into_response();
        assert_eq!(default.status(), status);
    }
    let scope = auth_rejection(AuthErrorKind::InsufficientScope);
    assert_eq!(scope.error().required_scope(), Some("example:scope"));
    let age = auth_rejection(AuthErrorKind::AuthenticationTooOld);
    assert_eq!(age.error().max_age(), Some(Duration::from_secs(300)));
}

/// `recheck(…).await?` in a handler: the layer answers with its challenge.
#[tokio::test]
async fn an_error_of_recheck_is_a_refusal() {
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let live = LiveSessions::within(Duration::from_secs(10));
    let builder = Authgear::builder(fake.endpoint())
        .live_sessions(live)
        .realm("shop");
    let authgear = ready(builder).await;
    let bearer = session.token().sign();
    let (handle, store) = (authgear.clone(), fake.clone());
    let handler = move |user: AuthUser| {
        let (handle, store, session) = (handle.clone(), store.clone(), session.clone());
        async move {
            store.end_session(&session);
            handle.invalidate_user(user.id());
            handle.recheck(&user).await?;
            Ok::<_, AuthRejection>("still there")
        }
    };
    let app = Router::new()
        .route("/pay", get(handler))
        .layer(authgear.layer());
    let answer = send(&app, with_bearer("/pay", &bearer)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.kind),
        (401, Some(AuthErrorKind::SessionInvalid))
    );
    assert!(
        answer
            .challenge()
            .unwrap()
            .starts_with("Bearer realm=\"shop\", error="),
        "{answer:?}"
    );
}
