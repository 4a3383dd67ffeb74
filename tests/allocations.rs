//! Verification allocates what the user keeps, and nothing else. A binary of its own, because it
//! counts with an allocator of its own.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use axum_authgear::testkit::{FakeAuthgear, TokenBuilder, User};
use axum_authgear::{Authgear, Principal};
use futures_util::FutureExt;

/// Verifies a token several times, and holds each outcome until it is counted.
async fn verify(authgear: &Authgear, tokens: &[String]) -> Vec<(AllocationInfo, bool)> {
    let mut counted = Vec::new();
    for token in tokens {
        let mut outcome = None;
        let info = measure(|| {
            // The key is warm: nothing is waited for.
            outcome = authgear.verify_principal(token).now_or_never();
        });
        let is_user = matches!(outcome, Some(Ok(Principal::User(_))));
        assert!(matches!(outcome, Some(Ok(_))));
        counted.push((info, is_user));
    }
    counted
}

fn several(token: &TokenBuilder) -> Vec<String> {
    // Each is a new one for the verifier.
    (0..5).map(|_| token.clone().sign()).collect()
}

#[tokio::test]
async fn a_warm_verification_allocates_only_what_the_user_keeps() {
    let fake = FakeAuthgear::start().await;
    let plain = fake.add_user(User::new("alice"));
    let full = fake.add_user(
        User::new("bob")
            .roles(["admin", "editor", "reader", "support"])
            .email("bob@example.com")
            .verified(true),
    );
    let resource = "https://api.example.com";
    let authgear = Authgear::builder(fake.endpoint())
        .audience(fake.endpoint())
        .audience(resource)
        .build()
        .unwrap();
    authgear.ready(Duration::from_secs(10)).await.unwrap();

    for (kind, token) in [
        ("user", fake.token(&plain)),
        ("user with roles", fake.token(&full)),
        ("third party", fake.token(&full).third_party()),
        ("refreshed", fake.token(&full).refreshed()),
        (
            "machine",
            fake.machine_token("job", resource).scope("a b c"),
        ),
    ] {
        let tokens = several(&token);
        // The first one may fill what belongs to the thread.
        for (info, is_user) in verify(&authgear, &tokens).await.into_iter().skip(1) {
            assert_eq!(is_user, kind != "machine");
            assert!(info.count_total > 0, "{kind}: the counter counts nothing");
            let live = u64::try_from(info.count_current).unwrap();
            assert_eq!(info.count_total - live, 0, "{kind}: {info:?}");
        }
    }
}
