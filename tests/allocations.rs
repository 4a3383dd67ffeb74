//! Verification allocates what the user keeps, and nothing else. A binary of its own, because it
//! counts with an allocator of its own.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use axum_authgear::testkit::{FakeAuthgear, TokenBuilder, User};
use axum_authgear::{AuthUser, Authgear, Principal, ProtectedResource};
use futures_util::FutureExt;
use http::{Request, StatusCode, header};
use tower::ServiceExt;

/// Verifies a token, and counts while the outcome is held.
fn verify(authgear: &Authgear, token: &str) -> (AllocationInfo, Principal) {
    let mut outcome = None;
    let info = measure(|| {
        // The key is warm: nothing is waited for.
        outcome = authgear.verify_principal(token).now_or_never();
    });
    (info, outcome.unwrap().unwrap())
}

/// How many allocations were made and not kept.
fn passing(info: AllocationInfo) -> i64 {
    i64::try_from(info.count_total).unwrap() - info.count_current
}

const RESOURCE: &str = "https://api.example.com";

async fn ready(fake: &FakeAuthgear, token_cache_capacity: usize) -> Authgear {
    let authgear = Authgear::builder(fake.endpoint())
        .audience(fake.endpoint())
        .audience(RESOURCE)
        .token_cache_capacity(token_cache_capacity)
        .build()
        .unwrap();
    authgear.ready(Duration::from_secs(10)).await.unwrap();
    authgear
}

fn kinds(fake: &FakeAuthgear) -> [(&'static str, TokenBuilder); 5] {
    let plain = fake.add_user(User::new("alice"));
    let full = fake.add_user(
        User::new("bob")
            .roles(["admin", "editor", "reader", "support"])
            .email("bob@example.com")
            .verified(true),
    );
    [
        ("user", fake.token(&plain)),
        ("user with roles", fake.token(&full)),
        ("third party", fake.token(&full).third_party()),
        ("refreshed", fake.token(&full).refreshed()),
        ("machine", fake.client_token("job", RESOURCE).scope("a b c")),
    ]
}

#[tokio::test]
async fn a_warm_verification_allocates_only_what_the_user_keeps() {
    let fake = FakeAuthgear::start().await;
    let authgear = ready(&fake, 0).await;
    for (kind, token) in kinds(&fake) {
        for number in 0..5 {
            // Each is a new one.
            let (info, principal) = verify(&authgear, &token.clone().sign());
            assert_eq!(principal.user().is_some(), kind != "machine");
            assert!(info.count_total > 0, "{kind}: the counter counts nothing");
            // The first one may fill what belongs to the thread.
            if number > 0 {
                assert_eq!(passing(info), 0, "{kind}: {info:?}");
            }
        }
    }
    // The counter does see what is not kept.
    assert_eq!(
        passing(measure(|| drop(std::hint::black_box(vec![0; 10])))),
        1
    );
}

#[tokio::test]
async fn a_token_seen_before_allocates_nothing() {
    let fake = FakeAuthgear::start().await;
    let authgear = ready(&fake, 100).await;
    for (kind, token) in kinds(&fake) {
        let mut first_seen = Vec::new();
        for _ in 0..5 {
            let token = token.clone().sign();
            first_seen.push(passing(verify(&authgear, &token).0));
            for _ in 0..3 {
                let (info, _) = verify(&authgear, &token);
                assert_eq!(info.count_total, 0, "{kind}: {info:?}");
            }
        }
        // Now and then the cache grows, and moves.
        assert_eq!(first_seen.iter().min(), Some(&0), "{kind}: {first_seen:?}");
    }
}

#[tokio::test]
async fn a_full_cache_keeps_a_token_at_its_second_verification() {
    let fake = FakeAuthgear::start().await;
    let authgear = ready(&fake, 10).await;
    let alice = fake.add_user(User::new("alice"));
    for _ in 0..40 {
        verify(&authgear, &fake.token(&alice).sign());
    }
    let token = fake.token(&alice).sign();
    // A token that is not cached is verified again, and its user is a new one.
    let is_cached = [(); 4].map(|()| verify(&authgear, &token).0.count_total == 0);
    assert_eq!(is_cached, [false, false, true, true]);
}

/// How many allocations a request costs, from the router's clone until the response is dropped.
fn of_request(router: &Router, token: &str, status: StatusCode) -> u64 {
    let request = Request::get("/me")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    let mut answered = None;
    let info = measure(|| {
        let response = router.clone().oneshot(request).now_or_never().unwrap();
        answered = Some(response.unwrap().status());
    });
    assert_eq!(answered, Some(status));
    info.count_total
}

/// What the crate adds to the allocations of a bare router: these are the numbers themselves, so
/// that one more is seen, and one fewer is kept.
#[tokio::test]
async fn a_request_allocates_no_more_than_it_did() {
    let fake = FakeAuthgear::start().await;
    let authgear = ready(&fake, 100).await;
    let alice = fake.add_user(User::new("alice").roles(["admin", "editor"]));
    let name = alice.id().to_owned();
    let bare = Router::new().route("/me", get(move || std::future::ready(name.clone())));
    let ours = Router::new()
        .route(
            "/me",
            get(|user: AuthUser| async move { user.id().to_owned() }),
        )
        .layer(authgear.layer());

    // A token of an unknown key that is worth a fetch begins the cooldown, for one that is not.
    let unknown = fake.token(&alice).kid("unknown");
    authgear.verify(&unknown.clone().sign()).await.unwrap_err();
    let hour_ago = unix_now() - 3_600;
    let unknown = unknown
        .issued_at(hour_ago)
        .lifetime(Duration::from_secs(7_200))
        .sign();
    let forged = fake.token(&alice).tamper_signature().sign();
    let seen = fake.token(&alice).sign();

    let least = |count: &dyn Fn() -> u64| (0..6).map(|_| count()).min();
    let bare = least(&|| of_request(&bare, &seen, StatusCode::OK)).unwrap();
    let added = |status, token: &dyn Fn() -> String| {
        // The least of some: the first fills what belongs to the thread, and the cache may grow.
        least(&|| of_request(&ours, &token(), status)).map(|count| count - bare)
    };
    let (ok, unauthorized) = (StatusCode::OK, StatusCode::UNAUTHORIZED);
    let added = [
        ("seen before", added(ok, &|| seen.clone())),
        ("first seen", added(ok, &|| fake.token(&alice).sign())),
        ("unparsable", added(unauthorized, &|| "garbage".to_owned())),
        ("forged", added(unauthorized, &|| forged.clone())),
        ("unknown key", added(unauthorized, &|| unknown.clone())),
    ];
    assert_eq!(
        added,
        [
            ("seen before", Some(3)),
            // What the cache keeps is one of them.
            ("first seen", Some(7)),
            ("unparsable", Some(1)),
            ("forged", Some(3)),
            ("unknown key", Some(3)),
        ]
    );
}

/// How many bytes projects hold that have no keys, once the first attempt to fetch them has failed.
fn held_by(runtime: &tokio::runtime::Runtime, projects: u16) -> i64 {
    let mut authgear = None;
    let info = measure(|| {
        let built = runtime.block_on(async {
            // Nobody listens there.
            let builders = (1..=projects).map(|number| {
                let (high, low) = (number / 200 + 1, number % 200 + 1);
                Authgear::builder(format!("http://127.77.{high}.{low}:1"))
            });
            let authgear = Authgear::any_of(builders).build().unwrap();
            let attempted = |authgear: &Authgear| {
                let status = authgear.status();
                let mut projects = status.projects().iter();
                projects.all(|project| project.status().last_error().is_some())
            };
            while !attempted(&authgear) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            authgear
        });
        authgear = Some(built);
    });
    drop(authgear);
    info.bytes_current
}

/// A thousand of them where the environment asks for the full count.
#[test]
fn an_idle_project_holds_little_memory() {
    let full = std::env::var("AXUM_AUTHGEAR_CASES").is_ok_and(|cases| cases == "full");
    let projects = if full { 1_000 } else { 100 };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // What they share, the HTTP client for example.
    let shared = held_by(&runtime, 1);
    let each = (held_by(&runtime, projects) - shared) / i64::from(projects - 1);
    println!("{each} bytes for each of {projects}");
    assert!(each > 0, "nothing was counted");
    assert!(each <= 32 * 1024, "{each} bytes for each project");
}

/// A process may have thousands of resources: what each of them keeps.
#[tokio::test]
async fn a_resource_keeps_no_more_than_2_kib() {
    const COUNT: usize = 1_000;
    let fake = FakeAuthgear::start().await;
    let authgear = ready(&fake, 100).await;
    let mut tenants = Vec::with_capacity(COUNT);
    let info = measure(|| {
        for number in 0..COUNT {
            let url = format!("https://api.example.com/tenants/{number:04}/orders/v1");
            let resource = ProtectedResource::new(url)
                .audience(fake.endpoint())
                .audience(RESOURCE)
                .scopes(["read:orders", "write:orders", "admin:orders"])
                .initial_scopes(["read:orders"])
                .name("The orders of a tenant")
                .documentation("https://docs.example.com/orders");
            tenants.push(authgear.for_resource(resource).unwrap());
        }
    });
    let each = info.bytes_current / i64::try_from(COUNT).unwrap();
    assert!((1..=2_048).contains(&each), "{each} bytes each");
    // As near as to the number itself, so that what is added is seen.
    assert!((700..1_400).contains(&each), "{each} bytes each");
}

fn unix_now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}
