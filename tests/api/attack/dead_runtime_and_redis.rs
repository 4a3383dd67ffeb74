//! A runtime that ended takes the follower of the log with it: after `max_staleness` all users
//! are refused, and the status must say so.

use std::time::Duration;

use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{FakeAuthgear, User};
use axum_authgear::{AuthErrorKind, Authgear, Health, RedisConfig};
use tokio::runtime::{Builder, Runtime};

use crate::redis_server::RedisServer;

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
#[ignore = "needs redis-server"]
fn a_status_is_down_where_all_users_are_refused() {
    let first = runtime();
    let server_runtime = runtime();
    let clock = Clock::frozen_at(1_800_000_000);
    let (server, fake) = server_runtime.block_on(async {
        let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
        (RedisServer::start().await, fake)
    });
    let alice = fake.add_user(User::new("alice"));
    let authgear = first.block_on(async {
        let redis = RedisConfig::new(server.url()).max_staleness(Duration::from_secs(60));
        let authgear = Authgear::builder(fake.endpoint())
            .redis(redis)
            .dangerous()
            .clock(clock.clone())
            .build()
            .unwrap();
        authgear.ready(Duration::from_secs(10)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        authgear
    });
    let token = fake.token(&alice).sign();
    server_runtime.block_on(async {
        authgear.verify(&token).await.unwrap();
    });
    drop(first);
    clock.shift_millis(120_000);
    let error = server_runtime
        .block_on(authgear.verify(&token))
        .unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::RevocationsUnavailable);
    assert_eq!(authgear.status().health(), Health::Down);
    let cause = std::error::Error::source(&error);
    assert!(cause.is_some(), "it does not say why");
}
