//! Users and tokens that were ended.

use std::time::Duration;

use axum::Router;
use axum::routing::any;
use axum_authgear::testkit::Clock;
use axum_authgear::testkit::{Endpoint, FakeAuthgear, User, WebhookEvent};
use axum_authgear::{
    AuthErrorKind, AuthUser, Authgear, AuthgearBuilder, LiveSessions, SessionResolver,
};
use http::{Request, StatusCode};

use crate::refusal_table::assert_refused;
use crate::support::{Answer, api, get, ready, send};

pub(crate) const NOW: u64 = 1_795_600_000;
const DAY: u64 = 24 * 60 * 60;

/// A fake and a service that agree about the time.
pub(crate) async fn on_a_frozen_clock() -> (FakeAuthgear, Clock) {
    let clock = Clock::frozen_at(NOW);
    let fake = FakeAuthgear::builder().clock(clock.clone()).start().await;
    (fake, clock)
}

pub(crate) fn builder(fake: &FakeAuthgear) -> AuthgearBuilder {
    Authgear::builder(fake.endpoint())
        .dangerous()
        .clock(fake.clock().clone())
}

pub(crate) fn assert_good(answer: &Answer, user: &User) {
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, user.id()),
        "{answer:?}"
    );
}

pub(crate) fn assert_revoked(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
    assert_eq!(answer.kind, Some(AuthErrorKind::Revoked));
    assert_eq!(
        answer.challenge(),
        Some(
            "Bearer error=\"invalid_token\", error_description=\"the access token has been revoked\""
        )
    );
}

#[tokio::test]
async fn a_user_is_out_until_it_signs_in_again() {
    let (fake, _) = on_a_frozen_clock().await;
    let alice = fake.add_user(User::new("alice"));
    let bob = fake.add_user(User::new("bob"));
    let authgear = ready(builder(&fake)).await;
    let api = api(&authgear);
    let at = |offset: i64| {
        let issued_at = NOW.saturating_add_signed(offset);
        fake.token(&alice).issued_at(issued_at).sign()
    };
    let (before, at_that_second, after) = (at(-1), at(0), at(1));
    let undated = fake
        .token(&alice)
        .remove_claim("iat")
        .expires_at(NOW + 9 * DAY)
        .sign();
    let fraction = fake.token(&alice).claim("iat", 1_795_600_000.5).sign();
    assert_good(&get(&api, "/user", &before).await, &alice);
    assert_good(&get(&api, "/user", &undated).await, &alice);

    authgear.revoke_user(alice.id()).unwrap();
    for token in [&before, &at_that_second, &undated] {
        for path in ["/user", "/optional", "/principal", "/any"] {
            assert_revoked(&get(&api, path, token).await);
        }
    }
    assert_good(&get(&api, "/user", &after).await, &alice);
    assert_good(&get(&api, "/user", &fraction).await, &alice);
    assert_good(&get(&api, "/user", &fake.token(&bob).sign()).await, &bob);
    let error = authgear.verify(&before).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::Revoked);
}

#[tokio::test]
async fn a_log_out_ends_one_token_until_it_expires() {
    let (fake, clock) = on_a_frozen_clock().await;
    let alice = fake.add_user(User::new("alice"));
    let authgear = ready(builder(&fake)).await;
    let on_log_out = authgear.clone();
    let api: Router = api(&authgear).merge(
        Router::new()
            .route(
                "/log-out",
                any(move |user: AuthUser| async move { on_log_out.revoke_token(&user) }),
            )
            .layer(authgear.layer()),
    );
    // Without a `jti` what else the token says of itself tells it from others.
    let pairs = [
        [fake.token(&alice), fake.token(&alice)],
        [
            fake.token(&alice).remove_claim("jti"),
            fake.token(&alice).remove_claim("jti").issued_at(NOW - 1),
        ],
    ];
    for pair in pairs {
        let [first, second] = pair.map(|token| token.lifetime(Duration::from_secs(2 * DAY)).sign());
        assert_good(&get(&api, "/user", &first).await, &alice);
        assert_eq!(get(&api, "/log-out", &first).await.status, StatusCode::OK);
        assert_revoked(&get(&api, "/user", &first).await);
        assert_good(&get(&api, "/user", &second).await, &alice);
        // Longer than users are remembered, as long as the token lives.
        clock.shift_millis(36 * 60 * 60 * 1000);
        assert_revoked(&get(&api, "/user", &first).await);
        clock.shift_millis(-36 * 60 * 60 * 1000);
    }
}

#[tokio::test]
async fn a_users_token_from_before_the_retention_is_too_old() {
    let (fake, _) = on_a_frozen_clock().await;
    let alice = fake.add_user(User::new("alice"));
    let retention = Duration::from_secs(2 * DAY);
    let aged = |age: u64| {
        fake.token(&alice)
            .issued_at(NOW - age)
            .expires_at(NOW + 60)
            .sign()
    };
    let long_ago = fake
        .client_token("worker", "https://api.example.com")
        .issued_at(NOW - 20 * DAY)
        .expires_at(NOW + 60)
        .sign();

    let on = builder(&fake)
        .audience(fake.endpoint())
        .audience("https://api.example.com");
    let on = api(&ready(on.revocation_retention(retention)).await);
    assert_good(&get(&on, "/user", &aged(2 * DAY)).await, &alice);
    let answer = get(&on, "/user", &aged(2 * DAY + 1)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        answer.kind,
        Some(AuthErrorKind::OlderThanRevocationRetention)
    );
    assert_eq!(
        answer.challenge(),
        Some(
            "Bearer error=\"invalid_token\", error_description=\"the access token was issued too long ago\""
        )
    );
    assert_eq!(get(&on, "/client", &long_ago).await.status, StatusCode::OK);

    // A webhook turns it on with a day, nothing at all leaves it off.
    let by_webhook = ready(builder(&fake)).await;
    let routes = api(&by_webhook);
    assert_good(&get(&routes, "/user", &aged(DAY + 1)).await, &alice);
    let _: Router = Router::new().route("/hook", by_webhook.webhooks(["secret"]).unwrap());
    assert_good(&get(&routes, "/user", &aged(DAY)).await, &alice);
    let answer = get(&routes, "/user", &aged(DAY + 1)).await;
    assert_eq!(
        answer.kind,
        Some(AuthErrorKind::OlderThanRevocationRetention)
    );
}

/// Nobody can say whether it was issued before a revocation, or longer ago than these are kept.
#[tokio::test]
async fn a_users_token_without_iat_is_refused_where_revocation_is_on() {
    let (fake, clock) = on_a_frozen_clock().await;
    let alice = fake.add_user(User::new("alice"));
    let undated = fake
        .token(&alice)
        .remove_claim("iat")
        .expires_at(NOW + 90 * DAY)
        .sign();
    let machine = fake
        .client_token("worker", "https://api.example.com")
        .remove_claim("iat")
        .expires_at(NOW + 90 * DAY)
        .sign();
    let with_machines = || {
        builder(&fake)
            .audience(fake.endpoint())
            .audience("https://api.example.com")
    };

    let off = ready(with_machines()).await;
    assert_good(&get(&api(&off), "/user", &undated).await, &alice);

    let by_option = with_machines().revocation_retention(Duration::from_secs(DAY));
    let by_option = ready(by_option).await;
    let by_webhook = ready(with_machines()).await;
    // Before the webhook turns revocation on, a verified token is kept and a user is let in.
    let kept = by_webhook.verify(&undated).await.unwrap();
    let _: Router = Router::new().route("/hook", by_webhook.webhooks(["secret"]).unwrap());
    let error = by_webhook.recheck(&kept).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::MissingIssuedAt);

    for authgear in [by_option, by_webhook] {
        let routes = api(&authgear);
        authgear.revoke_user(alice.id()).unwrap();
        // As long as the revocation is kept, and after that.
        for passed in [0, 25 * 60 * 60 * 1000] {
            clock.shift_millis(passed);
            for path in ["/user", "/optional", "/principal", "/any"] {
                let answer = get(&routes, path, &undated).await;
                assert_refused(path, &answer, AuthErrorKind::MissingIssuedAt);
            }
            let error = authgear.verify(&undated).await.unwrap_err();
            assert_eq!(error.kind(), AuthErrorKind::MissingIssuedAt);
            assert_eq!(
                get(&routes, "/client", &machine).await.status,
                StatusCode::OK
            );
            let dated = fake
                .token(&alice)
                .issued_at(NOW + passed.unsigned_abs() / 1000 + 1);
            let dated = dated.expires_at(NOW + 90 * DAY).sign();
            assert_good(&get(&routes, "/user", &dated).await, &alice);
            clock.shift_millis(-passed);
        }
    }
}

#[tokio::test]
async fn long_connections_end_with_their_user() {
    let (fake, _) = on_a_frozen_clock().await;
    let authgear = ready(builder(&fake)).await;
    let [alice, bob] = ["alice", "bob"].map(|name| fake.add_user(User::new(name)));
    let user = authgear.verify(&fake.token(&alice).sign()).await.unwrap();
    let other = authgear.verify(&fake.token(&bob).sign()).await.unwrap();
    let waiting = tokio::spawn({
        let (authgear, user) = (authgear.clone(), user.clone());
        async move { authgear.ended(&user).await }
    });
    authgear.recheck(&user).await.unwrap();
    authgear.revoke_user(alice.id()).unwrap();
    let error = authgear.recheck(&user).await.unwrap_err();
    assert_eq!(error.kind(), AuthErrorKind::Revoked);
    let ended = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert_eq!(ended.unwrap().unwrap().kind(), AuthErrorKind::Revoked);
    authgear.recheck(&other).await.unwrap();
}

#[tokio::test]
async fn what_the_resolver_said_of_an_ended_user_is_forgotten() {
    let fake = FakeAuthgear::start().await;
    let authgear = Authgear::builder(fake.endpoint())
        .session_resolver(SessionResolver::new().cache_ttl(Duration::from_secs(60)))
        .build()
        .unwrap();
    let api = api(&authgear);
    let [alice, bob] = ["alice", "bob"].map(|name| fake.add_user(User::new(name)));
    let tokens = [&alice, &bob].map(|user| fake.token(user).sign());
    let asked = || fake.requests(Endpoint::Resolver);
    for token in &tokens {
        for _ in 0..2 {
            assert_eq!(get(&api, "/any", token).await.status, StatusCode::OK);
        }
    }
    let before = asked();

    // The resolver's word counts: it is asked again, and knows nothing of an end.
    let hook = authgear.webhooks([fake.webhook_secret()]).unwrap();
    let hook: Router = Router::new().route("/hook", hook);
    let webhook = fake.webhook(WebhookEvent::UserDisabled, &alice);
    let request = Request::post("/hook").header("x-authgear-body-signature", webhook.signature());
    let request = request.body(webhook.body().into()).unwrap();
    assert_eq!(send(&hook, request).await.status, StatusCode::NO_CONTENT);
    for token in &tokens {
        assert_eq!(get(&api, "/any", token).await.status, StatusCode::OK);
    }
    assert_eq!(asked(), before + 1, "one of them alone");

    fake.disable(&alice);
    authgear.revoke_user(alice.id()).unwrap();
    let answer = get(&api, "/any", &tokens[0]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.kind, Some(AuthErrorKind::SessionInvalid));
}

#[tokio::test]
async fn live_sessions_end_at_once_and_not_at_their_bound() {
    let fake = FakeAuthgear::start().await;
    let authgear = Authgear::builder(fake.endpoint())
        .live_sessions(LiveSessions::within(Duration::from_secs(600)))
        .build()
        .unwrap();
    authgear.ready(Duration::from_secs(10)).await.unwrap();
    let api = api(&authgear);
    let alice = fake.add_user(User::new("alice"));
    let token = fake.token(&alice).sign();
    assert_good(&get(&api, "/user", &token).await, &alice);
    let asked = fake.requests(Endpoint::Resolver);
    authgear.revoke_user(alice.id()).unwrap();
    assert_revoked(&get(&api, "/user", &token).await);
    assert_eq!(fake.requests(Endpoint::Resolver), asked);
}

#[tokio::test]
async fn a_retention_that_cannot_work_is_refused() {
    for (retention, good) in [
        (Duration::ZERO, false),
        (Duration::from_secs(59), false),
        (Duration::from_secs(60), true),
        (Duration::from_secs(30 * DAY), true),
        (Duration::from_secs(30 * DAY + 1), false),
    ] {
        let built = Authgear::builder("http://localhost:1")
            .revocation_retention(retention)
            .build();
        let option = built.err().and_then(|error| error.option());
        assert_eq!(
            option,
            (!good).then_some("revocation_retention"),
            "{retention:?}"
        );
    }
}
