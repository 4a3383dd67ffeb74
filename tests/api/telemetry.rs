//! What spans and events say, and what they do not.

use axum::Router;
use axum::routing::get;
use axum_authgear::authorize::has_role;
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthUser, Authgear, AuthgearBuilder};
use http::StatusCode;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::support::{Log, get as get_with, ready, second_dispatcher, send, with_bearer};

/// All that is logged, at every level, of one request of each sort. Then what must not be in it.
async fn logged(change: impl FnOnce(AuthgearBuilder) -> AuthgearBuilder) -> (String, Vec<String>) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _second = second_dispatcher();
    // The runtime of a test has this one thread.
    let _guard = tracing::subscriber::set_default(subscriber);

    let fake = FakeAuthgear::start().await;
    let alice = User::new("alice")
        .with_id("alice-in-the-log")
        .roles(["secret-role"]);
    let alice = fake.add_user(alice);
    let authgear = ready(change(Authgear::builder(fake.endpoint()))).await;
    let api = Router::new()
        .route(
            "/",
            get(|user: AuthUser| async move { user.id().to_owned() }),
        )
        .route(
            "/admin",
            get(|| async {}).route_layer(authgear.require(has_role("admin"))),
        )
        .route(
            "/hidden",
            get(|user: AuthUser| async move {
                let hidden = |rejection| (StatusCode::NOT_FOUND, rejection);
                user.require(has_role("owner")).map_err(hidden)
            }),
        )
        .layer(authgear.layer().optional());

    let token = fake.token(&alice).sign();
    let expired = fake.token(&alice).expires_at(1_000_000_000).sign();
    assert_eq!(get_with(&api, "/", &token).await.status, 200);
    assert_eq!(get_with(&api, "/admin", &token).await.status, 403);
    assert_eq!(get_with(&api, "/hidden", &token).await.status, 404);
    assert_eq!(get_with(&api, "/", &expired).await.status, 401);
    let mut bare = with_bearer("/", "");
    bare.headers_mut().clear();
    assert_eq!(send(&api, bare).await.status, 401);
    // One that waits for a key.
    let _ = fake.rotate();
    let renewed = fake.token(&alice).sign();
    assert_eq!(get_with(&api, "/", &renewed).await.status, 200);

    let parts = [token, expired, renewed]
        .iter()
        .flat_map(|token| {
            token
                .split('.')
                .skip(1)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .chain(["secret-role".to_owned(), fake.signing_kid()])
        .collect();
    (log.text(), parts)
}

#[tokio::test]
async fn outcome_kind_and_method_and_nothing_of_the_credential() {
    let (log, secrets) = logged(|builder| builder).await;
    for line in [
        r#"authenticate{outcome="user" method="jwt"}"#,
        r#"authenticate{outcome="refused" kind="expired"}"#,
        r#"authenticate{outcome="nobody"}"#,
        r#"request refused kind="role_missing""#,
        r#"request refused kind="expired""#,
        r#"request refused kind="missing_credential""#,
    ] {
        let mut fields = line
            .split(['{', ' ', '}'])
            .filter(|field| !field.is_empty());
        let first = fields.next().unwrap();
        let rest: Vec<_> = fields.collect();
        assert!(
            log.lines()
                .any(|own| own.contains(first) && rest.iter().all(|field| own.contains(field))),
            "{line} is missing in\n{log}"
        );
    }
    // Once each, also where the handler made the answer its own.
    let refused = log
        .matches(r#"request refused kind="role_missing""#)
        .count();
    assert_eq!(refused, 2, "{log}");
    for secret in secrets
        .iter()
        .map(String::as_str)
        .chain(["alice-in-the-log"])
    {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
}

#[tokio::test]
async fn the_user_id_where_it_is_asked_for() {
    let (log, secrets) = logged(AuthgearBuilder::trace_user_ids).await;
    assert!(log.contains(r#"user_id="alice-in-the-log""#), "{log}");
    for secret in &secrets {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
}
