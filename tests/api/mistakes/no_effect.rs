//! Calls that do nothing in the mode that was chosen say so, once.

use std::time::Duration;

use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{Authgear, AuthgearBuilder, GatewayProof, LiveSessions, SessionResolver};

use super::process::alone;
use super::{assert_calm, assert_names, lines, listen};
use crate::support::ready;

fn behind_gateway(builder: AuthgearBuilder) -> AuthgearBuilder {
    builder
        .dangerous()
        .gateway(GatewayProof::secret("0123456789abcdef0123456789abcdef"))
}

#[tokio::test]
async fn where_a_token_is_verified_everything_counts() {
    let (log, _listening) = listen();
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let live = LiveSessions::within(Duration::from_secs(10));
    let authgear = ready(Authgear::builder(fake.endpoint()).live_sessions(live)).await;
    let user = authgear
        .verify(&fake.sign_in(&alice).token().sign())
        .await
        .unwrap();
    authgear.revoke_token(&user);
    authgear.revoke_user(alice.id()).unwrap();
    authgear.invalidate_user(alice.id());
    let _: axum::routing::MethodRouter = authgear.webhooks(["secret"]).unwrap();
    assert_calm(&lines(&log).0);
}

#[tokio::test]
async fn with_the_resolver_alone() {
    if !alone("mistakes::no_effect::with_the_resolver_alone") {
        return;
    }
    let (log, _listening) = listen();
    let fake = FakeAuthgear::start().await;
    let alice = fake.add_user(User::new("alice"));
    let session = fake.sign_in(&alice);
    let builder = Authgear::builder(fake.endpoint()).session_resolver(SessionResolver::new());
    let authgear = ready(builder).await;
    let user = authgear.verify(&session.opaque_token()).await.unwrap();
    // An event makes the resolver be asked again.
    authgear.invalidate_user(alice.id());
    let _: axum::routing::MethodRouter = authgear.webhooks(["secret"]).unwrap();
    assert_calm(&lines(&log).0);
    for _ in 0..3 {
        authgear.revoke_user(alice.id()).unwrap();
        authgear.revoke_token(&user);
    }
    let (default_log, _) = lines(&log);
    assert_names(
        &default_log,
        &[" WARN ", "`revoke_user`", "disable the user in Authgear"],
    );
    assert_names(
        &default_log,
        &[" WARN ", "`revoke_token`", "end the session at Authgear"],
    );
    let loud = default_log.iter().filter(|line| line.contains(" WARN "));
    assert_eq!(loud.count(), 2);
    assert!(!log.text().contains(alice.id()));
}

#[tokio::test]
async fn behind_a_gateway() {
    if !alone("mistakes::no_effect::behind_a_gateway") {
        return;
    }
    let (log, _listening) = listen();
    let authgear = behind_gateway(Authgear::builder("https://auth.example"))
        .build()
        .unwrap();
    assert_calm(&lines(&log).0);
    authgear.revoke_user("alice").unwrap();
    authgear.invalidate_user("alice");
    let _: axum::routing::MethodRouter = authgear.webhooks(["secret"]).unwrap();
    let redis = Authgear::builder("https://auth.example").redis("redis://127.0.0.1:1");
    behind_gateway(redis).build().unwrap();
    let (default_log, _) = lines(&log);
    for call in [
        "`revoke_user`",
        "`invalidate_user`",
        "`webhooks`",
        "`redis`",
    ] {
        assert_names(&default_log, &[" WARN ", call, "docs/troubleshooting"]);
    }
    assert_names(
        &default_log,
        &[
            "`redis` does nothing behind a gateway",
            "in the server that the gateway asks",
        ],
    );
}

#[tokio::test]
async fn invalidate_user_where_nothing_is_asked() {
    if !alone("mistakes::no_effect::invalidate_user_where_nothing_is_asked") {
        return;
    }
    let (log, _listening) = listen();
    let authgear = Authgear::builder("https://auth.example").build().unwrap();
    authgear.revoke_user("alice").unwrap();
    assert_calm(
        &lines(&log)
            .0
            .into_iter()
            .filter(|line| line.contains("revoke"))
            .collect::<Vec<_>>(),
    );
    authgear.invalidate_user("alice");
    assert_names(
        &lines(&log).0,
        &[
            " WARN ",
            "`invalidate_user`",
            "`revoke_user` ends a user's JWTs",
        ],
    );
}
